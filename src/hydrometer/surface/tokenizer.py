"""Two tokenizers compared by what they do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from hydrometer.surface.answers import Answer, Finding, Topic, quoted, topic
from hydrometer.surface.probes import PROBES
from hydrometer.surface.rendering import run_child
from hydrometer.surface.vocabulary import STEPS, Vocabulary

_WORDS = {
    "normalizer": "normaliser", "pre_tokenizer": "splitting into words", "post_processor": "frame around a text",
    "decoder": "way back to text",
}  # fmt: skip
_WRITTEN_BY_V5 = "TokenizersBackend"


def compare_tokenizers(
    base: Vocabulary | None,
    student: Vocabulary | None,
    *,
    config: Mapping[str, Any] | None = None,
    reason: str = "",
) -> Topic:
    """Compare two tokenizers.

    Args:
        base: That of the base, None if it has none at hand.
        student: That of the student.
        config: The student's `tokenizer_config.json`.
        reason: Why a side was not read, where that is so.
    """
    if base is None or student is None:
        side = "the base" if base is None else "the student"
        return topic("tokenizer", [], reason or f"{side} has no tokenizer file of its own that could be compared")
    findings = [_vocabulary(base, student), *_merges(base, student)]
    if base.form == student.form == "json":
        findings += [*_flags(base, student), *_steps(base, student)]
    elif base.form == student.form:
        findings += _rules(base, student)
    findings += _config(config or {})
    return topic("tokenizer", findings, "")


def _vocabulary(base: Vocabulary, student: Vocabulary) -> Finding:
    """Every token of the base must have its number; further ones are no loss."""
    across = base.form != student.form
    moved = [token for token, number in base.ids.items() if student.ids.get(token, -1) != number]
    if across and moved:
        # A GGUF file may hold the same number for several spellings; its own spelling counts by number.
        spelt = {number: token for token, number in student.ids.items()}
        moved = [token for token in moved if not _same_spelling(token, spelt.get(base.ids[token], ""))]
    extra = [token for token in student.ids if token not in base.ids]
    if across:
        last = max(base.ids.values(), default=0)
        extra = [token for token in extra if student.ids[token] > last]
    values = {"base": f"{len(base.ids):,} tokens", "student": f"{len(student.ids):,} tokens"}
    if moved:
        gone = sum(token not in student.ids for token in moved)
        text = (
            f"{len(moved):,} of the base's {len(base.ids):,} tokens are gone or have another number ({gone:,} gone), "
            f"first {quoted(moved[0])}"
        )
        return Finding(name="vocabulary", answer="contradicted", text=text, **values)
    text = f"all {len(base.ids):,} tokens of the base have their numbers"
    if extra:
        shown = ", ".join(quoted(token, 30) for token in extra[:4])
        text += f", and there are {len(extra):,} more: {shown}{' ...' if len(extra) > 4 else ''}"
    return Finding(name="vocabulary", answer="confirmed", text=text, **values)


def _same_spelling(ours: str, theirs: str) -> bool:
    return ours == theirs or ours.replace("▁", " ") == theirs.replace("▁", " ")


def _merges(base: Vocabulary, student: Vocabulary) -> Iterator[Finding]:
    if not base.merges or not student.merges:
        return
    counts = [1 + side.merges.count(b"\n") for side in (base, student)]
    values = {"base": f"{counts[0]:,} merges", "student": f"{counts[1]:,} merges"}
    if base.merges == student.merges:
        yield Finding(name="merges", answer="confirmed", text=f"{counts[0]:,} merges in the same order", **values)
        return
    texts = [side.merges + b"\n" for side in (base, student)]
    first = _first_difference(*texts)
    a, b = (_line_at(text, first) for text in texts)
    number = 1 + texts[0].count(b"\n", 0, first)
    text = f"merges differ from number {number:,} on: {a} in the base, {b} in the student"
    yield Finding(name="merges", answer="contradicted", text=text, **values)


def _first_difference(first: bytes, second: bytes) -> int:
    """Where two texts part, found by halves."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if first[low:middle] == second[low:middle] else (low, middle - 1)
    return low


def _line_at(text: bytes, place: int) -> str:
    """The line around a place, quoted; nothing behind the end."""
    start, end = text.rfind(b"\n", 0, place) + 1, text.find(b"\n", place)
    return quoted(text[start:end].decode(errors="replace")) if place < len(text) else "nothing more"


