"""Numbers and findings in words: every figure a report shows is written by one of these functions.

Text from models and files is hostile until `block` or `line` has seen it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hydrometer.outcomes import Status
from hydrometer.result import (
    BehaviourResult,
    BudgetPoint,
    CalibrationResult,
    CapabilityResult,
    Course,
    CutReplies,
    DiversityResult,
    Efficiency,
    Floor,
    Stopped,
    TokenPrice,
    Verdict,
)
from hydrometer.stats.estimate import Estimate

NONE = "–"
"""Stands for a number that does not exist."""

UNBOUNDED_RATIO = 1e5
"""A ratio interval that reaches beyond it has no upper end: too few pairs for one."""

STATUS_WORDS = {
    Status.GRADED: "answered",
    Status.UNPARSED: "no answer found",
    Status.TRUNCATED: "cut at the token cap",
    Status.REFUSED: "refused",
    Status.ENGINE_ERROR: "engine failed",
    Status.ITEM_INVALID: "item invalid",
}

# C0 and C1 controls (a terminal obeys some of them), halves of surrogate pairs (no encoder takes them), and the two
# that no XML holds.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Direction controls: in one line of a table they would turn the cells around them.
_DIRECTIONS = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_DIGESTS = re.compile(r"((?:sha256|s2):[0-9a-f]{12})[0-9a-f]+")


def block(text: str, limit: int = 0) -> str:
    """Return a text of many lines, safe for every face; with a limit, the first characters of it."""
    safe = _CONTROLS.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    if limit and len(safe) > limit:
        return f"{safe[:limit]}… ({len(safe) - limit:,} more characters in report.json)"
    return safe


def line(text: str, limit: int = 300) -> str:
    """Return a text as one line without direction controls, cut at `limit` characters."""
    safe = " ".join(_DIRECTIONS.sub("", block(text)).split())
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def shortened(text: str) -> str:
    """Return a text with its digests cut to twelve digits; the full ones stand with the models."""
    return _DIGESTS.sub(r"\1…", text)


def name(text: str) -> str:
    """Return the name of a capability as a reader writes it."""
    return line(text.replace("_", " "), 60)


def percent(score: float) -> str:
    """Return a score in 0..1 in percent, such as `62.5`; the column says what it is."""
    return f"{score * 100:.1f}"


def points(difference: float) -> str:
    """Return a difference of scores in signed percentage points, such as `-9.0`."""
    text = f"{difference * 100:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def interval(low: float, high: float) -> str:
    """Return the interval of a difference in percentage points, such as `[-14.1, -3.0]`."""
    ends = [f"{end * 100:.1f}" for end in (low, high)]
    return f"[{', '.join('0.0' if end == '-0.0' else end for end in ends)}]"


def scores(found: Estimate | None) -> dict[str, str]:
    """Return both scores, their difference and its interval, each under its name; without pairs there are none."""
    if found is None or not found.n:
        return dict.fromkeys(("base", "student", "difference", "interval"), NONE)
    return {
        "base": percent(found.base),
        "student": percent(found.student),
        "difference": points(found.difference),
        "interval": interval(found.low, found.high),
    }


def p_value(p: float) -> str:
    """Return a p-value as papers write it: `p = .012`, `p < .001`."""
    if p < 0.001:
        return "p < .001"
    if p >= 0.9995:
        return "p > .999"
    return f"p = {p:.3f}".replace("0.", ".", 1)


def ratio(price: TokenPrice) -> str:
    """Return a token ratio with its interval, such as `x1.62 [1.4, 1.9]`."""
    if not price.n:
        return NONE
    if price.high >= UNBOUNDED_RATIO:
        return f"x{price.ratio:.2f} (no interval)"
    # Two decimals where one would show both ends alike.
    digits = 1 if price.high - price.low >= 0.25 else 2
    return f"x{price.ratio:.2f} [{price.low:.{digits}f}, {price.high:.{digits}f}]"


def nats(value: float) -> str:
    """Return a divergence, such as `0.042`, or `4e-05` where three places would hide it."""
    return f"{value:.3f}" if value >= 0.001 or value == 0.0 else f"{value:.0e}"


def tokens(count: float | None) -> str:
    """Return a number of tokens, in whole ones from ten upwards."""
    if count is None:
        return NONE
    return f"{count:,.0f}" if count >= 10 else f"{count:.1f}"


def duration(seconds: float) -> str:
    """Return a wall time, such as `4 min 10 s`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def counts(statuses: Mapping[Status, int]) -> str:
    """Return what became of items, such as `36 answered, 4 refused`."""
    shown = [f"{statuses[status]:,} {text}" for status, text in STATUS_WORDS.items() if statuses.get(status)]
    return ", ".join(shown) or NONE


