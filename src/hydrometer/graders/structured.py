"""Read a JSON reply as strictly as the prompt asked for it, and compare it with what was wanted."""

from __future__ import annotations

import json
import re
from importlib import import_module
from typing import Any

from hydrometer.outcomes import Grade

VERSION = 1

# A lone fence at either end still counts as a fence: the text between is what a reader would copy.
_FENCED = re.compile(r"\A(?:```[a-zA-Z]*)?\s*(?P<body>[\[{].*[\]}])\s*(?:```)?\Z", re.DOTALL)


def read_json(reply: str, *, fences: bool) -> tuple[Any, str]:
    """Return the JSON value of a reply and `""`, or None and what is wrong.

    Args:
        reply: The reply; prose before or behind the value is an error, blanks are not.
        fences: Whether a code fence around the value is allowed.
    """
    body = reply.strip()
    if fences and (match := _FENCED.match(body)):
        body = match["body"]
    try:
        return json.loads(body, object_pairs_hook=_unique), ""
    except (ValueError, RecursionError) as error:
        return None, f"not JSON alone: {error}"


def same_json(found: Any, wanted: Any) -> bool:
    """Whether two JSON values are equal; strings without regard to case and outer blanks, `true` is not 1."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return found.keys() == wanted.keys() and all(same_json(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(same_json, found, wanted))
    if isinstance(wanted, str) and isinstance(found, str):
        return found.strip().casefold() == wanted.strip().casefold()
    if isinstance(wanted, bool) or isinstance(found, bool):
        return found is wanted
    return bool(found == wanted)


def grade_json(reply: str, wanted: Any, *, fences: bool, schema: Any = None) -> Grade:
    """Grade a reply: right if it is the wanted JSON value and nothing else, unparsed only if it is empty.

    Args:
        reply: The reply.
        wanted: The value.
        fences: Whether a code fence around the value is allowed.
        schema: JSON schema (draft 2020-12) that decides first; the reason says which of the two was missed. Needs the
            jsonschema package.
    """
    if not reply.strip():
        return Grade.unparsed("empty reply")
    found, fault = read_json(reply, fences=fences)
    if fault:
        return Grade.wrong(reason=fault)
    shown = json.dumps(found, ensure_ascii=False)
    if schema is not None and (fault := _not_valid(found, schema)):
        return Grade.wrong(shown, fault)
    other = "other keys or values" if schema is None else "valid, with other facts"
    return Grade.right(shown) if same_json(found, wanted) else Grade.wrong(shown, other)


def _not_valid(found: Any, schema: Any) -> str:
    # The first fault of a huge reply is enough, and its message would hold the reply once more.
    validator: Any = import_module("jsonschema").Draft202012Validator(schema)
    error = next(validator.iter_errors(found), None)
    return "" if error is None else f"not valid: {error.validator} at {error.json_path[:80]}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Parsers disagree about repeated keys, so a reply with them says nothing definite.
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a key occurs twice"
        raise ValueError(msg)
    return found
