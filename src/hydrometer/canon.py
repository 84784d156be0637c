"""Canonical JSON and tagged digests: the identity of everything that is stored.

The canonical form (sorted keys, no spaces, UTF-8, no NaN) is part of the evidence format: changing it
changes every digest, so it may only change together with the tag.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

TAG = "s2:"
"""Prefix of every digest: SHA-256 over canonical JSON, first 32 hexadecimal digits (128 bits)."""

FILE_TAG = "sha256:"
_CHUNK = 1 << 22
_PLAIN = frozenset({str, int, float, bool, type(None)})
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def to_plain(value: Any) -> Any:
    """Turn dataclasses, enums and tuples into plain JSON values, dropping nothing."""
    # Most of what is stored is plain already: a call for each such value would be half of the time of a digest.
    if type(value) in _PLAIN:
        return value
    kind: Any = type(value)
    if (names := _field_names(kind)) is not None:
        fields = [(name, getattr(value, name)) for name in names]
        return {name: v if type(v) in _PLAIN else to_plain(v) for name, v in fields}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(k): v if type(v) in _PLAIN else to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [v if type(v) in _PLAIN else to_plain(v) for v in value]
    return value


@cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    """Return the fields of a dataclass, None for another type; asked for every value that is stored."""
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value.

    Raises:
        ValueError: The value holds NaN or an infinity, which have no JSON form.
    """
    return _ENCODER.encode(to_plain(value))


def digest(value: Any) -> str:
    """Return the tagged digest of a value's canonical JSON."""
    return digest_text(canonical_json(value))


def digest_pair(one: str, other: str) -> str:
    """Return the digest of a list of two digests, which need no escaping in JSON: `digest([one, other])`, sooner."""
    return digest_text(f'["{one}","{other}"]')


def digest_text(text: str) -> str:
    """Return the tagged digest of a text as it stands."""
    return TAG + hashlib.sha256(text.encode()).hexdigest()[:32]


def digest_file(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """Return the SHA-256 of a file, read in 4 MiB pieces.

    Args:
        path: The file.
        advance: Called with the number of bytes after each piece, for a progress bar.
    """
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
            if advance is not None:
                advance(len(chunk))
    return FILE_TAG + sha.hexdigest()
