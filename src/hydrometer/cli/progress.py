"""A run's progress on a terminal: one bar per stretch of work, nothing at all where nobody looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from hydrometer.progress import Sight
from hydrometer.report.terminal import is_plain
from hydrometer.report.words import line

_REACH = 30
"""Points on either side of zero that the little intervals show."""
_CELLS = 31
_REPLIES = 4


class TerminalProgress:
    """Shows stretches of work as bars on standard error, so that `--json` on standard output stays clean.

    Args:
        console: Where to show them.
        watch: Whether the last replies are shown, too.
    """

    def __init__(self, console: Console | None = None, *, watch: bool = False) -> None:
        self._watch = watch
        self._bars = _Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )
        self._known: dict[str, TaskID] = {}
        self._task: TaskID | None = None

    def start(self, label: str, total: int) -> None:
        """Begin a bar, or go on with it."""
        if label in self._known:
            self._task = self._known[label]
            self._bars.update(self._task, total=total)
        else:
            self._task = self._known[label] = self._bars.add_task(label, total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the current bar."""
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def note(self, text: str) -> None:
        """Print one line above the bars."""
        self._bars.console.print(text, highlight=False, markup=False)

    def look(self, sights: Sequence[Sight]) -> None:
        """Show the intervals as they close."""
        self._bars.sights = tuple(sights)
        self._bars.refresh()

    def arrived(self, side: str, question: str, reply: str) -> None:
        """Keep the last replies in sight, where that was asked for."""
        if self._watch:
            self._bars.replies = (*self._bars.replies, (side, question, reply))[-_REPLIES:]

    def __enter__(self) -> Self:
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._bars.sights, self._bars.replies = (), ()  # the report that follows says it better
        for task in self._known.values():
            # What stopped early is not unfinished.
            self._bars.update(task, total=self._bars.tasks[task].completed)
        self._bars.stop()


class _Bars(Progress):
    """Bars below a table of what is known so far."""

    sights: tuple[Sight, ...] = ()
    replies: tuple[tuple[str, str, str], ...] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.sights:
            yield _table(self.sights, plain=is_plain(self.console))
        yield from (_reply(*reply, width=self.console.width) for reply in self.replies)
        yield self.make_tasks_table(self.tasks)


def _table(sights: Sequence[Sight], *, plain: bool) -> Table:
    table = Table(box=box.ASCII2 if plain else box.SIMPLE_HEAD, show_edge=False)
    table.add_column("capability", no_wrap=True)
    table.add_column("items", justify="right", no_wrap=True)
    table.add_column("difference, points", justify="right", no_wrap=True)
    table.add_column(f"-{_REACH}{'0':^{_CELLS - 6}}+{_REACH}", no_wrap=True)
    table.add_column("so far")
    for sight in sights:
        table.add_row(
            Text(sight.capability.replace("_", " ")),
            f"{sight.items}/{sight.planned}",
            _numbers(sight),
            Text(_draw(sight, plain=plain)),
            Text(sight.words),
        )
    return table


def _reply(side: str, question: str, reply: str, *, width: int) -> Text:
    """A question and its reply in one line; foreign text, so nothing in it may act on the terminal."""
    room = max(width - len(side) - 6, 20)
    asked = line(question[:1000], room // 2)
    return Text.assemble((f"{side} ", "bold"), asked, (" > ", "dim"), line(reply[:1000], room - len(asked)))


def _numbers(sight: Sight) -> str:
    if sight.high - sight.low >= 2.0:
        return "no pair yet"
    return f"{100 * sight.difference:+.1f} [{100 * sight.low:+.1f}, {100 * sight.high:+.1f}]"


def _draw(sight: Sight, *, plain: bool) -> str:
    """Draw an interval between -30 and +30 points around a mark at zero."""

    def cell(value: float) -> int:
        share = (100 * value + _REACH) / (2 * _REACH)
        return min(_CELLS - 1, max(0, round(share * (_CELLS - 1))))

    cells = [" "] * _CELLS
    cells[_CELLS // 2] = "|" if plain else "\u2502"
    for position in range(cell(sight.low), cell(sight.high) + 1):
        cells[position] = "-" if plain else "\u2500"
    cells[cell(sight.difference)] = "o" if plain else "\u25cf"
    return "".join(cells)
