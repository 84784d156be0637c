"""Settings that decide when a model stops, how it is sampled, and how far it can look."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydrometer.surface.answers import Finding, Topic, quoted, topic

_SAMPLING = ("do_sample", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty")
_ROPE = (
    ("rope_theta", "rope base"), ("rope_type", "rope scaling"), ("factor", "rope factor"),
    ("original_max_position_embeddings", "rope's original window"), ("partial_rotary_factor", "rotated share"),
    ("mrope_section", "rope sections"),
)  # fmt: skip
_PLAIN = (
    ("sliding_window", "sliding window"), ("layer_types", "layer types"), ("rms_norm_eps", "norm epsilon"),
    ("num_experts_per_tok", "experts per token"), ("final_logit_softcapping", "softcap of logits"),
)  # fmt: skip
_GGUF = {
    "context": "context_length", "rope base": "rope.freq_base", "rope scaling": "rope.scaling.type",
    "rope factor": "rope.scaling.factor", "rope's original window": "rope.scaling.original_context_length",
    "sliding window": "attention.sliding_window", "norm epsilon": "attention.layer_norm_rms_epsilon",
    "experts per token": "expert_used_count", "softcap of logits": "final_logit_softcapping",
}  # fmt: skip
_GGUF_SAMPLING = {"temp": "temperature", "penalty_repeat": "repetition_penalty"}
_NEEDED = ("rope base", "rope scaling", "softcap of logits")
"""Settings for which a class has a default of its own: a config that leaves them out makes another model."""
_ENDLESS = 1 << 40
"""A window that stands for none."""
KNOWN_ENDS = frozenset(
    ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>", "<turn|>", "<|return|>")
) | {"<|call|>", "</s>", "<eos>", "<EOT>"}
"""Tokens at which llama.cpp stops whatever the file says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsSide:
    """What one side's files say.

    Attributes:
        gguf: Whether that is a GGUF file's metadata.
        config: `config.json`, or the metadata.
        generation: `generation_config.json`, None without one.
        tokenizer_config: `tokenizer_config.json`.
        special: Special tokens by name, as texts.
        ids: Token -> number.
        dtype: Format that holds most of the numbers, such as `BF16`.
        turn_end: What the template puts behind a finished reply.
    """

    gguf: bool
    config: Mapping[str, Any]
    generation: Mapping[str, Any] | None
    tokenizer_config: Mapping[str, Any] = field(default_factory=dict)
    special: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, int] = field(default_factory=dict, repr=False)
    dtype: str = ""
    turn_end: str = ""


def compare_settings(base: SettingsSide, student: SettingsSide) -> Topic:
    """Compare the settings of two models."""
    findings = [
        *_stops(base, student), *_pad(base, student), *_sampling(base, student), *_architecture(base, student),
        *_window(base, student), *_dtype(base, student),
    ]  # fmt: skip
    return topic("settings", findings, "no settings that both have")


def _stops(base: SettingsSide, student: SettingsSide) -> Iterator[Finding]:
    ours, theirs = _ends(base), _ends(student)
    if not ours or not theirs:
        return
    values = {"base": ", ".join(sorted(ours)), "student": ", ".join(sorted(theirs))}
    reached = [any(end in side.turn_end for end in ends) for side, ends in ((base, ours), (student, theirs))]
    lost = sorted(ours - theirs)
    if student.turn_end and reached[0] and not reached[1]:
        text = f"replies end with {quoted(student.turn_end.strip())}, which is no token to stop at: they will not end"
        yield Finding(name="stop tokens", answer="contradicted", text=text, **values)
    elif lost and not (student.gguf and not base.gguf):
        text = f"{', '.join(lost)} {'does' if len(lost) == 1 else 'do'} not end a reply any more"
        yield Finding(name="stop tokens", answer="contradicted", text=text, **values)
    else:
        text = f"replies stop at {values['student']}"
        yield Finding(name="stop tokens", answer="confirmed", text=text, **values)