def margin_words(margin: float) -> str:
    """Return the margin as a number of tasks of 100, such as `3`."""
    return f"{margin * 100:g}"


def capability_sentence(result: CapabilityResult, margin: float, base: str = "the base") -> str:
    """Say what was found on a capability to a reader who knows no statistics.

    Counts failures of 100 tasks, so that the sign needs no thinking: more is worse.

    Args:
        result: The capability.
        margin: Margin of the audit, in score units.
        base: What the base is called, such as `plain SmolLM2-135M-Instruct`.
    """
    what, limit, found = name(result.capability), margin_words(margin), result.estimate
    if not found.n:
        return f"On {what} nothing can be said: no item was answered by both models."
    if result.verdict is Verdict.NOT_ENOUGH:
        return _open_question(result, base)
    if result.verdict is Verdict.EQUIVALENT:
        return (
            f"On {what} the distillation fails as many tasks as {base}, give or take the margin of {limit} of 100; "
            f"the truth lies {_between(found)}."
        )
    more = "fewer" if result.verdict is Verdict.BETTER else "more"
    size = (
        f"That is more than the margin of {limit}."
        if result.material
        else f"It is not shown that this exceeds the margin of {limit}."
    )
    return (
        f"On {what} the distillation fails {_count(abs(found.difference) * 100)} {more} of 100 tasks than {base}; "
        f"the truth lies {_between(found)}. {size}"
    )


def length_trend(price: TokenPrice) -> str:
    """Return `longer` or `shorter` for the student's replies where that is shown, else `""`."""
    if not price.n or price.high >= UNBOUNDED_RATIO or price.low <= 1.0 <= price.high:
        return ""
    return "longer" if price.ratio > 1 else "shorter"


def price_sentence(price: TokenPrice) -> str:
    """Say what the student's replies cost next to the base's."""
    if not price.n:
        return "No reply was finished by both models, so their lengths cannot be compared."
    trend = length_trend(price)
    lead = f"The distillation writes {trend} replies" if trend else "No difference in reply length is shown"
    text = (
        f"{lead}: {ratio(price)} tokens per item, on average {tokens(price.student)} against {tokens(price.base)} "
        f"({price.n} {_plural(price.n, 'reply', 'replies')} each)."
    )
    if price.base_per_correct is None or price.student_per_correct is None:
        return text
    spent = f"{tokens(price.student_per_correct)} against {tokens(price.base_per_correct)}"
    return f"{text} Each point scored costs {spent} tokens."


def core_sentence(core: Estimate) -> str:
    """Say how the models differ over all capabilities together."""
    return (
        f"{points(core.difference)} points {interval(core.low, core.high)} over all capabilities with equal weights, "
        f"from the {core.n:,} items that are asked in every run."
    )


def efficiency_sentence(found: Efficiency, margin: float) -> str:
    """Say what the student gets out of its tokens, and whether it is a trade without a loss."""
    if found.high >= UNBOUNDED_RATIO:
        lead = f"Tokens per point scored cannot be compared on {found.n:,} items."
    else:
        lead = (
            f"x{found.ratio:.2f} [{found.low:.2f}, {found.high:.2f}] tokens per point scored, student over base, from "
            f"{found.n:,} items that are asked in every run."
        )
    trade = f"both shorter and not worse by {margin_words(margin)} points"
    if found.shown:
        return f"{lead} It is shown to be {trade}: {p_value(max(found.noninferior, found.shorter))}."
    return (
        f"{lead} Not shown to be {trade} (shorter {p_value(found.shorter)}, not worse {p_value(found.noninferior)})."
    )


