"""Two chat templates compared by what they render, never by their text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hydrometer.surface.answers import Answer, Finding, Topic, quoted, topic
from hydrometer.surface.fixtures import FIXTURES, REPLY, RESULT, SYSTEM, USER
from hydrometer.surface.rendering import Rendered
from hydrometer.surface.templates import DEFAULT, OTHER_DEFAULTS
from hydrometer.templates.dialects import Dialect, dialect_of, opens_thinking

_EMPTY = re.compile(r"(<think>\s*</think>|<\|channel>thought\s*<channel\|>|\[THINK\]\s*\[/THINK\])\s*\Z")
_DIALECTS = (
    ("qwen3", Dialect.QWEN), ("qwen35", Dialect.QWEN), ("gemma4", Dialect.GEMMA), ("diffusion_gemma", Dialect.GEMMA),
    ("deepseek", Dialect.QWEN),
)  # fmt: skip
"""Families whose models think in a dialect of their own, by the beginning of their name."""

DIALECT_WORDS = {
    Dialect.QWEN: "<think>...</think>", Dialect.GEMMA: "<|channel>thought...<channel|>",
    Dialect.MISTRAL: "[THINK]...[/THINK]", Dialect.NONE: "no marks for thinking",
}  # fmt: skip
_KNOBS = (
    ("thinking switch", "enable_thinking", "thinking on", "thinking off"),
    ("kept thoughts switch", "preserve_thinking", "thoughts kept", "thoughts dropped"),
    ("effort switch", "reasoning_effort", "low effort", "plain"),
)
_SYSTEM_RANKS = {"refused": 0, "left out": 0, "merged into the user's turn": 1, "a turn of its own": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSide:
    """One side's template.

    Attributes:
        source: The Jinja source, `""` without one.
        rendered: What it makes of the fixtures, None without one.
        family: Name of the architecture, such as `qwen3_5`.
        bos: The token that begins a text, `""` if it is not known.
        begins: Whether the tokenizer puts that token in front by itself.
        owner: Whether there are files at all that could hold a template.
    """

    source: str
    rendered: Rendered | None
    family: str
    bos: str
    begins: bool
    owner: bool


def family_dialect(family: str) -> Dialect:
    """Return the dialect in which a family thinks, `NONE` if it is not known."""
    return next((dialect for start, dialect in _DIALECTS if family.startswith(start)), Dialect.NONE)


def compare_templates(base: TemplateSide, student: TemplateSide, named: Sequence[Finding] = ()) -> Topic:
    """Compare two chat templates.

    Args:
        base: That of the base.
        student: That of the student.
        named: What was found of their other templates.
    """
    ours, theirs = base.rendered, student.rendered
    if theirs is None:
        if ours is None or not student.owner:
            why = "neither has a chat template" if ours is None else "no tokenizer files, so no chat template"
            return topic("template", named, why)
        text = "the base has a chat template, the student has none"
        return topic("template", [Finding(name="rendering", answer="contradicted", text=text), *named], "")
    findings = [*_dialect(base, student), *_behaviour(theirs), *named]
    if ours is not None:
        findings = [
            *_prefill(ours, theirs), *_knobs(ours, theirs), *_tools(ours, theirs), *_system(ours, theirs),
            *_default_system(ours, theirs), *_begin(base, student), *findings, *_rendering(ours, theirs),
        ]  # fmt: skip
    return topic("template", findings, "the base has no chat template to compare with")


def compare_named(base: Mapping[str, Rendered], student: Mapping[str, Rendered]) -> Iterator[Finding]:
    """Compare the templates beside the defaults: one for tools, one for the processor, another default.

    Args:
        base: Those of the base, the default among them.
        student: Those of the student.
    """
    for name in base:
        if name not in student and name not in (DEFAULT, *OTHER_DEFAULTS):
            text = f"the base's template {name} is gone"
            yield Finding(name="named template", answer="contradicted", text=text, base=name)
    for name, theirs in student.items():
        ours = base.get(name) or (base.get(DEFAULT) if name in OTHER_DEFAULTS else None)
        if name == DEFAULT or ours is None:
            continue
        differ = _differing(ours, theirs)
        other = f"{name} holds another default, which some loaders take"
        what = other if name in OTHER_DEFAULTS else f"template {name}"
        if not differ:
            yield Finding(name="named template", answer="confirmed", text=f"{what}: all conversations render alike")
            continue
        a, b = ours.texts[differ[0]], theirs.text(differ[0])
        values = ("rendered", "refused") if b is None else _difference(a, b)
        text = f"{what}: {len(differ)} of {len(ours.texts)} conversations render differently, first {differ[0]}"
        yield Finding(name="named template", answer="contradicted", text=text, base=values[0], student=values[1])


def _differing(ours: Rendered, theirs: Rendered) -> list[str]:
    """What the base renders, the student renders alike; what only the student renders is no loss."""
    return [f.name for f in FIXTURES if f.name in ours.texts and ours.texts[f.name] != theirs.text(f.name)]


def _rendering(ours: Rendered, theirs: Rendered) -> Iterator[Finding]:
    differ = _differing(ours, theirs)
    gained = [name for name in ours.errors if name in theirs.texts]
    also = f"; it renders {', '.join(gained)} too, which the base's refuses" if gained else ""
    if not differ:
        count = len(ours.texts)
        yield Finding(
            name="rendering", answer="confirmed", text=f"{count} of {count} conversations render alike{also}"
        )
        return
    first = differ[0]
    a, b = ours.texts[first], theirs.text(first)
    values = ("", f"refused: {theirs.errors.get(first, '')}"[:200]) if b is None else _difference(a, b)
    pairs = [(ours.texts[name].split(), (theirs.text(name) or "").split()) for name in differ]
    how = "in blanks alone" if all("".join(a) == "".join(b) for a, b in pairs) else f"first {first}"
    text = f"{len(differ)} of {len(ours.texts)} conversations render differently, {how} ({', '.join(differ)}){also}"
    yield Finding(name="rendering", answer="contradicted", text=text, base=values[0], student=values[1])


def _difference(a: str, b: str) -> tuple[str, str]:
    """The place where two texts part, with a few characters before."""
    parting = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(0, parting - 20)
    return quoted(a[start : start + 100]), quoted(b[start : start + 100])


def _prefill(ours: Rendered, theirs: Rendered) -> Iterator[Finding]:
    """Where the prompt ends decides whether the model thinks."""
    changed: list[tuple[str, str, str]] = []
    same: list[tuple[str, str, str]] = []
    for name in ("plain", "thinking on", "thinking off"):
        a, b = ours.text(name), theirs.text(name)
        if a is None or b is None:
            continue
        states = _ending(a), _ending(b)
        (same if states[0] == states[1] else changed).append((name, *states))
    for name, a, b in changed[:1]:
        names = ", ".join(name for name, _, _ in changed)
        text = f"the prompt ends {a} in the base and {b} in the student ({names})"
        yield Finding(name="think prefill", answer="contradicted", text=text, base=a, student=b)
    if same and not changed:
        text = f"the prompt ends {same[0][1]}, as the base's"
        yield Finding(name="think prefill", answer="confirmed", text=text, base=same[0][1], student=same[0][2])


def _ending(prompt: str) -> str:
    if opens_thinking(prompt):
        return "inside an open think block"
    return "behind an empty think block" if _EMPTY.search(prompt) else "without a think block"


def _knobs(ours: Rendered, theirs: Rendered) -> Iterator[Finding]:
    for name, knob, on, off in _KNOBS:
        if not _turns(ours, on, off):
            continue
        kept = _turns(theirs, on, off)
        text = f"{knob} changes the prompt" + ("" if kept else " of the base, and does nothing in the student")
        yield Finding(name=name, answer="confirmed" if kept else "contradicted", text=text)


def _turns(rendered: Rendered, on: str, off: str) -> bool:
    a, b = rendered.text(on), rendered.text(off)
    return a is not None and b is not None and a != b


def _tools(ours: Rendered, theirs: Rendered) -> Iterator[Finding]:
    rows = (
        ("tools", ("probe_tool", "Looks a place up."), "offered tools"),
        ("tool result", ("Probe-A1", RESULT), "calls and their results"),
    )
    kept = []
    for fixture, words, what in rows:
        if not _shows(ours, fixture, words):
            continue
        if _shows(theirs, fixture, words):
            kept.append(what)
            continue
        how = "refused" if fixture in theirs.errors else "left out"
        yield Finding(
            name="tools", answer="contradicted", text=f"{what} are {how} by the student's template",
            base="rendered", student=how,
        )  # fmt: skip
    if kept:
        yield Finding(name="tools", answer="confirmed", text=f"{' and '.join(kept)} are rendered")


def _shows(rendered: Rendered, fixture: str, words: Sequence[str]) -> bool:
    return all(word in (rendered.text(fixture) or "") for word in words)


def _system(ours: Rendered, theirs: Rendered) -> Iterator[Finding]:
    a, b = _system_state(ours), _system_state(theirs)
    lost = _SYSTEM_RANKS[b] < _SYSTEM_RANKS[a]
    text = f"the system prompt is {b}, in the base it is {a}" if lost else f"the system prompt is {b}"
    yield Finding(name="system prompt", answer="contradicted" if lost else "confirmed", text=text, base=a, student=b)


def _system_state(rendered: Rendered) -> str:
    text = rendered.text("system")
    if text is None:
        return "refused"
    head, found, rest = text.partition(SYSTEM)
    if not found:
        return "left out"
    between = rest.partition(USER)[0] if USER in rest else head.partition(USER)[2]
    return "a turn of its own" if between.strip() else "merged into the user's turn"


def _default_system(ours: Rendered, theirs: Rendered) -> Iterator[Finding]:
    """Words that the student's template puts before the first turn, such as another name for the model."""
    a, b = ((side.text("plain") or "").partition(USER)[0] for side in (ours, theirs))
    if a == b:
        return
    added = sorted(set(re.findall(r"[^\W\d_]{2,}", b)) - set(re.findall(r"[^\W\d_]{2,}", a)) - {"system", "user"})
    if added:
        text = f"before the first turn it puts {quoted(b)}, the base {quoted(a)}"
        yield Finding(name="default system prompt", answer="contradicted", text=text, base=quoted(a), student=quoted(b))


