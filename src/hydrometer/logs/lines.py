"""Files of one JSON object per line, read one line at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydrometer.logs.base import LogError, place

LONGEST = 1 << 26
"""Bytes of one line that are still read; a longer one is no log but a file without line ends."""

_BOM = b"\xef\xbb\xbf"


def first_line(path: Path) -> bytes:
    """Return the first line that is not blank, without a byte order mark; `b""` for an empty file."""
    return next((line for _, line in raw_lines(path)), b"")


def raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank with their numbers, from 1.

    Raises:
        LogError: The file cannot be read, or a line is longer than `LONGEST`.
    """
    try:
        with path.open("rb") as file:
            count = 0
            while line := file.readline(LONGEST):
                count += 1
                if len(line) == LONGEST:
                    msg = f"{place(path, count)}: longer than {LONGEST >> 20} MiB: not a log of one record per line"
                    raise LogError(msg)
                line = line.removeprefix(_BOM) if count == 1 else line
                if line.strip():
                    yield count, line
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise LogError(msg) from None


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a file with their line numbers.

    Raises:
        LogError: A line is not a JSON object, as the last one of a log that was cut off.
    """
    for count, line in raw_lines(path):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            msg = f"{place(path, count)}: not a complete JSON object: the log is cut off or damaged there"
            raise LogError(msg) from None
        if not isinstance(value, dict):
            msg = f"{place(path, count)}: {type(value).__name__} where an object was expected"
            raise LogError(msg)
        yield count, value