def asked_sentence(results: Sequence[CapabilityResult]) -> str:
    """Say how much of the planned items was asked, and why the rest was not."""
    courses = [result.course for result in results if result.course]
    asked, planned = sum(c.items for c in courses), sum(c.planned[-1] for c in courses)
    if asked == planned:
        return f"all {planned:,} planned items."
    kinds = [
        (sum(course.stopped is kind for course in courses), text)
        for kind, text in (
            (Stopped.DECIDED, "decided early"),
            (Stopped.UNLIKELY, "left because the rest would not have settled it"),
            (Stopped.BUDGET, "cut short by the budget"),
        )
    ]
    why = ", ".join(
        f"{count} {_plural(count, 'capability', 'capabilities')} {text}" for count, text in kinds if count
    )
    return f"{asked:,} of {planned:,} planned items ({100 * asked / planned:.0f} %): {why}."


def course(course: Course) -> str:
    """Say how far the items of a capability were asked, such as `30 of 300 items, decided`."""
    why = {
        Stopped.COMPLETE: "all of them",
        Stopped.DECIDED: "the verdict stood",
        Stopped.UNLIKELY: "the rest would not have settled it",
        Stopped.BUDGET: "the budget was spent",
    }[course.stopped]
    looks = f"look {course.looks} of {len(course.planned)}"
    return f"{course.items:,} of {course.planned[-1]:,} items ({looks}): {why}"


def together_sentence(number: int, *, sampled: bool) -> str:
    """Say that an item counts only together with others."""
    if sampled:
        return f"One of {number} samples of one question, which count together: one point if any of them is right."
    return f"One of {number} questions that count only together: one point if all of them are right, else none."


def floor_sentence(floor: Floor) -> str:
    """Say what the base does against itself."""
    found = floor.estimate
    text = (
        f"asked twice, the base flips on {floor.flips} of {found.n:,} items, {points(found.difference)} points "
        f"{interval(found.low, found.high)}."
    )
    if floor.excess is None or floor.excess_p is None:
        return text
    more = "less" if floor.excess < 0 else "more"
    return f"{text} The student flips {percent(abs(floor.excess))} points {more} often ({p_value(floor.excess_p)})."


def cut_sentence(cuts: CutReplies) -> str:
    """Say what the token cap did to the replies of a capability, and what it may hide."""
    hits, done = cuts.hits, cuts.finished
    base, student = (round(share * hits.n) for share in (hits.base, hits.student))
    text = (
        f"Cut at the cap: {base:,} of {hits.n:,} replies of the base, {student:,} of {hits.n:,} of the student "
        f"({_difference(hits)})."
    )
    if done is None or not done.n:
        text += " No item was finished by both."
    else:
        text += (
            f" On the {done.n:,} {_plural(done.n, 'item', 'items')} that both finished, the base scores "
            f"{percent(done.base)} %, the student {percent(done.student)} % ({_difference(done)})."
        )
    return (
        f"{text} Whatever the unanswered items would have been, the difference lies between {points(cuts.worst)} and "
        f"{points(cuts.best)} points on these items, within {interval(cuts.low, cuts.high)} with chance allowed for."
    )


def flip_sentence(less: BudgetPoint, more: BudgetPoint) -> str:
    """Say that the better model of a capability depends on the token budget."""
    small, large = (
        "the distillation" if point.estimate.difference > 0 else "the base" for point in (less, more)
    )
    return (
        f"On {name(less.capability)} the ranking depends on the budget: with at most {less.tokens:,} tokens {small} "
        f"does better ({_difference(less.estimate)}), with {more.tokens:,} {large} does ({_difference(more.estimate)})."
    )


def behaviour_sentence(row: BehaviourResult) -> str:
    """Say how often a behaviour shows on each side. Style is called so, and an identity claim proves no teacher."""
    found = row.excess
    text = (
        f"{name(row.behaviour)}: {_count(found.student * 100)} % of the student's replies, "
        f"{_count(found.base * 100)} % of the base's, {_difference(found)}"
    )
    if "identity" in row.behaviour.lower():
        return f"{text}; style, no proof of who the teacher was"
    return text if row.fault else f"{text}; style, not a fault"


