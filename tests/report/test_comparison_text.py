from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from hydrometer.comparison import compare_counts, compare_logs
from hydrometer.logs.reading import read_log
from hydrometer.report.comparison_text import comparison_lines, print_comparison


def text(result: object, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    print_comparison(result, Console(file=stream, width=width))  # type: ignore[arg-type]
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_lines_fit_and_carry_no_spaces_at_their_end() -> None:
    shown = text(compare_counts(125, 15, 32, 26), width=60).splitlines()
    assert max(map(len, shown)) <= 60
    assert not any(line.endswith(" ") for line in shown)


def test_an_ascii_terminal_gets_ascii() -> None:
    text(compare_counts(125, 15, 32, 26), encoding="ascii").encode("ascii")


def test_names_from_logs_are_neither_markup_nor_control(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("item,task,score\na,[bold]x\x1b[31m[/nothing],1\n")
    side = read_log(path)
    shown = text(compare_logs(side, side))
    assert "[bold]x" in shown
    assert "\x1b" not in shown


def test_a_settled_size_plans_nothing() -> None:
    lines = " ".join(line for line, _, _ in comparison_lines(compare_counts(900, 1, 1, 98)))
    assert "size resolved" in lines
    assert "plan" not in lines
