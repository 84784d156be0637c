"""Find the Python function in a reply, and judge what it returned; running it is the sandbox's business."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

from hydrometer.outcomes import Grade
from hydrometer.sandbox import End, Ran

VERSION = 1

_FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_CODE_LINE = re.compile(
    r"(?:def |async def |class |import |from \w+ import |@|#|[A-Za-z_]\w*(?::[^=\n]+)? ?=(?!=))"
)
_PYTHON = ("", "python", "py", "python3")

RUNNER = r"""
import json, os, sys
job = json.loads(sys.stdin.read())
out = os.dup(1)
null = os.open("/dev/null", os.O_WRONLY)
os.dup2(null, 1)
space = {"__name__": "reply"}
try:
    exec(compile(job["code"], "<reply>", "exec"), space)
except BaseException:
    # The function counts, not what a reply tries out below it.
    if job["function"] not in space:
        raise
for call in job["calls"]:
    given = json.dumps([space[job["function"]](*json.loads(call))])
    os.write(out, given.encode() + b"\n")
"""
"""Program that calls a reply's function. What it should return stays outside, so nothing in a reply can fake it."""


class FoundCode(NamedTuple):
    """Python in a reply.

    Attributes:
        code: The code, `""` if there is none.
        defines: Whether it defines the function that was asked for.
    """

    code: str
    defines: bool


def find_code(reply: str, function: str) -> FoundCode:
    """Return the code of a reply that defines a function: the last fenced block that does, else bare code.

    Args:
        reply: The reply.
        function: Name of the function.
    """
    definition = re.compile(
        rf"^[ \t]*(?:(?:async )?def {function}\b|{function}\s*(?::[^=\n]+)?=(?!=))", re.MULTILINE
    )
    blocks = [(match[1].lower(), match[2]) for match in _FENCE.finditer(reply)]
    for language, block in reversed(blocks):
        if language in _PYTHON and definition.search(block):
            return FoundCode(textwrap.dedent(block), defines=True)
    if blocks:
        return FoundCode(blocks[-1][1], defines=False)
    bare = _bare(reply)
    return FoundCode(bare, defines=bool(definition.search(bare)))


def write_job(code: str, function: str, calls: Sequence[Sequence[Any]]) -> str:
    """Return the input of `RUNNER`."""
    return json.dumps({"code": code, "function": function, "calls": [json.dumps(call) for call in calls]})


def grade_calls(ran: Ran, function: str, calls: Sequence[Sequence[Any]], results: Sequence[Any]) -> Grade:
    """Grade a function by what it returned: right if every call gave what was expected.

    Args:
        ran: What `RUNNER` did.
        function: Name of the function.
        calls: Arguments of each call.
        results: What each call must return; tuples count as lists, and 2.0 as 2.
    """
    given = _read_lines(ran.stdout)
    good = sum(a == b for a, b in zip(given, results, strict=False))
    share = f"{good} of {len(results)} calls"
    if good == len(results) == len(given) and ran.end is End.DONE:
        return Grade.right(share)
    for call, got, wanted in zip(calls, given, results, strict=False):
        if got != wanted:
            return Grade.wrong(share, f"{_shown(function, call)} gave {_short(got)}, not {_short(wanted)}")
    where = f" in {_shown(function, calls[len(given)])}" if len(given) < len(calls) else ""
    return Grade.wrong(share, f"{_why(ran)}{where}")


def _bare(reply: str) -> str:
    """Code without a fence: from the first line that looks like it to the first that does not."""
    lines = reply.strip().strip("`").splitlines()
    start = next((i for i, line in enumerate(lines) if _CODE_LINE.match(line)), len(lines))
    kept = []
    for line in lines[start:]:
        if line.strip() and not line[0].isspace() and not _CODE_LINE.match(line):
            break
        kept.append(line)
    text = "\n".join(kept)
    return text if re.search(r"^(?:async )?def |lambda\b", text, re.MULTILINE) else ""


def _read_lines(text: str) -> list[Any]:
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line)[0])
        except (ValueError, TypeError, LookupError, RecursionError):
            break
    return found


def _why(ran: Ran) -> str:
    if ran.end is End.FAILED:
        lines = ran.stderr.strip().splitlines()
        return _short(lines[-1]) if lines else "ended early"
    told = {
        End.KILLED: "stopped: too much computing",
        End.TIMEOUT: f"stopped after {ran.seconds:.0f} s",
        End.FLOODED: "stopped: too much output",
    }
    return told.get(ran.end, "ended early")


def _shown(function: str, call: Sequence[Any]) -> str:
    return f"{function}({_short(', '.join(map(repr, call)))})"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
