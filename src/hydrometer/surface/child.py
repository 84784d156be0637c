"""The limited process in which a stranger's chat template is rendered, and a stranger's tokenizer tried.

Started by `surface.rendering` as `python -m hydrometer.surface.child KIND`: it takes its work from standard input as
JSON and answers on standard output as JSON. What runs too long is ended by the system, not by a
handler that the code inside could outlast.
"""

from __future__ import annotations

import importlib
import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError

from hydrometer.surface.fixtures import FIXTURES, Fixture
from hydrometer.templates.sandboxed import TooLongError, limit_process, render_chat

SECONDS = {"render": 0.4, "encode": 20.0}
"""Computing time by kind of work, from when the interpreter is up. A published template takes a few hundredths."""
STARTS = 3.0
"""The same in times of what starting took, whichever is more: a machine that starts slowly computes slowly."""
MEMORY = {"render": 160 << 20, "encode": 2 << 30}
MOST = 1_000_000
"""Characters that one template may render in all."""

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""Both templates see the same clock."""
_BROKEN = (jinja2.TemplateError, TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError)


def main(kind: str) -> None:
    """Do one piece of work under limits."""
    work = json.load(sys.stdin)
    limit_process(MEMORY[kind])
    signal.setitimer(signal.ITIMER_PROF, max(SECONDS[kind], STARTS * time.process_time()))
    doers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"render": render, "encode": encode}
    try:
        answer = doers[kind](work)
    except MemoryError:
        answer = {"unsafe": "needs too much memory"}
    sys.stdout.write(json.dumps(answer))


def render(work: dict[str, Any]) -> dict[str, Any]:
    """Render every conversation with one template.

    Args:
        work: `source`, `special` (values of names such as `bos_token`), and `lint`.
    """
    left = MOST
    rows: dict[str, dict[str, str]] = {}
    for fixture in FIXTURES:
        try:
            text = _render(work["source"], work["special"], fixture, left)
            rows[fixture.name] = {"text": text}
            left -= len(text)
        except SecurityError as error:
            return {"unsafe": f"reaches for what the sandbox forbids ({error})"}
        except (TooLongError, MemoryError):
            return {"unsafe": f"renders more than {MOST:,} characters or needs too much memory"}
        except RecursionError:
            return {"unsafe": "calls itself without end"}
        except OverflowError as error:
            return {"unsafe": f"counts too far ({error})"}
        except _BROKEN as error:
            rows[fixture.name] = {"error": f"{type(error).__name__}: {error}"[:300]}
    return {"rows": rows, "lint": _lint(work["source"]) if work.get("lint") else []}


def encode(work: dict[str, Any]) -> dict[str, Any]:
    """Encode texts with one tokenizer, by the `tokenizers` package."""
    tokenizers = importlib.import_module("tokenizers")
    try:
        tokenizer = tokenizers.Tokenizer.from_str(work["tokenizer"])
    except Exception as error:  # noqa: BLE001 - the package raises Exception itself
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    return {"ids": [tokenizer.encode(text).ids for text in work["texts"]]}


def _render(source: str, special: dict[str, str], fixture: Fixture, most: int) -> str:
    names = {**special, **fixture.names, "strftime_now": _NOON.strftime}
    return render_chat(
        source, fixture.messages, tools=fixture.tools, names=names, prompt=fixture.prompt, most=most
    )


def _lint(source: str) -> list[str]:
    """What c4nary says about a template, if it is installed: its structure alone, without rendering it."""
    try:
        rules = importlib.import_module("c4nary.rules.template")
    except ImportError:
        return []
    found = rules.analyze_template(source)
    return [f"{f.title} ({f.rule_id}): {f.detail}"[:300] for f in found if f.severity == "FAIL"]


if __name__ == "__main__":
    main(sys.argv[1])
