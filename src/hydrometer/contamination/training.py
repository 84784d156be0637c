"""Training data as a stream of texts: JSON lines, Parquet, JSON, folders of them, or a data set on the hub.

Every text of a row is read, whatever its key: chat traces (`messages`, `conversations`), prompt and response, plain
`text` and forms that nobody has thought of yet are then all the same. Rows that hold no text, and lines that are no
JSON, are counted and named instead of skipped in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from hydrometer.checkpoint.ranges import LOST
from hydrometer.contamination.needed import polars
from hydrometer.errors import DataError

SUFFIXES = (".jsonl", ".ndjson", ".parquet", ".json")
"""Forms of training data that are read."""

LONGEST_LINE = 64 * 2**20
"""Bytes of a line; what is longer is no row of training data, and reading it would take the memory."""
LARGEST_JSON = 256 * 2**20
"""Bytes of a `.json` file: it cannot be streamed, so that it must fit into memory as a whole."""

_NO_SET: tuple[type[Exception], ...] = (*LOST, ValueError)
_ROWS = 2_000
_DEEPEST = 12
_HUB_ID = re.compile(r"(?:hf://datasets/)?(?P<id>[\w.-]+/[\w.-]+)")
_MARK = re.compile(r"<\|[\w/ -]{1,40}\|?>|<(?:start|end)_of_turn>|<[|]?turn[|]?>|\[/?INST\]")


@dataclass(frozen=True, slots=True)
class Document:
    """One row of training data: where it stands, and its texts."""

    source: str
    line: int
    texts: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """What was read, filled while it is read.

    Attributes:
        documents: Rows with text.
        bad: Rows that could not be read.
        first_bad: The first of them, with its place and why.
    """

    documents: int = 0
    bad: int = 0
    first_bad: str = ""

    def refuse(self, source: str, line: int, reason: str) -> None:
        """Count a row that could not be read."""
        self.bad += 1
        self.first_bad = self.first_bad or f"{source}, line {line}: {reason}"


def find_files(references: Sequence[str]) -> list[Path]:
    """Return the files behind references: files, folders, ids of data sets on the hub.

    Raises:
        DataError: A reference names nothing, or nothing that can be read.
    """
    found: list[Path] = []
    for reference in references:
        path = Path(reference) if Path(reference).exists() else _of_hub(reference)
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES)
        if not files or files[0].suffix not in SUFFIXES:
            msg = f"{reference}: no training data in it; give files that end in {', '.join(SUFFIXES)}"
            raise DataError(msg)
        found += files
    return found


def read_documents(files: Sequence[Path], tally: Tally) -> Iterator[Document]:
    """Yield the rows of files one by one; at no time more than some thousand of them are in memory.

    Args:
        files: From `find_files`.
        tally: Filled on the way.

    Raises:
        DataError: A file cannot be read at all.
    """
    for path in files:
        rows = {".parquet": _parquet, ".json": _json}.get(path.suffix, _lines)(path, tally)
        for line, row in rows:
            texts = tuple(_texts(row))
            if texts:
                tally.documents += 1
                yield Document(str(path), line, texts)
            else:
                tally.refuse(str(path), line, "holds no text")


def _lines(path: Path, tally: Tally) -> Iterator[tuple[int, Any]]:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                    while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                        pass
                    tally.refuse(str(path), number, f"longer than {LONGEST_LINE // 2**20} MiB")
                    continue
                if not line.strip():
                    continue
                try:
                    yield number, json.loads(line)
                except (ValueError, RecursionError):
                    tally.refuse(str(path), number, "no JSON")
    except OSError as error:
        raise DataError(_unreadable(path, error)) from error


def _json(path: Path, tally: Tally) -> Iterator[tuple[int, Any]]:
    del tally
    try:
        if path.stat().st_size > LARGEST_JSON:
            msg = f"{path}: too large for JSON, which must be read as a whole: give one object per line (.jsonl)"
            raise DataError(msg)
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(_unreadable(path, error)) from error
    # Some sets put their rows under a key such as `data` or `train`.
    if isinstance(data, dict):
        data = next((value for value in data.values() if isinstance(value, list)), data)
    yield from enumerate(data if isinstance(data, list) else [data], start=1)


def _parquet(path: Path, tally: Tally) -> Iterator[tuple[int, Any]]:
    del tally
    pl = polars()
    try:
        scan = pl.scan_parquet(path)
        total = scan.select(pl.len()).collect().item()
        for start in range(0, total, _ROWS):
            yield from enumerate(scan.slice(start, _ROWS).collect().iter_rows(named=True), start=start + 1)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(_unreadable(path, error)) from error


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        # A trace that was rendered with a chat template is its turns.
        yield from (turn for turn in _MARK.split(value) if turn.strip())
    elif depth < _DEEPEST and isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part, depth + 1)


def _of_hub(reference: str) -> Path:
    named = _HUB_ID.fullmatch(reference)
    if not named:
        msg = f"{reference}: no such file or folder, and no id of a data set (OWNER/NAME)"
        raise DataError(msg)
    try:
        return Path(
            snapshot_download(named["id"], repo_type="dataset", allow_patterns=[f"*{suffix}" for suffix in SUFFIXES])
        )
    except _NO_SET as error:
        why = type(error).__name__
        msg = f"{reference}: no such file here, and the hub gives no such data set ({why}): give files of it"
        raise DataError(msg) from error


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path}: cannot be read as training data: {(str(error) or type(error).__name__).splitlines()[0]}"
