"""Model card, JUnit, badge and hub metadata say what the report says, and hostile names stay text."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
import sample
import sample_facets
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from hydrometer.report.build import build_view
from hydrometer.report.faces import FACES, badge, eval_results, junit, markdown, model_index
from hydrometer.result import AuditResult, Verdict
from hydrometer.verdict import GATES, gate, overall

RESULTS = {"plain": sample.sample(), "invalid": sample.invalid(), "full": sample_facets.full()}
NASTY = 'a|b <script>alert(1)</script> [x](javascript:y) `c` & "d" ]]>'


def renamed(result: AuditResult, label: str) -> AuditResult:
    identity = replace(result.base.identity, label=label)
    first = replace(result.capabilities[0], capability=label)
    return replace(
        result, base=replace(result.base, identity=identity), capabilities=(first, *result.capabilities[1:])
    )


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", RESULTS)
def test_every_face_of_every_result_is_a_text_that_ends(face: str, name: str) -> None:
    text = FACES[face][1](RESULTS[name])
    assert text.endswith("\n")
    assert "\x1b" not in text


def test_the_card_has_a_line_per_capability_with_its_interval() -> None:
    result = sample.sample()
    view = build_view(result)
    rows = [line for line in markdown(result).splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len(result.capabilities)
    for row, shown in zip(rows, view.capabilities, strict=True):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1] == f"{shown.badge.symbol} {shown.badge.label}"
        assert cells[2:4] == [shown.base, shown.student]
        assert cells[4].replace("\\", "") == f"{shown.difference} {shown.interval}"
    ModelCard(markdown(result), ignore_metadata_errors=True)


def test_a_card_holds_no_markup_of_a_name() -> None:
    text = markdown(renamed(sample.sample(), NASTY))
    row = next(line for line in text.splitlines() if "alert" in line and line.startswith("| "))
    assert "\\<script\\>" in row
    assert r"a\|b" in row
    assert "<script>" not in row


def test_junit_counts_what_it_lists() -> None:
    result = sample.sample()
    suite = ET.fromstring(junit(result))[0]
    verdicts = [row.verdict for row in result.capabilities]
    assert suite.get("tests") == str(len(verdicts))
    assert suite.get("failures") == str(verdicts.count(Verdict.WORSE)) != "0"
    assert suite.get("skipped") == str(verdicts.count(Verdict.NOT_ENOUGH)) != "0"
    assert suite.get("errors") == "0"
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "more of 100 tasks" in failure.attrib["message"]


def test_junit_of_a_setup_that_is_not_comparable_is_an_error() -> None:
    suite = ET.fromstring(junit(sample.invalid()))[0]
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")


@pytest.mark.parametrize("make", [junit, badge])
def test_xml_stays_well_formed_whatever_a_name_holds(make) -> None:
    root = ET.fromstring(make(renamed(sample.sample(), NASTY + "\x00\x1b[31m\ud800")))
    assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_a_badge_says_the_verdict_in_words() -> None:
    root = ET.fromstring(badge(sample.sample()))
    words = [element.text for element in root.iter() if element.tag.endswith("}text")]
    assert words == ["vs SmolLM2-135M-Instruct", "▼ worse"]


def test_hub_metadata_is_read_back_by_the_hub_library() -> None:
    result = sample.sample()
    name, entries = model_index_to_eval_results(yaml.safe_load(model_index(result))["model-index"])
    assert name == result.student.identity.label
    answered = [row for row in result.capabilities if row.estimate.n]
    assert [entry.metric_value for entry in entries] == [round(row.estimate.student, 4) for row in answered]
    assert entries[0].dataset_args["verdict"] == answered[0].verdict.value
    assert entries[0].dataset_args["interval"] == [
        round(answered[0].estimate.low, 4),
        round(answered[0].estimate.high, 4),
    ]


@pytest.mark.parametrize(
    ("verdicts", "statuses"),
    [
        ("equivalent", (0, 0, 0)),
        ("better/equivalent", (0, 0, 10)),
        ("not enough evidence", (0, 11, 0)),
        ("better/not enough evidence", (0, 11, 10)),
        ("worse/better", (10, 10, 10)),
        ("invalid", (12, 12, 12)),
    ],
)
def test_a_gate_fails_on_what_it_guards_against(verdicts: str, statuses: tuple[int, int, int]) -> None:
    rows = [replace(sample.WORSE, verdict=Verdict(name)) for name in verdicts.split("/") if name != "invalid"]
    result = sample.sample(verdict=overall(rows) if rows else Verdict.INVALID, capabilities=tuple(rows))
    assert tuple(gate(result, name) for name in GATES) == statuses


def test_eval_results_are_read_by_the_hubs_own_reader() -> None:
    text = eval_results(sample.sample())
    assert text.startswith("# In the form of ")
    assert "a suite of Hydrometer is none" in text
    entries = yaml.safe_load(text)
    hub = pytest.importorskip("huggingface_hub._eval_results", reason="needs a huggingface_hub that knows the format")
    read = hub.parse_eval_result_entries(entries)
    assert hub.eval_result_entries_to_yaml(read) == entries
    assert [entry.task_id for entry in read] == [
        row.capability.replace(" ", "_") for row in sample.CAPABILITIES if row.estimate.n
    ]
    first = read[0]
    assert (first.dataset_id, first.value, first.date) == ("hydrometer/standard", 62.0, sample.sample().created)
    assert "worse, difference -9.0 [-14.1, -3.9] points, margin 3;" in first.notes
