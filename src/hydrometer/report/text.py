"""The result in a terminal: readable at 80 columns, without colour and without Unicode."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hydrometer.report.build import build_view
from hydrometer.report.terminal import ASCII_HEAD, STYLES, in_ascii, is_plain
from hydrometer.report.view import Badge, CapabilityRow, ReportView
from hydrometer.result import AuditResult

WIDE = 104
"""Columns from which the verdict table has room for one line per capability."""


def print_report(result: AuditResult, console: Console, *, where: str = "") -> None:
    """Print a result.

    Args:
        result: What an audit found.
        console: Where to; its width, colours and encoding are respected.
        where: Path of the full report, shown last.
    """
    face = _Face(ascii_only=is_plain(console), wide=console.width >= WIDE)
    for part in face.render(build_view(result)):
        console.print(part)
    if where:
        # One unbroken line, whatever the width: paths are copied.
        console.print(face.text(f"Report  {where}"), soft_wrap=True, highlight=False)


def render_text(view: ReportView, *, ascii_only: bool = False, wide: bool = False) -> list[RenderableType]:
    """Return the parts of a report for a rich console.

    Args:
        view: The view of a result.
        ascii_only: Whether the terminal can show ASCII only.
        wide: Whether the verdict table may take one line per capability, `WIDE` columns.
    """
    return list(_Face(ascii_only=ascii_only, wide=wide).render(view))


class _Face:
    """Renders views for one kind of terminal. Everything becomes `Text`, so that no label is read as markup."""

    def __init__(self, *, ascii_only: bool, wide: bool) -> None:
        self._ascii, self._wide = ascii_only, wide

    def render(self, view: ReportView) -> Iterator[RenderableType]:
        yield Text()
        yield Text.assemble(self.badge(view.badge), "  ", self.text(view.title, "dim"))
        yield self.text(view.headline, "bold")
        yield self.text(view.meaning)
        yield self.text(view.advice)
        yield Text()
        if view.capabilities:
            yield self._table(view)
            yield Text()
            yield from (self._sentence(row) for row in view.capabilities)
            yield Text()
        yield from self._sections(view)

    def text(self, text: str, style: str = "") -> Text:
        """A text as this terminal can show it."""
        if self._ascii:
            text = in_ascii(text)
        return Text(text, style=style)

    def badge(self, badge: Badge) -> Text:
        symbol = badge.ascii if self._ascii else badge.symbol
        return Text(f"{symbol} {badge.label}", style=STYLES[badge.kind])

    def _table(self, view: ReportView) -> Table:
        table = Table(
            box=ASCII_HEAD if self._ascii else box.SIMPLE_HEAD, padding=(0, 1 if self._wide else 0)
        )
        table.show_edge = False
        table.title_justify = "left"
        table.add_column("capability", overflow="fold", min_width=12)
        table.add_column("verdict", min_width=12)
        for head in (
            "base\n%",
            "student\n%",
            f"difference\n[{view.level}]",
            "pairs",
            "gained/\nlost",
            "unanswered\nbase/st.",
        ):
            table.add_column(head, justify="right", no_wrap=True)
        for row in view.capabilities:
            table.add_row(*self._cells(row))
        return table

    def _cells(self, row: CapabilityRow) -> list[Text]:
        gap = " " if self._wide else "\n"
        return [
            self.text(row.name),
            self.badge(row.badge),
            self.text(row.base),
            self.text(row.student),
            self.text(gap.join(dict.fromkeys((row.difference, row.interval)))),
            self.text(row.pairs),
            self.text(row.flips),
            self.text(f"{row.unanswered_base}/{row.unanswered_student}"),
        ]

    def _sentence(self, row: CapabilityRow) -> RenderableType:
        symbol = row.badge.ascii if self._ascii else row.badge.symbol
        return self._listed(Text(symbol, style=STYLES[row.badge.kind]), self.text(row.sentence))

    def _sections(self, view: ReportView) -> Iterator[RenderableType]:
        for figure in view.figures:
            yield self._listed(Text(figure.label, style="bold"), self.text(figure.value), width=7)
        if view.price:
            yield self._listed(Text("Tokens", style="bold"), self.text(view.price), width=7)
        for label, value in _beside(view):
            yield self._listed(Text(label, style="bold"), self.text(value), width=7)
        for answer, text in _files(view):
            yield self._listed(Text("Files", style="bold"), self.text(f"{answer}: {text}"), width=7)
        for row in view.differences:
            body = self.text(f"{row.aspect}, ")
            body.append_text(self.text(row.label, STYLES[row.kind]))
            body.append_text(self.text(f": base {row.base}, student {row.student}"))
            if row.message:
                body.append_text(self.text(f". {row.message[:1].upper()}{row.message[1:]}"))
            yield self._listed(Text("Setup", style="bold"), body, width=7)
        for alarm in view.alarms:
            body = self.text(f"{alarm.label}: {alarm.value}")
            yield self._listed(Text("Alarm", style="bold red"), body, width=7)

    def _listed(self, label: Text, body: Text, width: int = 1) -> RenderableType:
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=width, no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(label, body)
        return Padding(grid, 0)


def _beside(view: ReportView) -> Iterator[tuple[str, str]]:
    """What stands beside the verdicts, as far as a short report speaks of it."""
    for cut in view.cuts:
        if cut.many:
            yield "Cut", f"{cut.name}: {cut.sentence.removeprefix('Cut at the cap: ')}"
    for flip in view.flips:
        yield "Budget", flip
    if view.style:
        yield "Style", view.style.sentence
    if view.drift:
        yield "Drift", view.drift.skipped or view.drift.sentence
    if view.template:
        yield "2x2", view.template
    for behaviour in view.behaviours:
        if behaviour.shown:
            yield "Behaves", behaviour.sentence
    for sentence in view.diversity:
        yield "Samples", sentence
    if view.calibration:
        yield "Claims", view.calibration


def _files(view: ReportView) -> Iterator[tuple[str, str]]:
    """What the files say, without what they cannot say."""
    if view.files is None:
        return
    if view.files.skipped:
        yield "not read", view.files.skipped
    for row in view.files.answers:
        if row.answer != "not testable from files":
            yield f"{row.title}, {row.answer}", row.text
