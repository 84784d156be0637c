"""Simulated audits give the verdicts of real ones, repeat to the digit, and keep their error rates."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from commands import hydrometer
from hydrometer.errors import UsageError
from hydrometer.pairing import Scores
from hydrometer.result import Verdict
from hydrometer.simulate import Ending, Rates, World, collect, draw, latch, simulate, walk
from hydrometer.stopping import Pool, outlook
from hydrometer.verdict import CapabilityTable, judge

DAMAGED = World(
    worlds=6, items=200, capabilities=4, difference=-0.1, damaged=2, discordance=0.12, margin=0.06
)


def first(scores: Scores, count: int) -> Scores:
    clusters = None if scores.clusters is None else scores.clusters[:count]
    return Scores(
        base=scores.base[:count],
        student=scores.student[:count],
        excused=scores.excused[:count],
        clusters=clusters,
    )


def audited(world: World, scores: list[Scores]) -> Ending:
    """Block by block, as a run does it: cut the tables anew, judge all, settle."""
    pools = [Pool(str(number), (), world.planned) for number in range(world.capabilities)]
    results = ()
    while any(pool.stopped is None for pool in pools):
        for pool in pools:
            pool.looks += pool.stopped is None
        tables = {}
        for pool, whole in zip(pools, scores, strict=True):
            own = first(whole, pool.asked)
            seen, counted = own.looks(pool.course)
            tables[pool.capability] = CapabilityTable(
                answered=own.answered(),
                strict=own.strict(),
                chance=0.0,
                tasks=(),
                answered_looks=seen,
                strict_looks=counted,
            )
        results = judge(tables, margin=world.margin, alpha=world.alpha)
        for pool, result in zip(pools, results, strict=True):
            pool.settle(result.verdict, outlook(tables[pool.capability], margin=world.margin, alpha=world.alpha))
    return Ending(
        [r.verdict for r in results], [p.asked for p in pools], [p.stopped for p in pools if p.stopped]
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"missing": 0.3},
        {"samples": 4},
        {"cluster_size": 5, "icc": 0.2, "missing": 0.05},
        {"margin": 0.2, "discordance": 0.15},
        {"items": 40, "missing": 0.8, "discordance": 0.9, "difference": -0.9, "worlds": 40},
    ],
    ids=str,
)
def test_the_walk_over_all_looks_gives_what_an_audit_gives(change: dict[str, float]) -> None:
    world = replace(DAMAGED, **change)
    seen = set()
    for number in range(world.worlds):
        scores = draw(world, number)
        evidence = collect(world, scores)
        (latched,) = latch([evidence], evidence.answered[0][1].times)
        ending = walk(world, latched, world.planned)
        assert ending == audited(world, scores)
        seen |= set(ending.verdicts) | set(ending.stopped)
    assert len(seen) > 2  # worlds in which something happens


def test_it_repeats_to_the_digit_and_seeds_differ(tmp_path: Path) -> None:
    words = ("simulate", "--worlds", "30", "--items", "90", "--missing", "0.1", "--samples", "2", "--json")
    one, same, other = (hydrometer(*words, "--seed", seed, cwd=tmp_path) for seed in ("1", "1", "2"))
    assert one.returncode == 0, one.stderr
    assert one.stdout == same.stdout
    assert one.stdout.replace('"seed": 1', "") != other.stdout.replace('"seed": 2', "")


def test_worlds_do_not_depend_on_how_many_there_are() -> None:
    few, many = (draw(replace(DAMAGED, worlds=n), 3) for n in (4, 9))
    assert all(np.array_equal(a.student, b.student) for a, b in zip(few, many, strict=True))


@pytest.mark.parametrize("change", [{}, {"cluster_size": 8, "icc": 0.3}, {"samples": 1000}], ids=str)
def test_the_truth_is_what_was_asked_for(change: dict[str, float]) -> None:
    world = World(capabilities=2, items=200_000, discordance=0.2, difference=-0.08, damaged=1, **change)
    damaged, sound = (scores.student - scores.base for scores in draw(world, 0))
    assert damaged.mean() == pytest.approx(-0.08, abs=0.005)
    assert sound.mean() == pytest.approx(0.0, abs=0.005)
    squares = float(np.square(sound).mean())
    if "samples" in change:
        # A tenth of the flips is in every sample; of the rest, only the noise of 1000 samples is left.
        assert squares == pytest.approx(0.02, abs=0.002)
    else:
        assert squares == pytest.approx(0.2, abs=0.005)
    if "icc" in change:
        sums = sound.reshape(-1, 8).sum(axis=1)
        assert (sums.var() / 8 / sound.var() - 1) / 7 == pytest.approx(0.3, abs=0.01)


def rates(world: World) -> dict[str, Rates]:
    return {audit.name: audit for audit in simulate(world).audits}


def test_audits_of_equal_models_keep_their_error_rate_and_peeking_does_not() -> None:
    found = rates(World(worlds=400, items=200, capabilities=3, seed=5))
    assert {name: r.false_difference.low <= 0.05 for name, r in found.items() if r.false_difference} == {
        "sequential": True,
        "fixed": True,
        "peeking": False,
    }
    assert found["sequential"].items < 1.0 == found["fixed"].items
    assert found["sequential"].false_equivalent is None
    assert found["sequential"].power is None


def test_a_planted_loss_is_found_with_fewer_items() -> None:
    world = World(worlds=200, capabilities=2, difference=-0.15, damaged=1, discordance=0.15)
    found = rates(world)
    assert found["sequential"].power
    assert found["sequential"].power.value > 0.97
    assert found["sequential"].items < 0.7
    lost = found["sequential"].damaged
    assert lost[Verdict.EQUIVALENT]
    assert lost[Verdict.EQUIVALENT].count == 0
    total = sum(share.value for share in lost.values() if share)
    assert total == pytest.approx(1.0)


def test_a_fixed_audit_is_one_row() -> None:
    (audit,) = simulate(replace(DAMAGED, fixed=True)).audits
    whole = rates(DAMAGED)["fixed"]
    assert audit == whole
    assert audit.items == 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"worlds": 0}, "worlds 0"),
        ({"items": -1}, "items -1"),
        ({"margin": 0.0}, "margin 0.0"),
        ({"margin": float("nan")}, "margin nan"),
        ({"alpha": 0.6}, "alpha 0.6"),
        ({"discordance": 1.5}, "discordance 1.5"),
        ({"missing": 1.0}, "missing 1.0"),
        ({"seed": -1}, "seed -1"),
        ({"icc": 0.1}, "cluster size of 2"),
        ({"difference": -0.2, "damaged": 1}, "raise the discordance"),
        ({"difference": float("nan"), "damaged": 1}, "difference nan"),
        ({"difference": -0.05}, "give both"),
        ({"damaged": 1}, "give both"),
        ({"difference": -0.05, "damaged": 9}, "9 damaged of 8"),
        ({"discordance": 0.8, "samples": 2}, "0.56 or less"),
    ],
    ids=str,
)
def test_worlds_that_cannot_be_are_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        World(**change)  # type: ignore[arg-type]


def test_the_terminal_shows_every_rate(tmp_path: Path) -> None:
    words = ("simulate", "--worlds", "20", "--items", "60", "--capabilities", "3", "--difference", "-0.1")
    done = hydrometer(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for part in (
        "1 damaged by truly -10.0 points",
        "damaged: found (power)",
        "peeking",
        "items asked",
        "Wilson",
    ):
        assert part in done.stdout, part
    assert hydrometer("simulate", "--difference", "-0.5", cwd=tmp_path).returncode == 2
