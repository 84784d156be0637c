"""A comparison of logs in a terminal: a block per capability, readable at 80 columns and without Unicode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.text import Text

from hydrometer.comparison import CapabilityComparison, ComparisonResult
from hydrometer.report import words
from hydrometer.report.build import BADGES
from hydrometer.report.terminal import STYLES, in_ascii, is_plain
from hydrometer.result import Finding, Standing, Verdict


def print_comparison(result: ComparisonResult, console: Console) -> None:
    """Print a comparison.

    Args:
        result: What was found.
        console: Where to; its width, colours and encoding are respected.
    """
    ascii_only = is_plain(console)
    for line, style, indent in comparison_lines(result, ascii_only=ascii_only):
        # `Text`, so that no name from a log is read as markup. Wrapped here: rich's padding would fill every line
        # with spaces up to the width.
        for part in Text(line, style=style).wrap(console, max(console.width - indent, 20)):
            part.rstrip()
            console.print(Text(" " * indent).append_text(part), soft_wrap=True)


def comparison_lines(result: ComparisonResult, *, ascii_only: bool = False) -> Iterator[tuple[str, str, int]]:
    """Yield the lines of a comparison, each with its style and indentation."""
    for line, style, indent in _lines(result, ascii_only=ascii_only):
        shown = in_ascii(line) if ascii_only else line
        yield shown, style, indent


def _lines(result: ComparisonResult, *, ascii_only: bool) -> Iterator[tuple[str, str, int]]:
    yield "", "", 0
    yield _badge(result.verdict, ascii_only), STYLES[BADGES[result.verdict].kind], 0
    yield words.line(result.headline, 1000), "bold", 0
    for row in result.capabilities:
        yield "", "", 0
        badge = _badge(row.result.verdict, ascii_only)
        yield f"{words.name(row.result.capability)}: {badge}", STYLES[BADGES[row.result.verdict].kind], 0
        for line in capability_lines(row, result.margin):
            yield line, "", 2
    yield "", "", 0
    for finding in result.findings:
        if finding.standing is not Standing.EQUAL:
            yield _finding(finding), "", 0
    yield _setting(result), "dim", 0


def capability_lines(row: CapabilityComparison, margin: float) -> Iterator[str]:
    """Yield what is to be said of one capability, a line each."""
    found = row.result.estimate
    if found.n:
        yield (
            f"gained {found.gained:,}, lost {found.lost:,} of {found.n:,} pairs; "
            f"base {words.percent(found.base)} %, student {words.percent(found.student)} %"
        )
        name = "Tango interval" if row.exact_p is not None else "plus-two interval"
        yield (
            f"difference {words.points(found.difference)} points, {found.level * 100:g} % {name} "
            f"{words.interval(found.low, found.high)}"
        )
        yield _tests(row)
    yield f"{row.result.reason}; {_size(row, margin)}"
    yield from _absent(row)


def _tests(row: CapabilityComparison) -> str:
    found = row.result.estimate
    tests = words.p_value(found.p_value)
    if row.exact_p is not None:
        tests = f"mid-p {tests.removeprefix('p ')}, exact {words.p_value(row.exact_p)}"
    if row.result.adjusted_p != found.p_value:
        tests += f", {words.p_value(row.result.adjusted_p)} after Holm's correction"
    return f"{tests}; measured by {words.line(row.measure, 80)}"


def _size(row: CapabilityComparison, margin: float) -> str:
    if row.size_resolved:
        return "size resolved"
    text = "size not resolved"
    if row.pairs_for_margin is not None:
        limit, pairs = words.margin_words(margin), row.pairs_for_margin
        text += f": plan {pairs:,} pairs to settle the margin of {limit} points ({row.result.estimate.n:,} are there)"
    return text


def _absent(row: CapabilityComparison) -> Iterator[str]:
    found = row.result.estimate
    if row.only_base or row.only_student:
        yield f"items without partner: {row.only_base:,} of the base, {row.only_student:,} of the student"
    unpaired = found.missing_base + found.missing_student + found.missing_both
    if unpaired or row.missing_base or row.missing_student:
        yield (
            f"scores missing: base {_notes(row.missing_base)}; student {_notes(row.missing_student)}; "
            f"{unpaired:,} items without a score on either or both sides"
        )
        strict = row.result.strict
        yield (
            f"missing as failed: {words.points(strict.difference)} {words.interval(strict.low, strict.high)}; "
            f"worst and best case for the student: {words.interval(row.lowest, row.highest)}"
        )


def _notes(notes: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} ({words.line(note, 60)})" for note, count in notes.items()) or "0"


def _finding(finding: Finding) -> str:
    base, student = (words.line(words.shortened(value), 200) for value in (finding.base, finding.student))
    text = (
        f"Setup  {words.line(finding.aspect, 60)}, {finding.standing.value}: base {base}, student {student}"
    )
    message = words.line(finding.message, 600)
    return f"{text}. {message[:1].upper()}{message[1:]}" if message else text


def _setting(result: ComparisonResult) -> str:
    text = f"Margin {words.margin_words(result.margin)} points, alpha {result.alpha:g}"
    if (result.worst_score, result.best_score) != (0.0, 1.0):
        text += f"; points are hundredths of the range {result.worst_score:g} to {result.best_score:g}"
    return text


def _badge(verdict: Verdict, ascii_only: bool) -> str:  # noqa: FBT001
    badge = BADGES[verdict]
    return f"{badge.ascii if ascii_only else badge.symbol} {badge.label}"
