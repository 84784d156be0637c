"""A stranger's chat template rendered on every fixture, in a process of its own with little time and memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydrometer.checkpoint.header import show
from hydrometer.errors import EngineError, ModelError

LARGEST = 512_000
"""Characters of a chat template; published ones have up to 30,000."""

WALL = 600.0
"""Seconds on the clock after which the machine is to blame: the child's own limit, which counts computing time, ends
what is without end long before."""
_MOST_ANSWER = 40_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What one template makes of the fixtures.

    Attributes:
        texts: Name of a fixture -> the rendered text.
        errors: Name of a fixture -> why the template refuses it.
        lint: What c4nary says about the template, empty if it is not installed or finds nothing.
    """

    texts: Mapping[str, str]
    errors: Mapping[str, str]
    lint: tuple[str, ...] = ()

    def text(self, name: str) -> str | None:
        """Return a rendered fixture, None if the template refuses it."""
        return self.texts.get(name)


def render_fixtures(source: str, special: Mapping[str, str], label: str) -> Rendered:
    """Render every fixture with one template.

    Args:
        source: The Jinja source.
        special: Values of names such as `bos_token`.
        label: How messages name the template.

    Raises:
        ModelError: The template is unsafe: without end, of a size that no template has, or out of the sandbox.
    """
    if len(source) > LARGEST:
        msg = f"{label} has {len(source):,} characters: do not use this model"
        raise ModelError(msg)
    answer = run_child("render", {"source": source, "special": dict(special), "lint": True})
    if "unsafe" in answer:
        why = show(str(answer["unsafe"]))[1:-1]
        msg = f"{label} {why}: do not use this model"
        raise ModelError(msg)
    rows = answer["rows"]
    return Rendered(
        texts={name: row["text"] for name, row in rows.items() if "text" in row},
        errors={name: row["error"] for name, row in rows.items() if "error" in row},
        lint=tuple(answer["lint"]),
    )


def run_child(kind: str, work: Mapping[str, Any]) -> dict[str, Any]:
    """Do one piece of work in a limited process of its own; see `surface.child`.

    Returns:
        Its answer; `unsafe` alone, with the reason, where it had to be ended.

    Raises:
        EngineError: The machine is so busy that its computing time was not used up on the clock.
    """
    # Nothing of the environment but where modules are: no tokens, no proxies.
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "hydrometer.surface.child", kind]
    try:
        done = subprocess.run(  # noqa: S603 - this package's own module
            command, input=json.dumps(work).encode(), capture_output=True, timeout=WALL, env=environment,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        msg = f"the files of a model could not be tried out within {WALL:.0f} seconds: this machine is too busy"
        raise EngineError(msg) from error
    if done.returncode == -signal.SIGPROF:
        return {"unsafe": "takes too much computing time"}
    if done.returncode or len(done.stdout) > _MOST_ANSWER:
        # Out of memory ends inside the allocator of a library now and then, without an exception.
        return {"unsafe": f"ends the process that reads it (status {done.returncode})"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