def calibration_sentence(found: CalibrationResult) -> str:
    """Say how sure both models say they are, what they get right, and whether that fit changed."""
    if not found.n:
        return "No item was answered by both models with a confidence, so nothing can be said of it."
    text = (
        f"asked how sure it is, the student says {percent(found.student_confidence)} % and is right on "
        f"{percent(found.student_right)} %, the base says {percent(found.base_confidence)} % and is right on "
        f"{percent(found.base_right)} % of {found.n:,} {_plural(found.n, 'item', 'items')}."
    )
    if found.level_shown:
        more = "more" if found.level > 0 else "less"
        return (
            f"{text} It claims {more} than the base, relative to what it gets right: {points(found.level)} points "
            f"({p_value(found.level_p)})."
        )
    if found.slope_shown:
        more = "more" if found.slope > 0 else "less"
        return f"{text} Its confidences became {more} extreme than they earn ({p_value(found.slope_p)})."
    return f"{text} No change of calibration is shown ({p_value(min(found.level_p, found.slope_p))})."


def diversity_sentence(found: DiversityResult) -> str:
    """Say what one sample is worth, what all of them are, how alike they are, and what of it changed."""
    one, every, seen = found.passes[0], found.passes[-1], found.distinct
    if not one.n:
        return f"no question of {line(found.task, 60)} has all its samples on both sides."
    text = (
        f"over {one.n:,} {_plural(one.n, 'question', 'questions')}, one sample of the student is right on "
        f"{percent(one.student)} % (base {percent(one.base)} %, {_difference(one)}), any of {found.samples} on "
        f"{percent(every.student)} % (base {percent(every.base)} %, {_difference(every)})"
    )
    if seen.n:
        share, before = percent(seen.student), percent(seen.base)
        text += f"; {share} % of its answers are distinct (base {before} %, {_difference(seen)})"
    claims = []
    if found.added_shown:
        claims.append(f"further samples help it {'less' if found.added.difference < 0 else 'more'} than the base")
    if found.distinct_shown:
        claims.append(f"its samples are {'more alike' if seen.difference < 0 else 'more varied'}")
    said = " and ".join(claims) or "no change of variety is shown"
    return f"{text}. {said[:1].upper()}{said[1:]}."


def verdict_sentence(verdict: Verdict, margin: float) -> str:
    """Say what the overall verdict means."""
    limit = margin_words(margin)
    return {
        Verdict.WORSE: "A loss is shown on at least one capability.",
        Verdict.BETTER: f"A gain is shown, and a loss of more than {limit} points is ruled out on every capability.",
        Verdict.EQUIVALENT: f"On every capability a difference of more than {limit} points is ruled out.",
        Verdict.NOT_ENOUGH: "No loss is shown, but it is not ruled out everywhere: silence is not a proof of equality.",
        Verdict.INVALID: "The two models would not have been asked the same thing, so nothing was scored.",
    }[verdict]


def _open_question(result: CapabilityResult, base: str) -> str:
    found, what = result.estimate, name(result.capability)
    crossing = found.low <= 0.0 <= found.high
    lead = "no difference is shown" if crossing else "a difference appears but is not shown surely enough"
    text = f"On {what} {lead}: the distillation may fail anything {_span(found)} of 100 tasks than {base}"
    if result.items_needed is None:
        return f"{text}. The reason: {line(result.reason)}."
    there = f"{found.n:,} {_plural(found.n, 'was', 'were')} answered by both"
    return f"{text}; some {result.items_needed:,} tasks would settle it even if there is no difference ({there})."


def _between(found: Estimate) -> str:
    """The interval as counts of further failures: `between 4 and 14 more`."""
    few, many = -found.high * 100, -found.low * 100
    if few >= 0:
        return f"between {_count(few)} and {_count(many)} more"
    if many <= 0:
        return f"between {_count(-many)} and {_count(-few)} fewer"
    return f"between {_count(-few)} fewer and {_count(many)} more"


def _span(found: Estimate) -> str:
    few, many = -found.high * 100, -found.low * 100
    if few >= 0:
        return f"from {_count(few)} to {_count(many)} more"
    if many <= 0:
        return f"from {_count(-many)} to {_count(-few)} fewer"
    return f"from {_count(-few)} fewer to {_count(many)} more"


def _count(number: float) -> str:
    """A count of tasks; below one it keeps a decimal, so that a shown loss never reads as none."""
    if number >= 0.95:
        return f"{number:.0f}"
    text = f"{number:.1f}"
    return "0" if text in ("0.0", "-0.0") else text


def _difference(found: Estimate) -> str:
    return f"{points(found.difference)} {interval(found.low, found.high)} points"


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
