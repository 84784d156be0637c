"""Names in a registry: the id of an audit, what a model is called without its quantisation, and names of files."""

from __future__ import annotations

import re

from hydrometer.api import audit_folder
from hydrometer.canon import digest, digest_text
from hydrometer.report import words
from hydrometer.result import AuditResult

ID = re.compile(r"[0-9a-f]{16}")
"""What an id of an audit looks like."""

# A quantisation as file names end with it: Q4_K_M, IQ2_XXS, UD-Q4_K_XL, Q4-1, BF16, FP8, AWQ, ...
_QUANTISATION = re.compile(
    r"[-._ ](?:ud[-_])?(?:i?q[1-8](?:[-_](?:[0-9]|k|s|m|l|xs|xxs|xl|nl))*|tq[12]_0|b?f16|f32|fp(?:16|8|4)|bf16|mxfp4"
    r"|nvfp4|int[48]|[48]bit|gptq|awq|exl[23])$",
    re.IGNORECASE,
)


def audit_id(result: AuditResult) -> str:
    """Return the id of an audit: one per spec and pair of models, whatever came out."""
    return digest([result.spec, result.base.identity.digest, result.student.identity.digest])[3:19]


def audit_name(result: AuditResult) -> str:
    """Return the name of its folder, without a path."""
    return audit_folder("", result).name


def model_name(label: str) -> str:
    """Return what a model is called without adapter and quantisation, so that its files are found together.

    A name is all that this is: which file it was stands beside it, as a digest.
    """
    name = words.line(label, 80).removesuffix(".gguf")
    shorter = _QUANTISATION.sub("", name)
    return shorter or name


def slug(name: str) -> str:
    """Return a name for a file: readable, and told apart by a digest where letters were lost."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.").lower()[:48]
    return f"{plain or 'model'}-{digest_text(name)[3:9]}"
