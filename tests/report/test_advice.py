"""Recommendations over the whole space of verdicts and lengths: golden texts, and what none of them may claim.

`HYDROMETER_GOLDEN=write` writes the texts again; read what changed before it is committed.
"""

import itertools
import os
from dataclasses import replace
from pathlib import Path

import pytest
import sample

from hydrometer.report.advice import advice, trade
from hydrometer.report.words import capability_sentence
from hydrometer.result import CapabilityResult, TokenPrice, Verdict
from hydrometer.verdict import overall

GOLDEN = Path(__file__).parent / "golden_advice.txt"
KINDS = {
    Verdict.BETTER: sample.BETTER,
    Verdict.WORSE: sample.WORSE,
    Verdict.EQUIVALENT: sample.EQUIVALENT,
    Verdict.NOT_ENOUGH: sample.NOT_ENOUGH,
}
LENGTHS = {
    "nothing generated": None,
    "shorter": (0.6, 0.5, 0.7),
    "longer": (1.6, 1.4, 1.9),
    "length open": (1.1, 0.9, 1.3),
    "no finished pair": (1.0, 0.0, float("1e9")),
}
NAME = "plain SmolLM2"
MIXES = [mix for size in range(1, 5) for mix in itertools.combinations(KINDS, size)]


def price(kind: str) -> TokenPrice | None:
    ends = LENGTHS[kind]
    if ends is None:
        return None
    ratio, low, high = ends
    return TokenPrice(
        capability="",
        base=100.0,
        student=100.0 * ratio,
        ratio=ratio,
        low=low,
        high=high,
        n=0 if kind == "no finished pair" else 80,
        base_per_correct=None,
        student_per_correct=None,
    )


def advised(mix: tuple[Verdict, ...], length: str) -> str:
    rows = [KINDS[kind] for kind in mix]
    return advice(overall(rows), rows, price(length), 0.03, base=NAME)


def sized(verdict: Verdict, low: float, high: float, *, material: bool) -> CapabilityResult:
    middle = (low + high) / 2
    found = sample.estimate(0.6, 0.6 + middle, low, high)
    return replace(KINDS[verdict], capability="code", estimate=found, material=material)


SIZES = [
    (Verdict.WORSE, -0.141, -0.039, True),
    (Verdict.WORSE, -0.0401, -0.0004, False),
    (Verdict.WORSE, -0.999, -0.9, True),
    (Verdict.BETTER, 0.039, 0.141, True),
    (Verdict.BETTER, 0.0004, 0.0401, False),
    (Verdict.EQUIVALENT, -0.021, 0.021, False),
    (Verdict.EQUIVALENT, 0.004, 0.021, False),
    (Verdict.EQUIVALENT, -0.021, -0.004, False),
    (Verdict.NOT_ENOUGH, -0.2, 0.3, False),
    (Verdict.NOT_ENOUGH, 0.01, 0.3, False),
    (Verdict.NOT_ENOUGH, -0.3, -0.01, False),
]


def texts() -> str:
    lines = ["# The whole, by verdicts and length"]
    for mix, length in itertools.product(MIXES, LENGTHS):
        lines.append(f"{', '.join(mix)}; {length} -> {advised(mix, length)}")
    lines += [
        f"invalid -> {advice(Verdict.INVALID, (), None, 0.03)}",
        f"nothing -> {advice(Verdict.NOT_ENOUGH, (), None, 0.03)}",
        "# A capability, by verdict and length",
    ]
    for verdict, length in itertools.product(Verdict, LENGTHS):
        own = price(length)
        if own is not None:
            lines.append(f"{verdict}; {length} -> {trade(verdict, own)}")
    lines.append("# A capability, by verdict, interval and whether the margin is exceeded")
    for verdict, low, high, material in SIZES:
        sentence = capability_sentence(sized(verdict, low, high, material=material), 0.03, NAME)
        lines.append(f"{verdict}; {low:g} to {high:g}; {material} -> {sentence}")
    return "\n".join(lines) + "\n"


def test_every_text_is_the_golden_one() -> None:
    if os.environ.get("HYDROMETER_GOLDEN") == "write":
        GOLDEN.write_text(texts(), encoding="utf-8")
    assert texts().splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: "+".join(kind.name.lower() for kind in mix))
def test_no_advice_claims_more_than_was_shown(mix: tuple[Verdict, ...], length: str) -> None:
    text = advised(mix, length)
    # A gain is only spoken of where one was found, and named; a loss the same.
    assert ("reasoning" in text) == (Verdict.BETTER in mix)
    assert ("instruction following" in text) == (Verdict.WORSE in mix)
    assert text.startswith(f"Stay with {NAME} for instruction following") == (Verdict.WORSE in mix)
    if Verdict.NOT_ENOUGH in mix:
        assert f"1 of {len(mix)} capabilities is open" in text
        assert "alike" not in text
        assert "as good as" not in text
        assert "on every capability" not in text
    # The length of replies is spoken of as shown only where it is.
    assert ("replies are shorter" in text) == (length == "shorter")
    assert ("replies are longer" in text) == (length == "longer")
    assert "reply length is shown" not in text or length == "length open"
    assert "Take the distillation if" not in text or (mix == (Verdict.EQUIVALENT,) and length == "shorter")


def test_the_trade_is_the_same_seen_from_the_other_side() -> None:
    turned = {"student": "base", "base": "student"}
    mirror = {Verdict.BETTER: Verdict.WORSE, Verdict.EQUIVALENT: Verdict.EQUIVALENT, Verdict.NOT_ENOUGH: Verdict.NOT_ENOUGH}
    for verdict, length in itertools.product(mirror, ("shorter", "longer", "length open")):
        other = {"shorter": "longer", "longer": "shorter"}.get(length, length)
        here, there = price(length), price(other)
        assert here is not None
        assert there is not None
        ends = trade(verdict, here).split(": ", 1)[1], trade(mirror[verdict], there).split(": ", 1)[1]
        if "trade" in ends[0]:
            assert "trade" in ends[1]
        else:
            assert " ".join(turned.get(word, word) for word in ends[0].split()) == ends[1]