def _flags(base: Vocabulary, student: Vocabulary) -> Iterator[Finding]:
    """A token that is no longer special is printed in replies; one that became special vanishes from them."""
    common = sorted(base.added.keys() & student.added.keys())
    changed = [token for token in common if base.added[token] != student.added[token]]
    lost = [token for token in base.added if token in student.ids and token not in student.added]
    if not changed and not lost:
        yield Finding(name="added tokens", answer="confirmed", text=f"{len(common)} added tokens are looked for alike")
        return
    words = [f"{quoted(token, 40)} {_flag_words(base, student, token)}" for token in changed]
    words += [f"{quoted(token, 40)} is not an added token any more" for token in lost]
    more = f", and {len(words) - 3} more" if len(words) > 3 else ""
    yield Finding(
        name="added tokens", answer="contradicted", text="; ".join(words[:3]) + more,
        base=f"{len(base.added)} added", student=f"{len(student.added)} added",
    )  # fmt: skip


def _flag_words(base: Vocabulary, student: Vocabulary, token: str) -> str:
    ours, theirs = base.added[token], student.added[token]
    if ours.special and not theirs.special:
        return "is not special any more: it will be printed in replies"
    if theirs.special and not ours.special:
        return "became special: it vanishes from replies"
    names = [name for name in ours._fields if getattr(ours, name) != getattr(theirs, name)]
    return f"changed in {', '.join(names)}"


def _steps(base: Vocabulary, student: Vocabulary) -> Iterator[Finding]:
    """What is written the same does the same; where it is not, texts that are hard to split decide."""
    written = [name for name in STEPS if base.steps[name] != student.steps[name]]
    if base.kind != student.kind or base.settings != student.settings:
        written.append("model")
    names = ", ".join(_WORDS.get(name, name) for name in written)
    if not written:
        text = "normaliser, splitting, frame and way back are written alike"
        yield Finding(name="steps", answer="confirmed", text=text)
    elif written == ["decoder"]:
        yield Finding(
            name="steps", answer="contradicted", text=f"another {names}",
            base=_short(base.steps["decoder"]), student=_short(student.steps["decoder"]),
        )  # fmt: skip
    else:
        yield _probed(base, student, names, written[0])


def _probed(base: Vocabulary, student: Vocabulary, names: str, first: str) -> Finding:
    written = [{"model": side.settings, **side.steps}.get(first) for side in (base, student)]
    values = {"base": _short(written[0]), "student": _short(written[1])}
    ours, theirs = _encoded(base), _encoded(student)
    if ours is None or theirs is None:
        cure = "pip install 'hydrometer[surface]' to see whether it does the same"
        if find_spec("tokenizers") is not None:
            cure = "the tokenizers library cannot read one of them, so whether it does the same is not known"
        text = f"written in another way: {names}; {cure}"
        return Finding(name="steps", answer="insufficient", text=text, **values)
    differ = [text for text, a, b in zip(PROBES, ours, theirs, strict=True) if a != b]
    answer: Answer = "contradicted" if differ else "confirmed"
    text = f"written in another way ({names}), and the same on all {len(PROBES)} probe texts"
    if differ:
        text = (
            f"{len(differ)} of {len(PROBES)} probe texts are split in another way ({names}), "
            f"first {quoted(differ[0], 40)}"
        )
    return Finding(name="steps", answer=answer, text=text, **values)


def _encoded(vocabulary: Vocabulary) -> list[list[int]] | None:
    if find_spec("tokenizers") is None:
        return None
    answer = run_child("encode", {"tokenizer": vocabulary.raw.decode("utf-8", errors="replace"), "texts": PROBES})
    return answer.get("ids")


def _rules(base: Vocabulary, student: Vocabulary) -> Iterator[Finding]:
    same = base.settings == student.settings
    text = f"split by the rule {student.kind}" + ("" if same else f", the base by {base.kind}")
    yield Finding(
        name="steps", answer="confirmed" if same else "contradicted", text=text, base=base.kind, student=student.kind
    )


def _config(config: Mapping[str, Any]) -> Iterator[Finding]:
    name = config.get("tokenizer_class")
    if name == _WRITTEN_BY_V5:
        text = f"tokenizer_class is {name}, which older loaders and converters do not know: say PreTrainedTokenizerFast"
        yield Finding(name="loader", answer="contradicted", text=text, student=name)
    if config.get("additional_special_tokens") and config.get("extra_special_tokens"):
        text = "additional_special_tokens and extra_special_tokens are both set, and loaders drop the first"
        yield Finding(name="loader", answer="contradicted", text=text)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 200 else text[:197] + "..."
