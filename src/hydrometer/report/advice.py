"""What to do with a result: both axes weighed, accuracy and tokens, in sentences that claim no more than was shown.

A difference in length counts only where its interval excludes none, a loss only where it is a verdict, and silence is
never read as equality. What the reader wants more of, accuracy or short replies, is the reader's to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydrometer.report import words
from hydrometer.result import CapabilityResult, TokenPrice, Verdict

_NO_ADVICE = "No recommendation: "


def advice(
    verdict: Verdict,
    rows: Sequence[CapabilityResult],
    price: TokenPrice | None,
    margin: float,
    *,
    base: str = "the base",
) -> str:
    """Return the recommendation on the whole.

    Args:
        verdict: The overall verdict.
        rows: The capabilities.
        price: Token price over all generated replies, None where nothing was generated.
        margin: Margin of the audit, in score units.
        base: What the base is called, such as `plain SmolLM2-135M-Instruct`.
    """
    if verdict is Verdict.INVALID:
        return f"{_NO_ADVICE}the two models would not have been asked the same thing."
    if not rows:
        return f"{_NO_ADVICE}nothing was compared."
    length = "unknown" if price is None or not price.n else words.length_trend(price)
    lost, won = _names(rows, Verdict.WORSE), _names(rows, Verdict.BETTER)
    open_ = sum(row.verdict is Verdict.NOT_ENOUGH for row in rows)
    if lost:
        return _after_a_loss(lost, won, length, base) + _still_open(open_, len(rows))
    if open_:
        return _undecided(won, length, base) + _still_open(open_, len(rows))
    limit = words.margin_words(margin)
    if won:
        return (
            f"Take the distillation for {won}; on every capability a loss of more than {limit} points is ruled out."
            + {
                "shorter": " Its replies are shorter, too.",
                "longer": " The gain has a price: its replies are longer.",
                "": " No difference in reply length is shown.",
                "unknown": "",
            }[length]
        )
    return {
        "shorter": f"Take the distillation if short replies are worth something to you: within {limit} points it is as "
        f"good as {base}, and its replies are shorter.",
        "longer": f"Stay with {base}: within {limit} points the distillation is no better, and its replies are "
        "longer.",
        "": f"Either will do: within {limit} points they are alike, and no difference in reply length is shown.",
        "unknown": f"Either will do: within {limit} points they are alike. Nothing is known of reply lengths.",
    }[length]


def trade(verdict: Verdict, price: TokenPrice) -> str:
    """Return what accuracy and tokens of a capability say together: which model is ahead, or the trade."""
    length = words.length_trend(price)
    said = {"shorter": "shorter replies", "longer": "longer replies", "": "no difference in length shown"}[length]
    lead = {
        Verdict.BETTER: "more accurate",
        Verdict.WORSE: "less accurate",
        Verdict.EQUIVALENT: "as accurate within the margin",
        Verdict.NOT_ENOUGH: "accuracy open",
        Verdict.INVALID: "not comparable",
    }[verdict]
    end = {
        (Verdict.BETTER, "shorter"): "the student is ahead on both",
        (Verdict.BETTER, ""): "the student is ahead in accuracy",
        (Verdict.BETTER, "longer"): "a trade: accuracy for tokens",
        (Verdict.EQUIVALENT, "shorter"): "the student is ahead in tokens",
        (Verdict.EQUIVALENT, "longer"): "the base is ahead in tokens",
        (Verdict.WORSE, "shorter"): "a trade: tokens for accuracy",
        (Verdict.WORSE, ""): "the base is ahead in accuracy",
        (Verdict.WORSE, "longer"): "the base is ahead on both",
    }.get((verdict, length), "neither is shown to be ahead")
    return f"{lead}, {said}: {end}"


def _after_a_loss(lost: str, won: str, length: str, base: str) -> str:
    text = f"Stay with {base} for {lost}"
    text += f"; the distillation is the better one for {won}." if won else "."
    return (
        text
        + {
            "shorter": " The distillation's replies are shorter: whether that makes up for the loss on "
            f"{lost} is yours to say.",
            "longer": " The distillation's replies are longer besides.",
            "": "",
            "unknown": "",
        }[length]
    )


def _still_open(count: int, of: int) -> str:
    return f" {count} of {of} capabilities {'is' if count == 1 else 'are'} open." if count else ""


def _undecided(won: str, length: str, base: str) -> str:
    if won:
        text = f"Take the distillation for {won}, and keep {base} at hand: elsewhere a loss is not ruled out."
    else:
        text = "No recommendation yet: neither a gain nor a loss is shown, and a loss is not ruled out."
    text += {
        "shorter": " The distillation's replies are shorter, which counts for it only once a loss is ruled out.",
        "longer": " The distillation's replies are longer.",
        "": "",
        "unknown": "",
    }[length]
    return text


def _names(rows: Sequence[CapabilityResult], verdict: Verdict) -> str:
    names = [words.name(row.capability) for row in rows if row.verdict is verdict]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
