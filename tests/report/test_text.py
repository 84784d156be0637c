"""The terminal report: no broken table at 80 columns, no colour needed, no Unicode needed, no markup obeyed."""

import io
import re
from dataclasses import replace

import pytest
import sample
import sample_facets
from rich.console import Console
from rich.text import Text

from hydrometer.report import inspection_text
from hydrometer.report.text import print_report
from hydrometer.result import AuditResult

WHERE = "hydrometer-out/SmolLM2-135M-traces-vs-SmolLM2-135M-Instruct-with-a-long-name-1234abcd/report.html"


def printed(result: AuditResult, width: int, encoding: str = "utf-8", **options: object) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    print_report(result, Console(file=stream, width=width, **options), where=WHERE)  # type: ignore[arg-type]
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_line_is_wider_than_the_terminal_and_rows_stay_whole(width: int, encoding: str) -> None:
    lines = printed(sample_facets.full(), width, encoding).splitlines()
    assert all(len(line) <= width for line in lines if not line.startswith("Report"))
    for values in (("71.0", "62.0", "-9.0", "120", "+6/-17", "3/6"), ("88.0", "88.2", "+0.2", "600")):
        assert any(all(value in line.split() for value in values) for line in lines), values
    interval = "[-14.1, -3.9]"
    assert any(interval in line for line in lines)
    assert "…" not in "".join(lines[:30])


def test_one_line_per_capability_where_there_is_room() -> None:
    lines = printed(sample.sample(), 120).splitlines()
    assert any(
        re.search(r"instruction following\s+▼ worse\s+71\.0\s+62\.0\s+-9\.0 \[-14\.1, -3\.9\]", line)
        for line in lines
    )
    assert any(re.search(r"general knowledge\s+\? not enough evidence", line) for line in lines)


@pytest.mark.parametrize("width", [80, 120])
def test_the_path_is_one_line(width: int) -> None:
    assert printed(sample.sample(), width).splitlines()[-1] == f"Report  {WHERE}"


def test_ascii_terminals_get_ascii() -> None:
    text = printed(sample.sample(headline="größer – “quoted” …"), 80, "ascii")
    assert text.isascii()
    assert 'gr??er - "quoted" ...' in text
    for word in ("- worse", "+ better", "= equivalent"):
        assert word in text
    assert "x not comparable" in printed(sample.invalid(), 80, "ascii")


def test_colour_only_adds() -> None:
    plain = printed(sample.sample(), 80, no_color=True, force_terminal=True)
    coloured = printed(sample.sample(), 80, force_terminal=True, color_system="standard")
    assert "\x1b[1;31m" in coloured
    assert not re.search(r"\x1b\[[\d;]*3\d", plain)
    assert Text.from_ansi(plain).plain == Text.from_ansi(coloured).plain


@pytest.mark.parametrize("hostile", sample.HOSTILE)
def test_hostile_text_is_neither_obeyed_nor_able_to_break_lines(hostile: str) -> None:
    text = printed(sample.sample(headline=hostile), 80)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[bold red]markup[/bold red]" in text or "markup" not in hostile


def test_an_invalid_setup_names_cause_and_cure_without_a_table() -> None:
    text = printed(sample.invalid(), 80)
    assert "✕ not comparable" in text
    assert "template, undeclared difference: base s2:aaaa, student s2:bbbb" in " ".join(text.split())
    assert "gained" not in text


def test_alarms_and_setup_differences_are_shown() -> None:
    text = " ".join(printed(sample.sample(), 80).split())
    assert "Alarm needle: no reply of the base could be graded" in text
    assert "precision, declared difference: base Q8_0, student Q4_1. A difference could come" in text
    assert "sha256:9f9f9f9f9f9f…" in text


def test_cuts_flips_and_behaviours_are_told_where_they_matter() -> None:
    text = " ".join(printed(sample_facets.full(), 80).split())
    assert "Cut arithmetic: 4 of 36 replies of the base, 19 of 36 of the student" in text
    # 2 of 120 cut replies are too few to speak of here.
    assert "Cut instruction following" not in text
    assert "Budget On arithmetic the ranking depends on the budget" in text
    assert "Behaves loop: 31 % of the student's replies, 2 % of the base's, +29.0 [20.1, 37.9] points" in text
    assert "no proof of who the teacher was" in text
    # Its interval holds zero.
    assert "Behaves refusal" not in text


def test_the_figures_over_all_capabilities_are_told() -> None:
    text = " ".join(printed(sample_facets.full(), 80).split())
    for start in ("Overall -2.5 points [-5.0, 0.1]", "Asked 210 of 720 planned items", "Noise asked twice"):
        assert start in text


@pytest.mark.parametrize("hostile", sample.HOSTILE)
def test_hostile_names_of_behaviours_do_not_break_the_terminal(hostile: str) -> None:
    loop = replace(sample_facets.LOOP, behaviour=hostile)
    cut = replace(sample_facets.CUT, capability=hostile)
    text = printed(sample_facets.full(behaviours=(loop,), cuts=(cut,)), 80)
    assert not {"\x1b", "\x07", "\x00", "\u202e"} & set(text)
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith("Report"))


def test_a_line_of_an_inspection_holds_no_command_for_the_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    inspection_text._line(console, "licence mit\x1b]0;title\x07\x1b[2J", "", plain=False)
    assert "\x1b]" not in console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[2J" not in console.file.getvalue()  # type: ignore[attr-defined]
