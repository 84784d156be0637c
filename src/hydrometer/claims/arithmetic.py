"""What can be said of a claim without running anything: from its own numbers, and from the sizes of benchmarks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

from hydrometer.claims.benchmarks import benchmarks
from hydrometer.claims.model import BASE, STUDENT, Answer, Card, Checked, Claim, ClaimKind
from hydrometer.stats.intervals import wilson_interval
from hydrometer.stats.paired import mcnemar_exact, tango_interval

DROPPED = 10
"""Items that a denominator may be short of before it is called another set instead of dropped items."""

_Others = defaultdict[tuple[ClaimKind, str, str], list[Claim]]
"""The claims of a card by kind, subject and owner; licences also by owner alone, under the subject `""`."""
_ALPHA = 0.05
_COMPARED = ("thinking", "shots", "harness", "quantisation", "budget", "sampling", "items", "metric", "filter")
"""What two numbers must share to be compared."""
_AVERAGED = ("avg", "mean", "runs", "seeds", "maj", "pass@")
_NAMED = ("thinking", "harness", "quantisation", "sampling")
"""What a score must name before somebody else can measure it again."""


def check(card: Card) -> tuple[Checked, ...]:
    """Return every claim with what arithmetic says of it, in the order of the card."""
    others: _Others = defaultdict(list)
    for claim in card.claims:
        others[claim.kind, claim.subject, claim.of].append(claim)
        if claim.kind is ClaimKind.LICENCE:
            others[claim.kind, "", claim.of].append(claim)
    return tuple(_checked(claim, others) for claim in card.claims)


def possible_counts(value: float, digits: int, n: int) -> range:
    """Return the numbers of right items of `n` whose percentage, rounded to `digits` decimals, is `value`.

    The GRIM test. Both ways of rounding a five are allowed.

    Source: Brown and Heathers (2017), Social Psychological and Personality Science 8:363-369.

    Args:
        value: The share, 0..1.
        digits: Decimals of the percentage.
        n: Items.
    """
    reach = (0.5 * 10.0**-digits + 1e-9) / 100.0
    return range(max(0, math.ceil((value - reach) * n)), min(n, math.floor((value + reach) * n)) + 1)


def _checked(claim: Claim, claims: _Others) -> Checked:
    answers = [*_possible(claim), *_against_others(claim, claims), *_missing(claim, claims)]
    order = (Answer.IMPOSSIBLE, Answer.CONTRADICTED, Answer.NOT_COMPARABLE, Answer.UNPROVEN)
    answers.sort(key=lambda found: order.index(found[0]))
    low, high = _interval(claim, claims)
    return Checked(
        claim=claim,
        answer=answers[0][0] if answers else Answer.UNPROVEN,
        reasons=tuple(dict.fromkeys(reason for _, reason in answers)),
        low=low,
        high=high,
    )


def _possible(claim: Claim) -> Iterator[tuple[Answer, str]]:
    known = benchmarks().get(claim.subject)
    if claim.kind is not ClaimKind.SCORE or known is None or claim.value is None:
        return
    if any(word in claim.settings.get("sampling", "") for word in _AVERAGED) and "pass@1" not in claim.settings.get(
        "sampling", ""
    ):
        return  # a mean over samples of an item is no count of items
    sizes = _sizes(claim)
    if not sizes or any(possible_counts(claim.value, claim.digits, n) for n in sizes):
        return
    text = f"{_percent(claim)} is not k of {' or '.join(f'{n:,}' for n in sizes)} ({known.name}) for any k"
    short = [
        (k, n)
        for size in sizes
        for n in range(size - 1, max(1, size - DROPPED) - 1, -1)
        for k in possible_counts(claim.value, claim.digits, n)
    ]
    if short and not claim.items:
        k, n = short[0]
        text += f"; it is {k} of {n}: {sizes[0] - n} items left out, or another set"
    yield Answer.IMPOSSIBLE, text


def _sizes(claim: Claim) -> list[int]:
    """Numbers of items that a score may be of: the one that the card states, else those of the benchmark."""
    known = benchmarks().get(claim.subject)
    if claim.items:
        return [claim.items]
    return sorted(set(known.sizes.values())) if known else []


def _against_others(claim: Claim, claims: _Others) -> Iterator[tuple[Answer, str]]:
    """What the other numbers of the card say of this one."""
    if claim.kind not in {ClaimKind.SCORE, ClaimKind.DIFFERENCE} or claim.value is None:
        return
    yield from _at_chance(claim, claims)
    for other in claims[claim.kind, claim.subject, claim.of]:
        if other is not claim and other.value is not None and _settings(other) == _settings(claim) and _differ(claim, other):
            yield Answer.UNPROVEN, f"the card also gives {_percent(other)} for the same thing (line {other.line})"
            break
    base = _partner(claim, claims)
    if base is None:
        return
    unlike = [
        name
        for name in _COMPARED
        if name in claim.settings and name in base.settings and claim.settings[name] != base.settings[name]
    ]
    if unlike:
        both = "; ".join(f"{name} {claim.settings[name]} against {base.settings[name]}" for name in unlike)
        yield Answer.NOT_COMPARABLE, f"the two numbers were measured differently: {both}"
    found = _best_case(claim, claims)
    if found is not None:
        n, flips, p = found
        if p > _ALPHA:
            yield (
                Answer.UNPROVEN,
                f"{n:,} items cannot show a difference of {flips}: even if no other item flipped, exact p = {p:.2g}",
            )


def _at_chance(claim: Claim, claims: _Others) -> Iterator[tuple[Answer, str]]:
    known = benchmarks().get(claim.subject)
    base = claim if claim.of == BASE else _base_of(claim, claims)
    if known is None or not known.chance or base is None or base.value is None:
        return
    n = max(_sizes(base), default=0)
    low = wilson_interval(round(base.value * n), n)[0] if n else base.value
    if float(low) <= known.chance:
        words = (
            f"the base stands at {_percent(base)}, where guessing reaches {100 * known.chance:g} % on {known.name}: "
            "that is a fault of the measurement, not a level to improve on"
        )
        yield Answer.NOT_COMPARABLE, words


def _missing(claim: Claim, claims: _Others) -> Iterator[tuple[Answer, str]]:
    """What the card does not say, and a reader would need."""
    if claim.kind is ClaimKind.SCORE and claim.of == STUDENT:
        if _base_of(claim, claims) is None:
            yield Answer.UNPROVEN, "the card gives no score of the base for it"
        unnamed = [name for name in _NAMED if name not in claim.settings]
        if unnamed:
            yield Answer.UNPROVEN, f"not named: {', '.join(unnamed)}"
    if claim.kind is ClaimKind.LICENCE:
        for other in claims[claim.kind, "", claim.of]:
            if other.subject != claim.subject:
                yield Answer.CONTRADICTED, f"the card also says {other.subject or 'nothing'} (line {other.line})"
    if claim.kind is ClaimKind.SPEED:
        words = "a speed says nothing without prompt tokens, turns, and whether drafts were used, alike for both"
        yield Answer.UNPROVEN, words
    if claim.kind in {ClaimKind.LENGTH, ClaimKind.DIFFERENCE} and claim.up_to:
        yield Answer.UNPROVEN, '"up to" speaks of one condition, and the card does not say which'


def _base_of(claim: Claim, claims: _Others) -> Claim | None:
    """The base's score on the same benchmark: the one nearest in the card."""
    rows = claims[ClaimKind.SCORE, claim.subject, BASE]
    return min(rows, key=lambda row: abs(row.line - claim.line), default=None)


