"""The action for continuous integration runs an audit as a gate: its own script, run by a shell as a runner does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from commands import ENTRY, SOURCE, environment

ACTION = yaml.safe_load((SOURCE.parent / "action.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("gate", "status"), [("worse", 0), ("not-enough", 11)])
def test_the_script_audits_and_keeps_the_status_of_the_gate(tmp_path: Path, gate: str, status: int) -> None:
    command = tmp_path / "bin" / "hydrometer"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\nexec {ENTRY[0]} -c '{ENTRY[2]}' \"$@\"\n")
    command.chmod(0o755)
    inputs = {
        "base": "fake:echo", "student": "fake:echo?seed=1", "suite": "quick", "fail-on": gate, "out": "o",
        "options": "--task copying --items 6", "extras": "llamacpp", "version": "",
    }  # fmt: skip
    assert set(inputs) == set(ACTION["inputs"])
    step = ACTION["runs"]["steps"][-1]
    given = {name: inputs[value.split("inputs.")[1].split(" ")[0]] for name, value in step["env"].items()}
    summary = tmp_path / "summary.md"
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=tmp_path,
        env={
            **environment(), **given,
            "PATH": f"{command.parent}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(summary),
        },
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert "## Compared with its base" in summary.read_text(encoding="utf-8")
    assert list(tmp_path.glob("o/*/junit.xml"))


def test_no_input_is_pasted_into_a_script() -> None:
    assert all("${{" not in step["run"] for step in ACTION["runs"]["steps"])
