"""Vendor sampling: what each family asks for, and which settings an audit uses.

Sources: the model cards of the families as published in 2026; a card and its `generation_config.json` can
disagree (Qwen3.5 does), and then the card's thinking row is used and the file's values are shown beside it.
"""

from __future__ import annotations

from typing import NamedTuple

from hydrometer.errors import UsageError
from hydrometer.items import Decoding, Thinking
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import SamplingPolicy

GREEDY = Decoding()
_QWEN_OFF = Decoding(temperature=0.7, top_p=0.8, top_k=20, presence_penalty=1.5)
_QWEN_ON = Decoding(temperature=1.0, top_p=0.95, top_k=20)
_GEMMA = Decoding(temperature=1.0, top_p=0.95, top_k=64)

PRESETS: dict[tuple[str, Thinking], Decoding] = {
    ("qwen3.5", Thinking.ON): Decoding(temperature=1.0, top_p=0.95, top_k=20, presence_penalty=1.5),
    ("qwen3.5", Thinking.OFF): _QWEN_OFF,
    ("qwen3.6", Thinking.ON): _QWEN_ON,
    ("qwen3.6", Thinking.OFF): _QWEN_OFF,
    ("qwen3.8", Thinking.ON): _QWEN_ON,
    ("qwen3.8", Thinking.OFF): _QWEN_OFF,
    ("gemma4", Thinking.ON): _GEMMA,
    ("gemma4", Thinking.OFF): _GEMMA,
}
"""Family and thinking mode to the vendor's settings. `Thinking.DEFAULT` is on for all of them above 2B."""


SAMPLED = Decoding(temperature=1.0)
"""What a task that needs several samples draws with in a greedy audit: the model's own distribution, uncut."""


class Sampling(NamedTuple):
    """Decoding settings and where they come from."""

    decoding: Decoding
    source: str


def family_of(architecture: str, template: str, label: str) -> str:
    """Return the key into `PRESETS` that fits a model, `""` if none does.

    Qwen3.5, 3.6 and 3.8 share one architecture; the template tells them apart (3.6 brought `preserve_thinking`,
    3.8 `reasoning_effort`), and the name decides where the template was swapped.
    """
    arch = architecture.lower().replace("_", "").replace(".", "").replace("-", "")
    if arch.startswith("gemma4"):
        return "gemma4"
    if not arch.startswith(("qwen35", "qwen36", "qwen38")):
        return ""
    name = label.lower()
    for version in ("3.8", "3.6", "3.5"):
        if f"qwen{version}" in name or f"qwopus{version}" in name or f"qwen-{version}" in name:
            return f"qwen{version}"
    if "reasoning_effort" in template:
        return "qwen3.8"
    return "qwen3.6" if "preserve_thinking" in template else "qwen3.5"


def choose(
    policy: SamplingPolicy, base: ModelIdentity, student: ModelIdentity, thinking: Thinking
) -> tuple[Sampling, Sampling]:
    """Return the settings of both models.

    `AUTO` takes the vendors' settings as soon as one model has any: greedy decoding of a model that was made for
    sampling loops, and the audit would measure that.

    Raises:
        UsageError: Vendor sampling was asked for and a model has none.
    """
    if policy is SamplingPolicy.GREEDY:
        return Sampling(GREEDY, "greedy, as asked"), Sampling(GREEDY, "greedy, as asked")
    vendor = (_vendor(base, thinking), _vendor(student, thinking))
    if policy is SamplingPolicy.AUTO and vendor == (None, None):
        return Sampling(GREEDY, "greedy: no vendor settings"), Sampling(GREEDY, "greedy: no vendor settings")
    if policy is SamplingPolicy.VENDOR and None in vendor:
        side = base if vendor[0] is None else student
        msg = f"no vendor sampling is known for {side.label!r}: use --sampling greedy"
        raise UsageError(msg)
    first, second = vendor
    fallback = first or second or Sampling(GREEDY, "greedy")
    return first or _borrowed(fallback), second or _borrowed(fallback)


def _borrowed(sampling: Sampling) -> Sampling:
    return Sampling(sampling.decoding, f"{sampling.source}, taken from the other model")


def _vendor(identity: ModelIdentity, thinking: Thinking) -> Sampling | None:
    mode = Thinking.ON if thinking is Thinking.DEFAULT else thinking
    preset = PRESETS.get((identity.family, mode))
    if preset is not None:
        return Sampling(preset, f"vendor preset {identity.family}, thinking {mode.value}")
    own = identity.default_sampling
    if own.get("temperature", 0.0) > 0.0:
        return Sampling(
            Decoding(
                temperature=own["temperature"],
                top_p=own.get("top_p", 1.0),
                top_k=int(own.get("top_k", 0)),
                min_p=own.get("min_p", 0.0),
                repetition_penalty=own.get("repetition_penalty", 1.0),
            ),
            "generation_config of the model",
        )
    return None
