"""Write the generated parts of the documents: help texts, the table of tasks, the error tree. `--check` only compares.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))
# Help texts wrap at the terminal's width and take its colours; the documents need the same ones everywhere.
os.environ.update({"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "_TYPER_FORCE_DISABLE_TERMINAL": "1"})

from typer.testing import CliRunner  # noqa: E402

from hydrometer import errors  # noqa: E402
from hydrometer.catalog import ENGINES, TASKS, load_task  # noqa: E402
from hydrometer.cli.main import app  # noqa: E402
from hydrometer.detects import load_matrix  # noqa: E402
from hydrometer.report.detects_text import markdown  # noqa: E402
from hydrometer.surface.fixtures import FIXTURES  # noqa: E402
from hydrometer.surface.recipe import KINDS  # noqa: E402
from hydrometer.tasks.suites import SUITES, TYPICAL_TOKENS  # noqa: E402

DOCUMENTS = ("README.md", "docs/cli.md", "docs/tasks.md", "docs/errors.md", "docs/detects.md", "docs/inspect.md")
_PART = re.compile(r"(<!-- generated: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Write or check every document."""
    stale = []
    for name in DOCUMENTS:
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = _PART.sub(lambda m: m[1] + part(m["name"]) + m[3], old)
        if new != old:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    print(f"stale: {', '.join(stale)}: run python tools/make_docs.py" if stale else "documents: up to date")
    return 1 if stale and "--check" in sys.argv else 0


def part(name: str) -> str:
    """Return the text of one generated part."""
    kind, _, argument = name.partition(" ")
    makers: dict[str, Callable[[str], str]] = {
        "help": _help,
        "run": _run,
        "tasks": _tasks,
        "suites": _suites,
        "engines": _engines,
        "errors": _errors,
        "detects": _detects,
        "fixtures": _fixtures,
        "risks": _risks,
    }
    return makers[kind](argument)


def _help(command: str) -> str:
    result = CliRunner().invoke(app, [*command.split(), "--help"], prog_name="hydrometer")
    text = "\n".join(line.rstrip() for line in result.output.strip().splitlines())
    return f"```text\n{text}\n```\n"


def _run(command: str) -> str:
    """A session: the command with its real output."""
    result = CliRunner().invoke(app, command.split(), prog_name="hydrometer")
    text = "\n".join(line.rstrip() for line in result.output.strip().splitlines())
    return f"```text\n$ hydrometer {command}\n{text}\n```\n"


def _tasks(_: str) -> str:
    rows = ["| task | capability | what is asked | chance | " + " | ".join(SUITES) + " |"]
    rows.append("| --- | --- | --- | ---: |" + " ---: |" * len(SUITES))
    for name in TASKS:
        task = load_task(name)
        sizes = " | ".join(str(suite.items.get(name, 0)) for suite in SUITES.values())
        rows.append(f"| `{name}` | {task.capability} | {task.summary} | {task.chance:.0%} | {sizes} |")
    return "\n".join(rows) + "\n"


def _suites(_: str) -> str:
    rows = ["| suite | finds | items | requests to both models | reply tokens, brief | seconds at 50 tokens/s |"]
    rows.append("| --- | --- | ---: | ---: | ---: | ---: |")
    for suite in SUITES.values():
        # A task may hold fewer items than a suite asks for.
        sizes = {
            name: min(n, limit) if (limit := load_task(name).limit) else n for name, n in suite.items.items()
        }
        items = sum(sizes.values())
        tokens = 2 * sum(n * TYPICAL_TOKENS.get(name, 0) for name, n in sizes.items())
        rows.append(
            f"| `{suite.name}` | {suite.summary} | {items:,} | {2 * items:,} | {tokens:,} | {tokens / 50:,.0f} |"
        )
    return "\n".join(rows) + "\n"


def _engines(_: str) -> str:
    rows = ["| engine | what it opens | install |", "| --- | --- | --- |"]
    for name, entry in ENGINES.items():
        install = f"`pip install 'hydrometer[{entry.extra}]'`" if entry.extra else "nothing more"
        rows.append(f"| `{name}` | {entry.summary} | {install} |")
    return "\n".join(rows) + "\n"


def _detects(_: str) -> str:
    return markdown(load_matrix())


def _fixtures(_: str) -> str:
    rows = [f"| {fixture.name} | {fixture.shows} |" for fixture in FIXTURES]
    return "\n".join(["| conversation | with |", "| --- | --- |", *rows]) + "\n"


def _risks(_: str) -> str:
    rows = [f"| {name} | {what} |" for name, what in KINDS.items()]
    return "\n".join(["| risk | what it is |", "| --- | --- |", *rows]) + "\n"


def _errors(_: str) -> str:
    tree = (errors.__doc__ or "").split("\n\n", 1)[1]
    return f"```text\n{tree.strip()}\n```\n"


if __name__ == "__main__":
    sys.exit(main())
