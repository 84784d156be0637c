"""Runs the command line in a process of its own, as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ENTRY = [sys.executable, "-c", "from hydrometer.cli.main import main; main()"]
SOURCE = Path(__file__).resolve().parent.parent / "src"


def environment() -> dict[str, str]:
    """The environment of a user without colours, with this source tree on the path."""
    return {**os.environ, "PYTHONPATH": str(SOURCE), "NO_COLOR": "1", "COLUMNS": "120", "HF_HUB_OFFLINE": "1"}


def hydrometer(*words: str, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the command line and wait."""
    return subprocess.run(
        [*ENTRY, *words],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def start(*words: str, cwd: Path) -> subprocess.Popen[bytes]:
    """Start the command line and return at once."""
    return subprocess.Popen(
        [*ENTRY, *words], cwd=cwd, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
