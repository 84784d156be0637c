"""Which items to ask next, and when to stop: the courses of the capabilities.

The looks of a capability are fixed in its own item counts before its first answer. What other capabilities found, and
what the budget allows, decide only when its next items are asked, never where it looks: so every verdict keeps its
error rates, and what one capability saves serves the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate, chain

from hydrometer.errors import UsageError
from hydrometer.plan import Entry, grouped
from hydrometer.result import Course, Stopped, Verdict
from hydrometer.spec import Budget
from hydrometer.stats.monitor import chance_of_verdict
from hydrometer.stats.sequential import look_counts
from hydrometer.verdict import CapabilityTable

UNLIKELY = 0.10
"""Predicted chance of a verdict below which the rest of a capability's items is not asked."""


class Pool:
    """The items of one capability, and how far they were asked.

    Args:
        capability: Its name.
        entries: Its items in the order in which they are asked.
        planned: Item counts of the looks, the last one all items.
    """

    def __init__(self, capability: str, entries: Sequence[Entry], planned: tuple[int, ...]) -> None:
        self.capability, self.entries, self.planned = capability, tuple(entries), planned
        self.looks = 0
        self.stopped: Stopped | None = None

    @property
    def asked(self) -> int:
        """Items asked so far."""
        return self.planned[self.looks - 1] if self.looks else 0

    @property
    def pairs(self) -> int:
        """Pairs that all its items make: items that count only together are one."""
        return len(grouped(self.entries))

    @property
    def block(self) -> tuple[Entry, ...]:
        """The items up to the next look; none where it has stopped."""
        if self.stopped or self.looks == len(self.planned):
            return ()
        return self.entries[self.asked : self.planned[self.looks]]

    @property
    def course(self) -> Course:
        """How far it was asked, as a value."""
        return Course(planned=self.planned, looks=self.looks, stopped=self.stopped or Stopped.BUDGET)

    def settle(self, verdict: Verdict, chance: float) -> None:
        """Decide after a look whether to go on.

        Args:
            verdict: The verdict so far.
            chance: Predicted chance that the last look finds one.
        """
        if self.stopped:
            return
        if verdict is not Verdict.NOT_ENOUGH:
            complete = self.looks == len(self.planned)
            self.stopped = Stopped.COMPLETE if complete else Stopped.DECIDED
        elif self.looks == len(self.planned):
            self.stopped = Stopped.COMPLETE
        elif chance < UNLIKELY:
            self.stopped = Stopped.UNLIKELY


def make_pools(entries: Sequence[Entry], *, fixed: bool) -> tuple[Pool, ...]:
    """Return one pool per capability, in the order of the plan.

    Looks are planned in what is counted and lie between items that count only together, never within.

    Args:
        entries: The plan.
        fixed: Whether there is only the look at the end.
    """
    own: dict[str, list[Entry]] = {}
    for entry in entries:
        own.setdefault(entry.task.capability, []).append(entry)
    return tuple(_pool(name, rows, fixed=fixed) for name, rows in own.items())


def next_block(pools: Sequence[Pool], room: float) -> dict[str, tuple[Entry, ...]]:
    """Return the items to ask next, by capability: one block each, as many blocks as there is room for.

    Args:
        pools: All pools.
        room: Items that may still be asked.
    """
    block = {}
    for pool in pools:
        wanted = pool.block
        if wanted and len(wanted) <= room:
            block[pool.capability] = wanted
            room -= len(wanted)
    return block


def outlook(table: CapabilityTable, *, margin: float, alpha: float) -> float:
    """Return the predicted chance that a capability's last look finds a verdict, 1 where there is no saying."""
    if table.answered_looks is None:
        return 1.0
    return chance_of_verdict(table.answered, table.answered_looks, margin, alpha)


class Purse:
    """What is left of a budget.

    Args:
        budget: The budget, None without a limit.
    """

    def __init__(self, budget: Budget | None) -> None:
        self._budget = budget

    def check(self, pools: Sequence[Pool]) -> None:
        """Refuse a budget that does not reach every first look.

        Raises:
            UsageError: It does not. Tokens and minutes are not known beforehand: the first looks are always taken.
        """
        first = sum(pool.planned[0] for pool in pools if pool.planned)
        if self._budget and self._budget.unit == "items" and self._budget.amount < first:
            msg = (
                f"a budget of {self._budget.amount:g} items ends before the first looks, which take {first}: "
                "give at least that, or choose fewer tasks with --task"
            )
            raise UsageError(msg)

    def room(self, items: int, spent: Mapping[str, float]) -> float:
        """Return how many more items there is room for.

        Args:
            items: Items asked so far.
            spent: Tokens and minutes spent on them, by unit.
        """
        if self._budget is None or not items:
            return float("inf")
        if self._budget.unit == "items":
            return self._budget.amount - items
        used = spent[self._budget.unit]
        # What one item costs is known only on average.
        return (self._budget.amount - used) / (used / items) if used > 0.0 else float("inf")


def _pool(capability: str, entries: Sequence[Entry], *, fixed: bool) -> Pool:
    units = _interleave(grouped(entries))
    ends = list(accumulate(len(unit) for unit in units))
    counts = (len(units),) if fixed else look_counts(len(units))
    return Pool(capability, list(chain(*units)), tuple(ends[count - 1] for count in counts))


def _interleave(units: Sequence[tuple[Entry, ...]]) -> list[tuple[Entry, ...]]:
    """Mix the tasks of a capability evenly, so that every prefix holds its tasks in proportion."""
    totals = Counter(unit[0].task.name for unit in units)
    seen: Counter[str] = Counter()
    places = []
    for number, unit in enumerate(units):
        name = unit[0].task.name
        places.append(((seen[name] + 0.5) / totals[name], number))
        seen[name] += 1
    return [units[number] for _, number in sorted(places)]
