"""Claims in `.eval_results/*.yaml`: the scores that a repository carries beside its card, as the hub reads them.

Format: https://huggingface.co/docs/hub/eval-results, a list of entries with a dataset, a task in it and a value. What
`hydrometer report --format eval-results` writes is read back with the base's score and the number of pairs.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from hydrometer.claims.benchmarks import find_mentions
from hydrometer.claims.model import BASE, Claim, ClaimKind, Unread
from hydrometer.claims.settings import find_settings

FOLDER = ".eval_results"
"""Name of the folder beside a card."""

LONGEST, MOST = 200_000, 100
"""Characters of a file and files of a folder that are read."""
_OWN = re.compile(r"accuracy in %, (?P<pairs>\d+) pairs; against its base .* at (?P<base>[\d.]+) %")
"""The notes that this package writes."""


def read_folder(folder: Path) -> tuple[tuple[Claim, ...], tuple[Unread, ...]]:
    """Return the claims of the scores in a model's folder, and what could not be read of them.

    Args:
        folder: The model's folder, which need not have any.
    """
    claims: list[Claim] = []
    unread: list[Unread] = []
    paths = sorted(path for path in (folder / FOLDER).glob("*") if path.suffix in {".yaml", ".yml"})
    for path in paths[:MOST]:
        found = read_file(path)
        claims += found[0]
        unread += found[1]
    if len(paths) > MOST:
        unread.append(Unread(line=0, quote=FOLDER, reason=f"{len(paths):,} files, of which {MOST} are read"))
    return tuple(claims), tuple(unread)


def read_file(path: Path) -> tuple[list[Claim], list[Unread]]:
    """Return the claims of one file; a file that cannot be read is something unread, for the card can still be."""
    name = f"{FOLDER}/{path.name}"
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(LONGEST + 1)
    except OSError as error:
        return [], [Unread(line=0, quote=name, reason=f"no list of scores: {error.strerror or error}")]
    return read_entries(text, name)


def read_entries(text: str, name: str) -> tuple[list[Claim], list[Unread]]:
    """Return the claims of a file's text.

    Args:
        text: The text.
        name: Its name, for quotes.
    """
    try:
        nodes, rows = _rows(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        return [], [Unread(line=0, quote=name, reason=f"no list of scores: {str(error).splitlines()[0][:120]}")]
    claims: list[Claim] = []
    unread: list[Unread] = []
    for node, row in zip(nodes, rows, strict=True):
        line = node.start_mark.line + 1
        found = _entry(row, line, name)
        if isinstance(found, str):
            unread.append(Unread(line=line, quote=f"{name}: {str(row)[:200]}", reason=found))
        else:
            claims += found
    return claims, unread


def _rows(text: str) -> tuple[list[yaml.Node], list[Any]]:
    """Entries with their places. Aliases are refused: a few lines of them stand for billions of values."""
    if len(text) > LONGEST:
        msg = f"more than {LONGEST:,} characters"
        raise ValueError(msg)
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        msg = "YAML aliases, which no list of scores needs"
        raise ValueError(msg)
    loader = yaml.SafeLoader(text)
    node = loader.get_single_node()
    if not isinstance(node, yaml.SequenceNode):
        msg = "expected entries that begin with `- dataset:`"
        raise yaml.YAMLError(msg)
    return list(node.value), list(loader.construct_document(node))


def _entry(row: Any, line: int, name: str) -> list[Claim] | str:
    """The claims of one entry, or why there is none."""
    dataset = row.get("dataset") if isinstance(row, dict) else None
    if not isinstance(dataset, dict):
        return "no `dataset:` with an id and a task"
    where, task = (str(dataset.get(key) or "")[:200] for key in ("id", "task_id"))
    value, notes = row.get("value"), str(row.get("notes") or "")[:1000]
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and 0 <= value <= 100):
        return "its value is no percentage"
    own = _OWN.search(notes) if where.startswith("hydrometer/") else None
    subject = task.replace("_", " ") if own else _benchmark(f"{task} {where}")
    if not subject:
        return "no known benchmark"
    quote = f"{name}: {where} {task} {value}"[:300]
    # Entries hold percentages or shares, and nothing tells them apart but the value.
    share = not own and isinstance(value, float) and 0 < value <= 1
    digits = min(12, max(0, len(str(value).partition(".")[2]) - 2 * share))
    claim = Claim(
        kind=ClaimKind.SCORE, subject=subject, value=value if share else value / 100, digits=digits,
        settings={"items": own["pairs"]} if own else find_settings(notes), line=line, quote=quote,
    )  # fmt: skip
    if not own:
        return [claim]
    base = Claim(
        kind=ClaimKind.SCORE, subject=subject, value=float(own["base"]) / 100, digits=2, of=BASE,
        settings=claim.settings, line=line, quote=f"{name}: {notes}"[:300],
    )  # fmt: skip
    return [claim, base]


def _benchmark(text: str) -> str:
    return next((mention.subject for mention in find_mentions(text) if mention.benchmark), "")