def _begin(base: TemplateSide, student: TemplateSide) -> Iterator[Finding]:
    a, b = _begins(base), _begins(student)
    if b > 1 >= a:
        whose = "one of them from the tokenizer" if student.begins else "all from the template"
        text = f"the prompt begins with {quoted(student.bos)} {b} times, {whose}"
        yield Finding(name="beginning of text", answer="contradicted", text=text, base=str(a), student=str(b))


def _begins(side: TemplateSide) -> int:
    text = (side.rendered.text("plain") if side.rendered else None) or ""
    count = 0
    while side.bos and text.startswith(side.bos):
        text, count = text[len(side.bos) :], count + 1
    return count + (side.begins and count > 0)


def _dialect(base: TemplateSide, student: TemplateSide) -> Iterator[Finding]:
    theirs = dialect_of(student.source)
    own = family_dialect(student.family or base.family)
    expected = own if own is not Dialect.NONE else dialect_of(base.source)
    if expected is Dialect.NONE:
        return
    wrong = theirs is not expected and (theirs is not Dialect.NONE or dialect_of(base.source) is expected)
    words = DIALECT_WORDS[theirs], DIALECT_WORDS[expected]
    text = f"the template speaks {words[0]}" + (f"; this family thinks in {words[1]}" if wrong else "")
    answer: Answer = "contradicted" if wrong else "confirmed"
    yield Finding(name="think dialect", answer=answer, text=text, base=words[1], student=words[0])


def _behaviour(theirs: Rendered) -> Iterator[Finding]:
    for line in theirs.lint[:5]:
        yield Finding(name="hidden behaviour", answer="contradicted", text=f"c4nary: {line}")


def turn_end(rendered: Rendered) -> str:
    """Return what a template puts behind a finished reply, `""` if it renders none."""
    return (rendered.text("finished") or "").rpartition(REPLY)[2]
