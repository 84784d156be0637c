"""The table of public statistics names exactly what the modules hold, and importing it loads numpy and scipy only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hydrometer.stats
from hydrometer.stats import _ROOMS

ROOM = Path(hydrometer.stats.__file__).parent


@pytest.mark.parametrize("room", sorted(_ROOMS))
def test_every_public_name_is_listed(room: str) -> None:
    tree = ast.parse((ROOM / f"{room}.py").read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    public = {node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")}
    if room == "paired":
        public -= {"estimate", "flips"}  # the first is a module's name, the second an internal count
    assert set(_ROOMS[room]) == public
    for name in public:
        assert getattr(hydrometer.stats, name).__module__ == f"hydrometer.stats.{room}"


def test_no_room_is_forgotten() -> None:
    assert {path.stem for path in ROOM.glob("*.py")} == {*_ROOMS, "__init__", "estimate"}


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'anova'"):
        _ = hydrometer.stats.anova


def test_needs_numpy_and_scipy_alone() -> None:
    script = (
        "import sys, numpy, scipy.special; before = set(sys.modules); import hydrometer.stats as s; "
        "[getattr(s, n) for n in s.__all__]; "
        "print(sorted({m.partition('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {m for m in ast.literal_eval(done.stdout) if not m.startswith("_")} <= {"numpy", "scipy", "hydrometer"}
