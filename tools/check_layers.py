"""Check that imports point one way and that files and functions stay readable. Fails with one line per fault.

The table is the architecture: a module may import from the layers above its own line, and from its own package.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "src" / "hydrometer"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "canon", "letters", "version", "progress"),
    ("items",),
    ("outcomes", "spec", "provenance"),
    ("templates", "graders", "behaviours", "checkpoint", "stats", "sandbox", "shares", "distances"),
    ("style", "surface", "files"),
    ("tasks", "engines"),
    ("result", "detects", "sampling", "catalog", "refs", "store", "logs"),
    ("grading", "plan", "pairing"),
    ("preflight", "verdict", "planning"),
    ("summary", "stopping", "asking", "floor", "facets", "corpus", "crossed", "calibrated", "sampled", "teaching"),
    ("window",),
    ("derived",),
    ("ancestry", "inspection", "inspected"),
    ("run", "comparison", "simulate", "claims", "contamination", "drift"),
    ("report", "frames"),
    ("api", "verify"),
    ("registry",),
    ("cli",),
)
"""Lowest first. A name is a module or a package directly below `hydrometer`."""

LAZY_ROOMS = ("engines", "cli", "catalog", "style")
"""Rooms that may import inside functions: optional packages, and a command line that must start fast."""

MAX_FILE, MAX_BODY = 600, 60
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def main() -> int:
    """Check every file and print the faults."""
    faults = [fault for path in sorted(ROOT.rglob("*.py")) for fault in check_file(path)]
    for fault in faults:
        print(fault)
    print(f"{len(faults)} faults" if faults else "layers and sizes: all well")
    return 1 if faults else 0


def check_file(path: Path) -> list[str]:
    """Return the faults of one file."""
    relative = path.relative_to(ROOT)
    room = relative.parts[0].removesuffix(".py")
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source, str(path))
    faults = []
    if source.count("\n") > MAX_FILE:
        faults.append(f"{relative}: {source.count(chr(10))} lines, at most {MAX_FILE}")
    faults += [f"{relative}:{line}: {text}" for line, text in sizes(tree)]
    if room == "__init__":
        return faults
    if room not in LEVEL:
        return [*faults, f"{relative}: not in the table of layers"]
    inner = {
        id(node) for scope in ast.walk(tree) if isinstance(scope, ast.FunctionDef) for node in ast.walk(scope)
    }
    for node in ast.walk(tree):
        for target in imported(node):
            if target not in LEVEL:
                faults.append(f"{relative}:{node.lineno}: imports {target!r}, which is not in the table")  # type: ignore[attr-defined]
            elif target != room and LEVEL[target] > LEVEL[room]:
                faults.append(f"{relative}:{node.lineno}: {room!r} imports upwards from {target!r}")  # type: ignore[attr-defined]
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) in inner and room not in LAZY_ROOMS:
            faults.append(f"{relative}:{node.lineno}: import inside a function")
    return faults


def imported(node: ast.AST) -> list[str]:
    """Return the rooms of this package that a node imports."""
    if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hydrometer"):
        parts = node.module.split(".")
        return [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
    if isinstance(node, ast.Import):
        return [a.name.split(".")[1] for a in node.names if a.name.startswith("hydrometer.")]
    return []


def sizes(tree: ast.AST) -> list[tuple[int, str]]:
    """Return functions whose body without docstring is too long."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length > MAX_BODY:
                found.append((node.lineno, f"{node.name} has {length} lines, at most {MAX_BODY}"))
    return found


if __name__ == "__main__":
    sys.exit(main())
