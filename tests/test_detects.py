"""The detection matrix: what is shipped is whole and honest, it measures what it says, and it can fail."""

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).parent))

from commands import hydrometer
from hydrometer.behaviours.registry import BEHAVIOURS
from hydrometer.detects import ENOUGH, MATRIX, TOLERATED, Detection, load_matrix
from hydrometer.items import Thinking
from hydrometer.report.detects_text import markdown, summary

ROOT = Path(__file__).resolve().parent.parent
ROW = Detection(
    key="loop", row=6, detects="loops", sees="a behaviour", fault="circles", clean="another model", planted="replies",
    sizes="120", seen=9, pairs=10, alarms=1, clean_pairs=20,
)  # fmt: skip
QUICK = ("eos_wrong", "instructions", "cut")
"""Planted faults that are measured here: a behaviour, a verdict, and what stands beside both."""


@pytest.fixture(scope="module")
def measuring() -> ModuleType:
    if not (ROOT / "tools" / "measure_detects.py").exists():
        pytest.skip("runs in the source tree only")
    sys.path.insert(0, str(ROOT / "tools"))
    return importlib.import_module("measure_detects")


def test_a_row_counts_as_shown_only_at_both_bounds_and_over_seeds() -> None:
    assert (ENOUGH, TOLERATED) == (0.9, 0.05)
    assert ROW.shown
    assert not replace(ROW, seen=8).shown
    assert not replace(ROW, alarms=2).shown
    assert not replace(ROW, seen=1, pairs=1).shown
    with pytest.raises(ValueError, match="seen 11 of 10"):
        replace(ROW, seen=11)


def test_the_file_takes_no_unknown_keys() -> None:
    plain = json.loads(MATRIX.dump_json(load_matrix()))
    plain["detections"][0]["rate"] = 1.0
    with pytest.raises(ValidationError, match="rate"):
        MATRIX.validate_python(plain)


def test_a_row_that_fails_is_marked_and_named() -> None:
    matrix = replace(load_matrix(), detections=(ROW, replace(ROW, key="deaf", seen=3, alarms=5)))
    assert "Not reached: deaf." in summary(matrix)
    assert "1 of 2 planted faults" in summary(matrix)
    text = markdown(matrix)
    assert "**3/10 (11 to 60 %) !**" in text
    assert "**5/20 (11 to 47 %) !**" in text
    assert "| 9/10 (60 to 98 %) |" in text


def test_the_command_prints_every_row(tmp_path: Path) -> None:
    shown = hydrometer("detects", cwd=tmp_path)
    assert shown.returncode == 0
    given = json.loads(hydrometer("detects", "--json", cwd=tmp_path).stdout)
    assert [row["key"] for row in given["detections"]] == [row.key for row in load_matrix().detections]
    assert given["command"] in shown.stdout


def test_what_is_shipped_is_a_whole_run(measuring: ModuleType) -> None:
    matrix = load_matrix()
    plants = {plant.key: plant for plant in measuring.all_plants()}
    assert [row.key for row in matrix.detections] == list(plants)
    for row in matrix.detections:
        plant = plants[row.key]
        assert (row.fault, row.sees, row.sizes, row.planted) == (plant.fault, plant.sees, plant.sizes, plant.planted)
        assert min(row.pairs, row.clean_pairs) > 1
    spoken_of = {row.row for row in matrix.detections} | {gap.row for gap in matrix.missing}
    assert spoken_of == set(measuring.ROWS)
    assert set(measuring.ROWS) == {*range(1, 10), 11, 12, *range(18, 28), 33}


def test_every_fault_behaviour_has_a_row(measuring: ModuleType) -> None:
    seen = " ".join(plant.sees for plant in measuring.all_plants())
    for behaviour in BEHAVIOURS:
        if behaviour.fault:
            assert f"`{behaviour.name}`" in seen


@pytest.mark.parametrize("key", QUICK)
def test_planted_faults_are_seen_and_clean_pairs_are_not(measuring: ModuleType, key: str) -> None:
    plant = next(plant for plant in measuring.all_plants() if plant.key == key)
    found = measuring.measure(plant, seeds=2, clean=2)
    assert (found.seen, found.alarms) == (2, 0)
    assert found.shown


def test_a_detector_that_is_switched_off_turns_its_row_red(
    measuring: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = tuple(replace(b, detect=lambda _: None) if b.name == "loop" else b for b in BEHAVIOURS)
    monkeypatch.setattr("hydrometer.behaviours.registry.BEHAVIOURS", deaf)
    plant = next(plant for plant in measuring.all_plants() if plant.key == "loop")
    found = measuring.measure(replace(plant, items=40), seeds=2, clean=2)
    assert found.seen == 0
    assert not found.shown


def test_alarms_on_the_clean_pair_turn_a_row_red(measuring: ModuleType) -> None:
    plant = next(plant for plant in measuring.all_plants() if plant.key == "eos_wrong")
    # A clean pair that is damaged after all.
    found = measuring.measure(replace(plant, healthy=plant.student), seeds=2, clean=2)
    assert found.alarms == 2
    assert not found.shown


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Beside other tests, two threads train a small model at a tenth of the speed of one."""
    torch = importlib.import_module("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.torch
@pytest.mark.skipif(find_spec("torch") is None, reason="needs the hf extra")
@pytest.mark.usefixtures("one_thread")
def test_a_fault_in_a_real_model_is_seen(
    measuring: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another end token in the configuration of a pupil that knows little more than when a reply is over."""
    pupils, school = (importlib.import_module(name) for name in ("detect_pupils", "detect_school"))
    facts = [row for row in school.table() if row.kind == "facts"][:16]
    monkeypatch.setattr(school, "table", lambda: facts)
    monkeypatch.setattr(school, "SIZES", {"facts": 16})
    monkeypatch.setattr(pupils, "_folder", lambda: tmp_path)
    monkeypatch.setattr(pupils, "taught", cache(pupils.taught.__wrapped__))
    plant = next(plant for plant in pupils.real_plants() if plant.key == "real_eos")
    # The same pupil in 8 bits is one of the usual clean students; another pupil would have to be trained.
    clean = replace(plant, healthy=lambda base, folder, _: school.rounded(base, folder))
    found = measuring.measure(clean, seeds=1, clean=1)
    assert (found.seen, found.alarms) == (1, 0)
    # The same configuration on the clean side: that is an alarm.
    harmed = replace(plant, healthy=plant.make).audit(0, tmp_path, Thinking.DEFAULT, clean=True)
    assert plant.seen(harmed)
