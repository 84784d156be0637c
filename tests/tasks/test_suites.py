"""Suites name tasks that exist, and each is contained in the next."""

import pytest

from hydrometer.catalog import TASKS, load_task
from hydrometer.errors import UnknownNameError
from hydrometer.items import Kind
from hydrometer.tasks.suites import SUITES, TYPICAL_TOKENS, suite


def test_suites_cover_the_catalogue_and_grow() -> None:
    quick, standard, full = (suite(name).items for name in ("quick", "standard", "full"))
    assert set(quick) <= set(standard) <= set(full) <= set(TASKS)
    assert all(0 < quick[name] <= standard[name] <= full[name] for name in quick)
    assert all(standard[name] <= full[name] for name in standard)


@pytest.mark.parametrize("name", sorted(SUITES))
def test_a_suite_knows_its_name(name: str) -> None:
    assert suite(name).name == name
    assert suite(name).summary


def test_an_unknown_suite_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'quick'"):
        suite("quikc")


def test_typical_lengths_are_known_for_all_generated_replies() -> None:
    generated = {name for name in suite("full").items if load_task(name).kind is Kind.GENERATE}
    assert set(TYPICAL_TOKENS) == generated


def test_a_task_has_as_many_items_as_the_largest_suite_asks_for() -> None:
    for name, number in suite("full").items.items():
        task = load_task(name)
        if not task.unavailable() and not task.extra:
            assert len(task.items(number, 1)) == min(number, task.limit or number)


def test_the_quick_suite_stays_quick() -> None:
    quick = suite("quick").items
    # Two minutes for both models on two cores of a plain machine (bench/RESULTS.md).
    assert sum(quick.values()) <= 200
    assert 2 * sum(TYPICAL_TOKENS.get(name, 0) * number for name, number in quick.items()) <= 12_000
