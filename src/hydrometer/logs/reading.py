"""Finds out what a path holds and reads it. The content decides the form, not the name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from hydrometer.errors import UnknownNameError
from hydrometer.logs.base import Choice, Columns, Log, LogError, Scale, Source, gather
from hydrometer.logs.inspect_log import is_inspect_json, is_inspect_zip, open_inspect
from hydrometer.logs.lines import first_line
from hydrometer.logs.lm_eval import is_results, is_samples, open_samples
from hydrometer.logs.tables import open_csv, open_jsonl

_HEAD = 1 << 16


def read_log(
    where: str | Path,
    *,
    choice: Choice | None = None,
    columns: Columns | None = None,
    scale: Scale | None = None,
) -> Log:
    """Read the log of one side.

    Args:
        where: A file, a folder with the files of one run, or a pattern such as `run/samples_*.jsonl`.
        choice: What is compared where the log offers several.
        columns: Names of the columns, for tables.
        scale: Range of the scores.

    Raises:
        LogError: It cannot be read, is no known log, or holds nothing.
        UnknownNameError: A task was chosen that is not there.
    """
    picked, named = choice or Choice(), columns or Columns()
    # One by one: an open archive holds a file handle, and a folder may hold hundreds.
    opened: list[Source] = []

    def sources() -> Iterator[Source]:
        for path in find_files(where):
            source = open_log(path, picked, named, scale or Scale())
            if source.task and picked.tasks and source.task not in picked.tasks:
                skipped.add(source.task)
                continue
            opened.append(source)
            yield source

    skipped: set[str] = set()
    tasks = gather(sources(), scale or Scale())
    known = set(tasks) | skipped
    for name in picked.tasks:
        if name not in known:
            raise UnknownNameError.among("task", name, known or {"none"})
    tasks = {name: task for name, task in tasks.items() if not picked.tasks or name in picked.tasks}
    if not tasks:
        msg = f"{where}: holds no scored item"
        raise LogError(msg)
    if not any(tally.scored for task in tasks.values() for tally in task.items.values()):
        msg = f"{where}: holds items, but not one score"
        raise LogError(msg)
    kinds = sorted({source.kind for source in opened})
    if len(kinds) > 1:
        msg = f"{where}: holds logs of {' and '.join(kinds)}: name the files of one"
        raise LogError(msg)
    models = sorted({source.model for source in opened if source.model})
    if len(models) > 1:
        msg = f"{where}: holds logs of several models ({', '.join(models)}): name the files of one"
        raise LogError(msg)
    return Log(source=str(where), kind=kinds[0], model=models[0] if models else "", tasks=tasks)


def find_files(where: str | Path) -> list[Path]:
    """Return the log files that a path or pattern means, sorted.

    Raises:
        LogError: There is none.
    """
    path = Path(where)
    if path.is_dir():
        # Names only narrow a folder down; other files lie beside logs in every run.
        found = [*path.rglob("samples_*.jsonl"), *path.rglob("*.eval")]
        found += [file for file in path.rglob("*.json") if is_inspect_json(_head(file))]
        if not found:
            msg = f"{path}: no samples_*.jsonl (lm-eval with --log_samples) and no .eval or .json log of Inspect in it"
            raise LogError(msg)
        return sorted(found)
    if path.is_file():
        return [path]
    matches = _matches(path)
    if not matches:
        msg = f"{where}: no such file or folder"
        raise LogError(msg)
    return [match for match in matches if match.is_file()]


def _matches(pattern: Path) -> list[Path]:
    root = Path(pattern.anchor)
    try:
        return sorted(root.glob(str(pattern.relative_to(root))))
    except (ValueError, IndexError, NotImplementedError):
        return []


def open_log(path: Path, choice: Choice, columns: Columns, scale: Scale) -> Source:
    """Open one file in the form its content has.

    Raises:
        LogError: It is no known log.
    """
    form = _form(path)
    if form is open_inspect:
        return open_inspect(path, choice)
    if form is open_samples:
        return open_samples(path, choice, scale)
    return open_jsonl(path, columns) if form is open_jsonl else open_csv(path, columns)


def _form(path: Path) -> Callable[..., Source]:
    head = _head(path)
    if not head.strip():
        msg = f"{path}: is empty"
        raise LogError(msg)
    if head.startswith(b"PK") or path.suffix == ".eval":
        is_inspect_zip(path)
        return open_inspect
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"[":
        msg = f"{path}: is one JSON list: write one object per line (JSONL), or a CSV table"
        raise LogError(msg)
    if start != b"{":
        return open_csv
    return _json_form(path, head)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise LogError(msg) from None


def _json_form(path: Path, head: bytes) -> Callable[..., Source]:
    if is_inspect_json(head):
        return open_inspect
    if is_results(head):
        msg = f"{path}: holds averages only: give the samples_*.jsonl beside it (lm-eval with --log_samples)"
        raise LogError(msg)
    line = first_line(path)
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        msg = f"{path}, line 1: not a complete JSON object: no known log, or cut off there"
        raise LogError(msg) from None
    return open_samples if isinstance(record, dict) and is_samples(record) else open_jsonl