def _partner(claim: Claim, claims: _Others) -> Claim | None:
    """The base's score that a student's score is compared with."""
    return _base_of(claim, claims) if claim.kind is ClaimKind.SCORE and claim.of == STUDENT else None


def _best_case(claim: Claim, claims: _Others) -> tuple[int, int, float] | None:
    """Items, the difference in items, and the exact p if nothing but these flipped; None where the size is not known."""
    base, n = _partner(claim, claims), max(_sizes(claim), default=0)
    if base is None or base.value is None or claim.value is None or not n:
        return None
    flips = abs(round(n * claim.value) - round(n * base.value))
    return n, flips, float(mcnemar_exact(flips, 0))


def _interval(claim: Claim, claims: _Others) -> tuple[float | None, float | None]:
    """The interval that the number of items allows: of a difference at best, else of a score."""
    n = max(_sizes(claim), default=0)
    if claim.kind is not ClaimKind.SCORE or claim.value is None or not n:
        return None, None
    base = _partner(claim, claims)
    if base is not None and base.value is not None:
        flips = round(n * claim.value) - round(n * base.value)
        return _best_interval(flips, n)
    low, high = wilson_interval(round(claim.value * n), n)
    return float(low), float(high)


@lru_cache(maxsize=4096)
def _best_interval(flips: int, n: int) -> tuple[float, float]:
    """The interval of a difference if nothing but these items flipped; a card may repeat a table many times."""
    low, high = tango_interval(max(flips, 0), max(-flips, 0), n)
    return float(low), float(high)


def _settings(claim: Claim) -> dict[str, str]:
    return {name: value for name, value in claim.settings.items() if name in _COMPARED}


def _differ(one: Claim, other: Claim) -> bool:
    reach = 0.005 * (10.0**-one.digits + 10.0**-other.digits)
    return abs((one.value or 0.0) - (other.value or 0.0)) > reach


def _percent(claim: Claim) -> str:
    return f"{100 * (claim.value or 0.0):.{claim.digits}f} %"

