"""Numbers and names that make no sense are refused in one line, instead of being waited on for ever."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hydrometer.engines.base import EngineSettings
from hydrometer.errors import EvidenceError, UsageError
from hydrometer.report.json_report import write_file
from hydrometer.simulate import World
from hydrometer.spec import AuditSpec, ModelRef

ROOT = Path(__file__).resolve().parent.parent
REF = ModelRef(text="x", engine="fake", target="echo")
HUGE = 10**12


@pytest.mark.parametrize("name", ["threads", "slots", "context", "concurrency", "timeout"])
@pytest.mark.parametrize("value", [-1, HUGE])
def test_settings_of_engines_have_ranges(name: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"--{name} .*must "):
        EngineSettings(**{name: value})


@pytest.mark.parametrize("settings", [{"timeout": math.nan}, {"timeout": 0.0}, {"concurrency": 0}])
def test_settings_that_would_never_answer_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        EngineSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["items", "max_tokens"])
@pytest.mark.parametrize("value", [-1, HUGE])
def test_an_audit_has_no_more_items_than_can_be_made(name: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"{name} == {value}, must lie from 0"):
        AuditSpec(base=REF, student=REF, **{name: value})


@pytest.mark.parametrize("name", ["worlds", "items", "capabilities", "cluster_size", "samples"])
@pytest.mark.parametrize("value", [0, -1, HUGE])
def test_a_simulation_fits_into_memory(name: str, value: int) -> None:
    with pytest.raises(UsageError, match=r"must be 1 or more, at most|together"):
        World(**{name: value})


def test_a_simulation_of_many_large_capabilities_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 20,000,000 together"):
        World(items=100_000, capabilities=1000)


def test_threads_below_nothing_end_a_command_at_once() -> None:
    from hydrometer.cli import main

    for words in (["drift", "bundled:base", "bundled:student"], ["audit", "bundled:base", "bundled:student"]):
        done = CliRunner().invoke(main.app, [*words, "--threads", "-1"])
        assert isinstance(done.exception, UsageError), done.output
        assert "--threads -1: must lie from 0 to 4,096, 0 for the default" in str(done.exception)


def test_training_data_without_a_name_is_not_the_current_folder(tmp_path: Path) -> None:
    from hydrometer.cli import main

    done = CliRunner().invoke(main.app, ["contamination", str(tmp_path), "--data", ""])
    assert "--data is empty" in str(done.exception)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EvidenceError, match=r"cannot write .*file/claims\.json: .*; choose another place"):
        write_file(tmp_path / "file" / "claims.json", "{}")


def test_the_tool_of_pictures_says_what_it_takes() -> None:
    pytest.importorskip("playwright")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "screenshots.py")], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (2, "python tools/screenshots.py AUDIT [--no-live]\n")
