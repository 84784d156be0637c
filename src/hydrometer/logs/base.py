"""What a log says, in one form for all harnesses: scored items, and the setup they were made with.

Readers yield one `Scored` at a time and keep nothing; what stays in memory is one `Tally` per item.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hydrometer.errors import UsageError

UNNAMED = ""
"""Task of records whose log names none; it pairs with the only task of the other log."""


class LogError(UsageError):
    """A log that cannot be read, or says something that cannot be compared."""


class Scored(NamedTuple):
    """One score as a log states it.

    Attributes:
        task: Task it belongs to, `UNNAMED` where the log does not say.
        key: What identifies the item: a digest of its content, or its name in a table.
        value: The score, None where there is none.
        occurrence: Number of this content among equal ones, from 0.
        note: Why there is no score.
        prompt: Digest of the text the model saw, `""` where the log does not say.
        measure: What was scored how, such as `acc, filter none`.
        where: Line or member it stands in, for messages.
    """

    task: str
    key: str
    value: float | None
    occurrence: int = 0
    note: str = ""
    prompt: str = ""
    measure: str = ""
    where: int | str = ""


@dataclass(slots=True)
class Tally:
    """The scores of one item over its epochs; the item is the unit, never the epoch."""

    total: float = 0.0
    scored: int = 0
    missing: int = 0
    prompt: str = ""

    @property
    def mean(self) -> float | None:
        """Mean over the epochs with a score, None without any."""
        return self.total / self.scored if self.scored else None

    @property
    def lowest(self) -> float:
        """Mean with every missing score counted as failed."""
        return self.total / (self.scored + self.missing)

    @property
    def highest(self) -> float:
        """Mean with every missing score counted as full success."""
        return (self.total + self.missing) / (self.scored + self.missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What of a log is compared, where it offers several; empty means the only one there is.

    Attributes:
        metrics: Names of metrics; of each task the one that it has.
        filters: Names of lm-eval filters, likewise.
        scorers: Names of Inspect scorers, likewise.
        tasks: Only these tasks.
    """

    metrics: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    scorers: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns of a table.

    Attributes:
        item: What identifies an item.
        score: Its score.
        task: Its task or capability; `""` takes `capability` or `task` where the table has one.
    """

    item: str = "item"
    score: str = "score"
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The range of the scores, brought to 0..1.

    Attributes:
        worst: Score of a failure; above `best` for measures that are better when lower.
        best: Score of a full success.
    """

    worst: float = 0.0
    best: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a range without extent.

        Raises:
            LogError: The ends are equal or not finite.
        """
        if not (math.isfinite(self.worst) and math.isfinite(self.best)) or self.worst == self.best:
            msg = (
                f"score range {self.worst:g} to {self.best:g}: the ends must be two different finite numbers"
            )
            raise LogError(msg)

    @property
    def reversed(self) -> bool:
        """Whether lower is better."""
        return self.worst > self.best

    def scaled(self, value: float) -> float:
        """Return a score in 0..1.

        Raises:
            ValueError: It lies outside the range or is not finite; the message is one line without the place.
        """
        if not math.isfinite(value):
            msg = f"score {value} is not a finite number"
            raise ValueError(msg)
        share = (value - self.worst) / (self.best - self.worst)
        if not 0.0 <= share <= 1.0:
            msg = (
                f"score {value:g} lies outside {self.worst:g}..{self.best:g}: "
                "give the range of this measure with --min-score and --max-score"
            )
            raise ValueError(msg)
        return share


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One log file, opened.

    Attributes:
        path: The file.
        kind: Harness or form: `lm-eval`, `Inspect`, `table`.
        model: Name of the model as the log states it, `""` if it does not.
        task: Task of the file, `UNNAMED` where records carry their own or none is known.
        setup: Aspects of the setup as text, such as `few-shots`.
        records: The scores, read as they are asked for.
        distinct: Whether an item may stand only once.
    """

    path: Path
    kind: str
    model: str
    task: str
    setup: Mapping[str, str]
    records: Iterator[Scored]
    distinct: bool = False


@dataclass(slots=True)
class TaskLog:
    """The items of one task in one log."""

    setup: Mapping[str, str]
    measure: str = ""
    items: dict[str, Tally] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """All that one side's log says.

    Attributes:
        source: Where it was read from, as given.
        kind: Harness or form.
        model: Name of the model, `""` if the log does not say.
        tasks: Items by task.
    """

    source: str
    kind: str
    model: str
    tasks: Mapping[str, TaskLog]

    @property
    def size(self) -> int:
        """Number of items over all tasks."""
        return sum(len(task.items) for task in self.tasks.values())


def place(path: Path, where: int | str) -> str:
    """Return where something stands, for a message."""
    return f"{path}, line {where}" if isinstance(where, int) else f"{path}, {where}" if where else str(path)


def number(value: object, path: Path, where: int | str) -> float:
    """Return a score as a number.

    Raises:
        LogError: It is neither a number nor true or false.
    """
    if isinstance(value, bool | int | float):
        return float(value)
    msg = f"{place(path, where)}: score {str(value)[:40]!r} is not a number"
    raise LogError(msg)


def gather(sources: Iterable[Source], scale: Scale) -> dict[str, TaskLog]:
    """Read sources into one tally per item.

    Raises:
        LogError: A score is outside the range, an item stands twice where it may not, or a task comes from two
            files: two runs of one task are not one log.
    """
    tasks: dict[str, TaskLog] = {}
    origin: dict[str, Path] = {}
    for source in sources:
        for record in source.records:
            first = origin.setdefault(record.task, source.path)
            if first is not source.path:
                msg = f"task {record.task!r} stands in {first} and in {source.path}: name the file of one run"
                raise LogError(msg)
            task = tasks.get(record.task)
            if task is None:
                task = tasks[record.task] = TaskLog(setup=source.setup)
            _add(task, record, source, scale)
    return tasks


def _add(task: TaskLog, record: Scored, source: Source, scale: Scale) -> None:
    task.measure = record.measure
    # A tab cannot stand in a digest, and a table without repeats has no occurrence above 0.
    key = f"{record.key}\t{record.occurrence}" if record.occurrence else record.key
    tally = task.items.get(key)
    if tally is None:
        tally = task.items[key] = Tally(prompt=record.prompt)
    elif source.distinct:
        msg = (
            f"{place(source.path, record.where)}: item {record.key!r} stands there a second time: "
            "every item needs one row per task"
        )
        raise LogError(msg)
    if record.value is None:
        tally.missing += 1
        task.notes[record.note or "no score"] += 1
        return
    try:
        tally.total += scale.scaled(record.value)
    except ValueError as error:
        msg = f"{place(source.path, record.where)}: {error}"
        raise LogError(msg) from None
    tally.scored += 1
