"""Style against ability, as a report shows it: a sentence, the numbers, and the picture of the trap."""

from __future__ import annotations

from hydrometer.report import words
from hydrometer.report.drawing import (
    BAND,
    LINK,
    SOFT,
    Drawing,
    Spec,
    at,
    base_dot,
    field,
    mark,
    reach,
    signal,
    spec,
    student_dot,
)
from hydrometer.report.view import Fact, StyleView
from hydrometer.shares import Portion, StyleShift
from hydrometer.teaching import LONG_WAY

_FIRST, _LAST = -0.5, 1.5
# Half of the way beyond either end: what lies further stands at the edge.


def build_style(shift: StyleShift | None) -> StyleView | None:
    """Return the view of a shift, None where there is none."""
    if shift is None:
        return None
    return StyleView(
        sentence=style_sentence(shift),
        trap=shift.trap,
        facts=_facts(shift),
        drawing=_drawing(shift.style, shift.ability, style_sentence(shift)),
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


def _drawing(style: Portion | None, ability: Portion | None, sentence: str) -> Drawing | None:
    if style is None or ability is None:
        return None
    place = {
        "x": _held(style.value),
        "x_low": _held(style.low),
        "x_high": _held(style.high),
        "y": _held(ability.value),
        "low": _held(ability.low),
        "high": _held(ability.high),
        "title": f"style {_share(style)}, ability {_share(ability)} of the way",
    }
    known = [{"share": 0, "name": "base"}, {"share": 1, "name": "teacher"}]
    x, y, share = at("x", "x"), at("y", "y"), field("share")
    both = {"x": {"scale": "x", **share}, "y": {"scale": "y", **share}}
    right, bottom = signal("width"), signal("height")
    picture = spec(
        250,
        {"place": [place], "known": known},
        scales=[
            {"name": "x", "type": "linear", "domain": [_FIRST, _LAST], "range": "width"},
            {"name": "y", "type": "linear", "domain": [_FIRST, _LAST], "range": "height"},
        ],
        axes=[_axis("bottom", "x", title="style: share of the way to the teacher →"), _axis("left", "y")],
        marks=[
            mark("rect", "place", x=_value("x", LONG_WAY), x2=right, y=_value("y", 0.5), y2=bottom, fill=BAND),
            mark("text", "place", x=signal("width - 6"), y=signal("height - 8"), align="right", fill=SOFT,
                 text="style moved, ability did not"),
            mark("text", "place", x=6, y=12, text="↑ ability", fill=SOFT),
            mark("line", "known", **both, stroke=SOFT, strokeDash={"value": [2, 3]}),
            reach("place", x=at("x", "x_low"), x2=at("x", "x_high"), y=y),
            reach("place", x=x, y=at("y", "low"), y2=at("y", "high")),
            base_dot("known", both["x"], both["y"]),
            mark("text", "known", **both, dx=9, dy=-8, text=field("name"), fill=SOFT),
            student_dot("place", x, y, tooltip=field("title")),
            mark("text", "place", x=x, y=y, dx=9, dy=18, text="student", fill=LINK, fontWeight=600),
        ],
    )  # fmt: skip
    return Drawing(key="style-chart", description=sentence, spec=picture)


def _axis(orient: str, scale: str, **more: str) -> Spec:
    return {
        "orient": orient,
        "scale": scale,
        "titleFontWeight": 400,
        "titleColor": SOFT,
        "values": [0, 0.5, 1],
        "format": "%",
        "grid": True,
        "domain": False,
        **more,
    }


def _value(scale: str, value: float) -> Spec:
    return {"scale": scale, "value": value}


def _held(share: float) -> float:
    return round(max(_FIRST, min(_LAST, share)), 4)
