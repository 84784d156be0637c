"""Plain tables: CSV, or JSONL with one flat object per line. The item column is the identity of an item."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydrometer.logs.base import UNNAMED, Columns, LogError, Scored, Source, number, place
from hydrometer.logs.lines import json_lines

TASK_COLUMNS = ("capability", "task")
"""Columns that name the task where none was chosen, the first one that is there."""

_LONGEST = 1 << 20
_MOST_SHOWN = 12
_TRUTH = {"true": 1.0, "false": 0.0}
_EMPTY = ("", "null", "none")


def open_csv(path: Path, columns: Columns) -> Source:
    """Open a table of comma-, semicolon- or tab-separated values with a line of headings."""
    return _source(path, _csv_rows(path, columns), columns)


def open_jsonl(path: Path, columns: Columns) -> Source:
    """Open a table of one JSON object per line."""
    return _source(path, json_lines(path), columns)


def headings(path: Path, text: str) -> tuple[list[str], str]:
    """Return the headings of a CSV table and what separates them.

    Raises:
        LogError: A heading stands there twice.
    """
    separator = max(",;\t", key=text.count)
    names = [name.strip() for name in next(csv.reader([text], delimiter=separator), [])]
    if len(set(names)) < len(names):
        msg = f"{place(path, 1)}: a heading stands there twice: {_shown(names)}"
        raise LogError(msg)
    return names, separator


def _source(path: Path, rows: Iterable[tuple[int, Mapping[str, Any]]], columns: Columns) -> Source:
    return Source(
        path=path,
        kind="table",
        model=path.stem,
        task=UNNAMED,
        setup={},
        records=_records(path, rows, columns),
        distinct=True,
    )


def _csv_rows(path: Path, columns: Columns) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names, separator = headings(path, file.readline(_LONGEST))
            _require(path, names, columns)
            reader = csv.reader(file, delimiter=separator, strict=True)
            for row in reader:
                if not row:
                    continue
                if len(row) != len(names):
                    msg = (
                        f"{place(path, reader.line_num + 1)}: {len(row)} cells, the headings are {len(names)}"
                    )
                    raise LogError(msg)
                yield reader.line_num + 1, dict(zip(names, row, strict=True))
    except UnicodeDecodeError:
        msg = f"{path}: not UTF-8 text: neither a log nor a table"
        raise LogError(msg) from None
    except csv.Error as error:
        msg = f"{path}: not a readable CSV table: {error}"
        raise LogError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise LogError(msg) from None


def _require(path: Path, names: Sequence[str], columns: Columns) -> None:
    for option, name in (("item", columns.item), ("score", columns.score), ("task", columns.task)):
        if name and name not in names:
            msg = f"{path}: no {option} column {name!r}: the columns are {_shown(names)}"
            raise LogError(msg)


def _shown(names: Sequence[str]) -> str:
    # A file that is no table at all may have a first line of any length.
    more = ", ..." if len(names) > _MOST_SHOWN else ""
    return ", ".join(repr(name[:40]) for name in names[:_MOST_SHOWN]) + more


def _records(path: Path, rows: Iterable[tuple[int, Mapping[str, Any]]], columns: Columns) -> Iterator[Scored]:
    for line, row in rows:
        if columns.score not in row or columns.item not in row:
            _require(path, list(row), columns)
        key = row[columns.item]
        if not isinstance(key, str | int) or isinstance(key, bool) or not str(key).strip():
            msg = f"{place(path, line)}: {columns.item} {key!r} names no item: it must be a text or a whole number"
            raise LogError(msg)
        value = _value(row[columns.score], path, line)
        yield Scored(_task(row, columns, path, line), str(key), value, measure="score", where=line)


def _task(row: Mapping[str, Any], columns: Columns, path: Path, line: int) -> str:
    if columns.task:
        if columns.task not in row:
            _require(path, list(row), columns)
        names: tuple[str, ...] = (columns.task,)
    else:
        names = TASK_COLUMNS
    for name in names:
        if name in row:
            task = row[name]
            if not isinstance(task, str) or not task.strip():
                msg = f"{place(path, line)}: {name} {task!r} names no {name}"
                raise LogError(msg)
            return task.strip()
    return UNNAMED


def _value(cell: object, path: Path, line: int) -> float | None:
    if cell is None:
        return None
    if not isinstance(cell, str):
        return number(cell, path, line)
    text = cell.strip().lower()
    if text in _EMPTY:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    try:
        return float(text)
    except ValueError:
        return number(cell, path, line)