def _ends(side: SettingsSide) -> set[str]:
    if side.gguf:
        keys = ("eos", "eot", "eom")
        numbers = [side.config.get(f"tokenizer.ggml.{key}_token_id") for key in keys]
        found = {_text(side, number) for number in numbers if isinstance(number, int)}
        return found | (KNOWN_ENDS & side.ids.keys() if found else set())
    given = (side.generation or {}).get("eos_token_id")
    if given is None:
        given = side.config.get("eos_token_id", _inner(side.config).get("eos_token_id"))
    numbers = given if isinstance(given, list) else [given]
    return {_text(side, number) for number in numbers if isinstance(number, int)}


def _text(side: SettingsSide, number: int) -> str:
    return next((token for token, mine in side.ids.items() if mine == number), f"#{number}")


def _pad(base: SettingsSide, student: SettingsSide) -> Iterator[Finding]:
    pads = [_named(side, "pad") for side in (base, student)]
    ends = [_named(side, "eos") for side in (base, student)]
    if pads[1] and pads[1] == ends[1] and pads[0] != ends[0] and pads[0]:
        text = (
            f"the padding token is the end token {pads[1]}, in the base it is {pads[0]}: training that masks padding "
            "never learns to stop"
        )
        yield Finding(name="padding", answer="contradicted", text=text, base=pads[0], student=pads[1])


def _named(side: SettingsSide, name: str) -> str:
    if side.gguf:
        key = {"pad": "padding"}.get(name, name)
        number = side.config.get(f"tokenizer.ggml.{key}_token_id")
        return _text(side, number) if isinstance(number, int) else ""
    return side.special.get(f"{name}_token", "")


def _sampling(base: SettingsSide, student: SettingsSide) -> Iterator[Finding]:
    ours, theirs = _values(base), _values(student)
    if base.gguf != student.gguf and not (ours and theirs):
        return
    if ours and not student.gguf and student.generation is None:
        text = f"there is no generation_config.json: {_shown(ours)} of the base are lost"
        yield Finding(name="sampling", answer="contradicted", text=text, base=_shown(ours), student="none")
        return
    changed = [key for key in ours if not _equal(ours[key], theirs.get(key))]
    if base.gguf != student.gguf:
        changed = [key for key in changed if key in theirs]
    if changed:
        words = ", ".join(f"{key} {_word(ours[key])} -> {_word(theirs.get(key))}" for key in changed)
        yield Finding(
            name="sampling", answer="contradicted", text=f"not the base's: {words}", base=_shown(ours),
            student=_shown(theirs),
        )  # fmt: skip
    elif ours:
        yield Finding(name="sampling", answer="confirmed", text=f"sampled as the base: {_shown(ours)}")


def _values(side: SettingsSide) -> dict[str, Any]:
    if side.gguf:
        start = "general.sampling."
        given = {key.removeprefix(start): value for key, value in side.config.items() if key.startswith(start)}
        return {name: value for key, value in given.items() if (name := _GGUF_SAMPLING.get(key, key)) in _SAMPLING}
    return {key: value for key in _SAMPLING if (value := (side.generation or {}).get(key)) is not None}


def _architecture(base: SettingsSide, student: SettingsSide) -> Iterator[Finding]:
    ours, theirs = _numbers(base), _numbers(student)
    across = base.gguf != student.gguf
    needed = _NEEDED if theirs and not across else ()
    names = [name for name in ours if name != "context" and (name in theirs or name in needed)]
    if across and "llama3" in (ours.get("rope scaling"), theirs.get("rope scaling")):
        # A GGUF file keeps this kind of scaling as a tensor.
        names = [name for name in names if not name.startswith("rope")]
    changed = [name for name in names if not _equal(ours[name], theirs.get(name))]
    for name in changed:
        a, b = _word(ours[name]), _word(theirs.get(name))
        lost = " (left out: the class has a default of its own)" if name not in theirs else ""
        yield Finding(name=name, answer="contradicted", text=f"{name} {a} -> {b}{lost}", base=a, student=b)
    if names and not changed:
        yield Finding(name="architecture", answer="confirmed", text=f"{', '.join(names)} as in the base")


