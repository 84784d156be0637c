"""Style against ability, as a report shows it: a sentence, the numbers, and the picture of the trap."""

from __future__ import annotations

from hydrometer.report import words
from hydrometer.report.view import Fact, StylePlot, StyleView
from hydrometer.shares import Portion, StyleShift
from hydrometer.teaching import LONG_WAY

_SIZE, _BASE, _TEACHER = 280, 70.0, 210.0
# Half of the way beyond either end: what lies further stands at the edge.


def build_style(shift: StyleShift | None) -> StyleView | None:
    """Return the view of a shift, None where there is none."""
    if shift is None:
        return None
    return StyleView(
        sentence=style_sentence(shift),
        trap=shift.trap,
        facts=_facts(shift),
        plot=_plot(shift.style, shift.ability),
    )


def style_sentence(shift: StyleShift) -> str:
    """Say how far style and ability moved, and whether that is the trap."""
    teacher = words.line(shift.teacher, 60)
    if not shift.items and not shift.graded:
        return f"{teacher} has no usable reply to any of the questions that were asked."
    if shift.style:
        style = f"In style the student went {_share(shift.style)} of the way from the base to {teacher}"
    elif shift.told_apart:
        style = f"Base and {teacher} write too alike to measure a way ({words.percent(shift.told_apart)} % told apart)"
    else:
        style = f"Too few replies are long enough to have a style ({shift.items:,} questions)"
    if shift.ability:
        ability = f"in ability {_share(shift.ability)}"
    else:
        ability = "the teacher is not shown to score better here, so there is no ability to move towards"
    return f"{style}; {ability}{': style moved, ability did not' if shift.trap else ''}."


def _share(portion: Portion) -> str:
    return f"{portion.value * 100:.0f} % {words.interval(portion.low, portion.high)}"


def _facts(shift: StyleShift) -> tuple[Fact, ...]:
    gain = shift.gain
    left = f", {shift.left_out:,} left out as too short or unanswered" if shift.left_out else ""
    scores = " / ".join(words.percent(score) for score in (shift.base, shift.student, shift.teacher_score))
    facts = [
        Fact(
            label="Style",
            value=f"{shift.items:,} questions, {shift.window:.0f} words and marks of each reply{left}",
        ),
        Fact(
            label="Told apart",
            value=f"{words.percent(shift.told_apart)} % of base and teacher replies, cross-validated",
        ),
        Fact(
            label="Length alone",
            value=f"cut to half, the base's own replies move by {shift.length_alone * 100:+.1f} % of the way",
        ),
        Fact(
            label="Ability",
            value=f"base / student / teacher {scores} % on {shift.graded:,} questions; student minus base "
            f"{words.points(gain.value)} {words.interval(gain.low, gain.high)} points",
        ),
    ]
    if shift.lead:
        facts.append(Fact(label="Style minus ability", value=f"{_share(shift.lead)} of the way"))
    return tuple(facts)


def _plot(style: Portion | None, ability: Portion | None) -> StylePlot | None:
    if style is None or ability is None:
        return None
    x = tuple(_place(end) for end in (style.value, style.low, style.high))
    y = tuple(round(_SIZE - _place(end), 1) for end in (ability.value, ability.low, ability.high))
    return StylePlot(
        size=_SIZE,
        base=_BASE,
        teacher=_TEACHER,
        trap=_place(LONG_WAY),
        x=(x[0], x[1], x[2]),
        y=(y[0], y[1], y[2]),
    )


def _place(share: float) -> float:
    return round(max(0.0, min(float(_SIZE), _BASE + (_TEACHER - _BASE) * share)), 1)
