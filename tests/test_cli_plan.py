"""`hydrometer plan`: the tables of the literature, inverses, pilots, budgets, and one line for nonsense."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from commands import hydrometer
from hydrometer.errors import UsageError
from hydrometer.planning import AuditPlan, Pilot, PlanSpec, make_audit_plan
from hydrometer.spec import Budget

PAIR = ("fake:echo", "fake:echo?seed=1")


def needs(**spec: object) -> dict[str, int]:
    (row,) = make_audit_plan(PlanSpec(**spec)).capabilities  # type: ignore[arg-type]
    return {need.claim: need.fixed for need in row.needs}


@pytest.mark.parametrize(
    ("margin", "discordance", "equivalence", "noninferiority", "difference"),
    [(0.03, 0.10, 952, 687, 870), (0.03, 0.20, 1904, 1374, 1742), (0.05, 0.10, 343, 248, 312), (0.01, 0.30, 25692, 18548, 23545)],
)  # fmt: skip
def test_the_published_tables(
    margin: float, discordance: float, equivalence: int, noninferiority: int, difference: int
) -> None:
    found = needs(margin=margin, discordance=discordance, capabilities=1)
    assert found["equivalence"] == pytest.approx(equivalence, abs=1)
    assert found["non-inferiority"] == pytest.approx(noninferiority, abs=1)
    assert found["difference"] == pytest.approx(difference, abs=1)


def test_what_costs_items_costs_items() -> None:
    plain = needs(capabilities=1)
    many, clustered, sampled = (
        needs(capabilities=8),
        needs(capabilities=1, cluster_size=5, icc=0.1),
        needs(capabilities=1, samples=4),
    )
    assert many["difference"] > plain["difference"]
    assert many["equivalence"] == plain["equivalence"]  # each claim at the full level
    assert all(clustered[c] == pytest.approx(1.4 * plain[c], abs=1) for c in plain)
    assert all(sampled[c] == pytest.approx(0.325 * plain[c], rel=0.05) for c in plain)


def test_early_stopping_plans_more_and_takes_less() -> None:
    (row,) = make_audit_plan(PlanSpec(capabilities=1)).capabilities
    for need in row.needs:
        assert need.most == pytest.approx(1.09 * need.fixed, abs=2)
        if need.expected is not None:
            assert need.expected < need.fixed
    difference = row.needs[2]
    assert difference.exact is not None
    assert abs(difference.exact - difference.fixed) < 0.03 * difference.fixed
    # The theory of 20 looks: three quarters of a fixed audit on average, at the effect it was planned for.
    assert difference.expected == pytest.approx(0.75 * difference.fixed, rel=0.03)


def test_items_and_needs_are_inverses() -> None:
    (row,) = make_audit_plan(PlanSpec(capabilities=1, items=1000)).capabilities
    assert row.fixed
    assert row.sequential
    assert row.fixed.difference == pytest.approx(0.028, abs=0.0002)
    assert row.fixed.margin
    assert needs(capabilities=1, margin=row.fixed.margin)["equivalence"] == pytest.approx(1000, abs=1)
    assert row.sequential.margin
    assert row.sequential.margin > row.fixed.margin
    (tiny,) = make_audit_plan(PlanSpec(capabilities=1, items=1)).capabilities
    assert tiny.fixed
    assert tiny.fixed.difference is None


@pytest.mark.parametrize(
    ("budget", "prices", "each"),
    [
        ("800items", {}, 100),
        ("2Mtokens", {"tokens_per_item": 500.0}, 500),
        ("30min", {"seconds_per_item": 1.5}, 150),
    ],
)
def test_what_a_budget_buys(budget: str, prices: dict[str, float], each: int) -> None:
    (row,) = make_audit_plan(PlanSpec(budget=Budget.parse(budget), **prices)).capabilities  # type: ignore[arg-type]
    assert row.items == each


def test_a_pilot_plans_each_capability_by_its_own_flips() -> None:
    pilot = Pilot(
        discordance={"a": 0.05, "b": 0.2},
        items={"a": 60, "b": 90},
        tokens_per_item=None,
        seconds_per_item=2.0,
    )
    plan = make_audit_plan(PlanSpec(capabilities=2), pilot)
    assert [(row.name, row.discordance, row.pilot_items) for row in plan.capabilities] == [
        ("a", 0.05, 60),
        ("b", 0.2, 90),
    ]
    assert plan.capabilities[0].needs[0].fixed < plan.capabilities[1].needs[0].fixed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin": 0.0}, "margin 0.0"),
        ({"margin": 1.0}, "margin 1.0"),
        ({"margin": float("nan")}, "margin nan"),
        ({"alpha": 0.5}, "alpha 0.5"),
        ({"power": 0.04}, "must exceed alpha"),
        ({"discordance": -0.1}, "discordance -0.1"),
        ({"icc": 0.1}, "cluster size above 1"),
        ({"icc": float("nan"), "cluster_size": 3.0}, "icc nan"),
        ({"capabilities": 0}, "capabilities 0"),
        ({"samples": 0}, "samples 0"),
        ({"items": -1}, "items -1"),
        ({"tokens_per_item": float("inf")}, "tokens per item inf"),
    ],
    ids=str,
)
def test_plans_of_nonsense_are_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        PlanSpec(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("200items", "the first look takes 30"),
        ("2Mtokens", "--tokens-per-item"),
        ("30min", "--seconds-per-item"),
    ],
)
def test_a_budget_that_buys_nothing_says_why(budget: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_audit_plan(PlanSpec(budget=Budget.parse(budget)))


def test_extreme_questions_have_answers() -> None:
    for spec in (
        PlanSpec(discordance=0.0),
        PlanSpec(margin=0.9, discordance=1.0),
        PlanSpec(margin=1e-6, discordance=0.5, capabilities=100_000),
        PlanSpec(alpha=1e-12, power=0.999999),
    ):
        plan: AuditPlan = make_audit_plan(spec)
        assert all(need.fixed > 0 for need in plan.capabilities[0].needs)


def test_the_command_prints_and_repeats(tmp_path: Path) -> None:
    done = hydrometer(
        "plan",
        "--margin",
        "0.03",
        "--discordance",
        "0.1",
        "--capabilities",
        "1",
        "--items",
        "1000",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for part in ("equivalence", "952", "870", "862", "2.8", "stops where its verdict stands"):
        assert part in done.stdout, part
    words = ("plan", "--budget", "2Mtokens", "--tokens-per-item", "900", "--json")
    one, two = (hydrometer(*words, cwd=tmp_path) for _ in range(2))
    assert one.stdout == two.stdout
    assert json.loads(one.stdout)["capabilities"][0]["items"] == 277


def test_a_pilot_gives_flips_and_prices_and_nothing_else(tmp_path: Path) -> None:
    asked = hydrometer(
        "audit",
        *PAIR,
        "--task",
        "copying",
        "--task",
        "knowledge_facts",
        "--items",
        "6",
        "--out",
        "o",
        cwd=tmp_path,
    )
    assert asked.returncode in (0, 10, 11), asked.stderr
    done = hydrometer("plan", "--pilot", "o", "--budget", "30min", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Its observed differences are not" in done.stdout
    assert "text editing" in done.stdout
    plan = json.loads(hydrometer("plan", "--pilot", "o", "--json", cwd=tmp_path).stdout)
    assert {row["pilot_items"] for row in plan["capabilities"]} <= set(range(1, 7))
    both = hydrometer("plan", "--pilot", "o", "--discordance", "0.1", cwd=tmp_path)
    assert both.returncode == 2
    assert "leave --discordance" in both.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--items", "0"),
        ("--budget", "9bananas"),
        ("--margin", "3"),
        ("--tokens-per-item", "-1"),
        ("--pilot", "nowhere"),
    ],
)
def test_the_command_refuses_in_one_line(tmp_path: Path, words: tuple[str, str]) -> None:
    done = hydrometer("plan", *words, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("error: ")
