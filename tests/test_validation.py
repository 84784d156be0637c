"""The study runs, its engine says what an audit says, and the committed document is a whole run of it."""

import importlib
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hydrometer.result import Stopped, Verdict
from hydrometer.simulate import World, collect, draw, latch, walk
from hydrometer.stats.power import exact_power

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def study() -> ModuleType:
    sys.path.insert(0, str(ROOT / "tools"))
    return importlib.import_module("validation_study")


@pytest.fixture(scope="module")
def worlds(study: ModuleType) -> ModuleType:
    return sys.modules["validation_worlds"]


@pytest.fixture(scope="module")
def quick(study: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("study") / "validation.md"
    assert study.main(["--quick", "--out", str(out)]) == 0
    return out.read_text(encoding="utf-8")


def headings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("#")]


def test_a_quick_study_fills_every_table(quick: str) -> None:
    assert not re.search(r"\b(nan|inf|None)\b", quick)
    for block in re.findall(r"(?:^\|.*\n)+", quick, re.MULTILINE):
        lines = block.splitlines()
        assert len(lines) > 2
        assert len({line.count("|") for line in lines}) == 1


def test_the_document_is_a_whole_run_of_this_study(quick: str) -> None:
    written = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
    assert headings(written) == headings(quick)
    assert "--quick" not in written
    counted = re.search(r"Of (\d+) numbers with a bound .*?, (\d+) break it", written, re.DOTALL)
    assert counted
    assert int(counted[1]) > 400
    # Every mark is named at the top.
    named = len(re.findall(r"^- ", written, re.MULTILINE))
    assert named == int(counted[2])


def test_the_engine_stops_and_says_what_an_audit_does(worlds: ModuleType) -> None:
    world = World(worlds=60, items=240, capabilities=1, discordance=0.2, difference=-0.08, damaged=1)
    world = replace(world, margin=worlds.MARGIN)
    evidence = [collect(world, draw(world, number)) for number in range(world.worlds)]
    seen = list(latch(evidence, evidence[0].answered[0][1].times))
    engine = worlds.verdicts(np.concatenate([own.p for own in seen]), world.planned)
    names = {worlds.EQUIVALENT: Verdict.EQUIVALENT, worlds.WORSE: Verdict.WORSE, worlds.BETTER: Verdict.BETTER, worlds.OPEN: Verdict.NOT_ENOUGH}  # fmt: skip
    compared = 0
    for number, own in enumerate(seen):
        ending = walk(world, own, world.planned)
        if ending.stopped[0] is not Stopped.UNLIKELY:  # the engine has no futility stop
            assert ending.verdicts[0] is names[int(engine.verdicts[number])]
            assert ending.items[0] == engine.items[number]
            compared += 1
    assert compared > 20


def test_exact_rates_are_those_of_the_power_module_and_of_draws(worlds: ModuleType) -> None:
    tables = worlds.Exact(150, 0.2)
    everything = tables.rate(-0.05, worlds.EQUIVALENT, worlds.WORSE, worlds.BETTER, worlds.OPEN)
    assert everything.value == pytest.approx(1.0, abs=1e-9)
    found = tables.rate(-0.05, worlds.WORSE, worlds.BETTER)
    assert found.value == pytest.approx(exact_power(150, -0.05, 0.2), abs=1e-9)
    gained, lost = worlds.counts(np.random.default_rng(0), (150,), 0.2, -0.05, 20_000)
    p = worlds.table_tests(gained, lost, 150, worlds.MARGIN)
    drawn = worlds.verdicts(p, (150,)).rate(worlds.WORSE, worlds.BETTER)
    assert drawn.value == pytest.approx(found.value, abs=4 * drawn.error)


@pytest.mark.parametrize("kind", ["direction", "fate"])
def test_clusters_correlate_as_the_document_says(worlds: ModuleType, kind: str) -> None:
    setting = worlds.CLUSTERINGS[1]
    labels = np.repeat(np.arange(setting.clusters), setting.size)
    draws = {"direction": worlds._direction, "fate": worlds._fate}[kind]
    d = draws(np.random.default_rng(1), setting, -0.05, (4000, labels.size), labels)
    assert d.mean() == pytest.approx(-0.05, abs=0.002)
    assert np.abs(d).mean() == pytest.approx(setting.discordance, abs=0.002)
    sums = d.reshape(-1, setting.size).sum(axis=1)
    icc = (sums.var() / setting.size / d.var() - 1) / (setting.size - 1)
    assert icc == pytest.approx(worlds.ICC, abs=0.003)


def test_a_rate_above_its_bound_is_marked_and_named(worlds: ModuleType) -> None:
    bound = worlds.Bound()
    assert bound.cell(worlds.Rate(0.06, 1000), "noise") == "6.0 ± 0.8"
    assert bound.cell(worlds.Rate(0.08, 1000), "fault") == "**8.0 ± 0.9 !**"
    assert bound.cell(worlds.Rate(0.051), "exact fault") == "**5.1 !**"
    assert bound.over == ["fault: 8.0 ± 0.9", "exact fault: 5.1"]
