"""What a model is called in a sentence: its name without the folder, file ending, adapter mark and quantisation."""

from __future__ import annotations

import re

from hydrometer.report import words

# A quantisation as file names end with it: Q4_K_M, IQ2_XXS, UD-Q4_K_XL, Q4-1, BF16, FP8, AWQ, ...
_QUANTISATION = re.compile(
    r"[-._ ](?:ud[-_])?(?:i?q[1-8](?:[-_](?:[0-9]|k|s|m|l|xs|xxs|xl|nl))*|tq[12]_0|b?f16|f32|fp(?:16|8|4)|bf16|mxfp4"
    r"|nvfp4|int[48]|[48]bit|gptq|awq|exl[23])$",
    re.IGNORECASE,
)
_LONGEST = 40
"""A longer name buries the number of its sentence."""


def model_name(label: str) -> str:
    """Return what a model is called without adapter and quantisation, so that its files are found together.

    A name is all that this is: which file it was stands beside it, as a digest.
    """
    name = words.line(label, 80).removesuffix(".gguf")
    shorter = _QUANTISATION.sub("", name)
    return shorter or name


def plain(label: str) -> str:
    """Return what a sentence calls a base: `plain SmolLM2-135M-Instruct`, or `the base` where that says less.

    Args:
        label: Name of the model, as the engine that opened it says.
    """
    name = model_name(label).rsplit("/", 1)[-1]
    if not name or name.lower() == "base" or len(name) > _LONGEST:
        return "the base"
    return f"plain {name}"