def _numbers(side: SettingsSide) -> dict[str, Any]:
    """Settings by our own names, whichever form they come in."""
    if side.gguf:
        start = side.config.get("general.architecture")
        found = {name: side.config.get(f"{start}.{key}") for name, key in _GGUF.items()}
        return {name: value for name, value in found.items() if value is not None and value != "none"}
    text = _inner(side.config)
    found = {"context": text.get("max_position_embeddings")}
    for start, rope in _ropes(text):
        found |= {f"{start}{name}": rope.get(key) for key, name in _ROPE}
    found |= {name: text.get(key) for key, name in _PLAIN}
    if text.get("use_sliding_window") is False:
        found["sliding window"] = None
    return {name: value for name, value in found.items() if value is not None and value != "default"}


def _ropes(text: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rope settings, in today's place or the older one, for all layers or kind by kind."""
    given = text.get("rope_parameters") or text.get("rope_scaling")
    given = given if isinstance(given, Mapping) else {}
    kinds = {kind: rope for kind, rope in given.items() if isinstance(rope, Mapping)}
    for kind, rope in (kinds or {"": given}).items():
        older = {key: text[key] for key in ("rope_theta", "partial_rotary_factor") if key in text and not kind}
        yield (f"{kind} " if kind else ""), {**older, "rope_type": rope.get("type"), **rope}


def _window(base: SettingsSide, student: SettingsSide) -> Iterator[Finding]:
    a, b = _numbers(base).get("context"), _numbers(student).get("context")
    if isinstance(a, int) and isinstance(b, int):
        scaled = _numbers(base).get("rope factor") != _numbers(student).get("rope factor")
        values = {"base": f"{a:,}", "student": f"{b:,}"}
        if b < a:
            text = f"the window shrank from {a:,} to {b:,} tokens"
            yield Finding(name="context", answer="contradicted", text=text, **values)
        elif b > a and not scaled:
            text = f"the window is said to be {b:,} tokens, the base's is {a:,}, and nothing was scaled"
            yield Finding(name="context", answer="contradicted", text=text, **values)
        else:
            yield Finding(name="context", answer="confirmed", text=f"a window of {b:,} tokens", **values)
    limits = [side.tokenizer_config.get("model_max_length") for side in (base, student)]
    a, b = (int(v) if isinstance(v, int | float) and 0 < v < _ENDLESS else 0 for v in limits)
    if 0 < b < a:
        text = f"the tokenizer cuts texts at {b:,} tokens, the base's at {a:,}"
        yield Finding(name="tokenizer's limit", answer="contradicted", text=text, base=f"{a:,}", student=f"{b:,}")


def _dtype(base: SettingsSide, student: SettingsSide) -> Iterator[Finding]:
    if student.gguf or not student.dtype:
        return
    given = student.config.get("dtype") or student.config.get("torch_dtype") or _inner(student.config).get("dtype")
    words = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
    said = words.get(str(given), "")
    other = f"; the base's are mostly {base.dtype}" if base.dtype and base.dtype != student.dtype else ""
    if said and said != student.dtype:
        text = f"config.json says {said}, most weights are {student.dtype}{other}"
        yield Finding(name="dtype", answer="contradicted", text=text, base=base.dtype, student=student.dtype)
    elif said:
        yield Finding(
            name="dtype", answer="confirmed", text=f"weights are {said}, as config.json says{other}",
            base=base.dtype, student=student.dtype,
        )  # fmt: skip


def _inner(config: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = config.get("text_config")
    return inner if isinstance(inner, Mapping) else config


def _equal(a: Any, b: Any) -> bool:
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (a, b)]
    # Whole numbers in JSON may be larger than any float.
    near = all(numbers) and max(abs(a), abs(b)) < _ENDLESS
    return math.isclose(a, b, rel_tol=1e-4) if near else bool(a == b)


def _shown(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_word(value)}" for key, value in values.items())


def _word(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "nothing"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    text = ", ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return text if text.isprintable() else quoted(text)
