"""Tables of a result as rows, and as data frames for whoever has pandas or polars."""

from __future__ import annotations

import importlib
from typing import Any

from hydrometer.canon import to_plain
from hydrometer.errors import MissingPackageError, UnknownNameError
from hydrometer.result import AuditResult

TABLES = ("capabilities", "findings", "items", "tasks", "tokens")
"""Names of the tables of a result."""


def rows(result: AuditResult, table: str) -> list[dict[str, Any]]:
    """Return one table as flat rows; nested values get dotted column names, lists stay lists.

    Every row has every column; what is missing (no score, no estimate) is None and never 0.

    Args:
        result: What `audit` returned.
        table: One of `TABLES`.

    Raises:
        UnknownNameError: There is no such table.
    """
    if table not in TABLES:
        raise UnknownNameError.among("table", table, TABLES)
    flat = [_flatten(to_plain(row)) for row in getattr(result, table)]
    if table == "items":
        for row, item in zip(flat, result.items, strict=True):
            row["change"] = item.change
            # Conversations and gold answers have no common type over tasks; frames want one per column.
            row["messages"], row["expected"] = str(row["messages"]), str(row["expected"])
    return _aligned(flat)


def to_pandas(result: AuditResult, table: str) -> Any:
    """Return one table as a pandas DataFrame.

    Raises:
        MissingPackageError: pandas is not installed.
    """
    return _frame("pandas", result, table)


def to_polars(result: AuditResult, table: str) -> Any:
    """Return one table as a polars DataFrame.

    Raises:
        MissingPackageError: polars is not installed.
    """
    # All rows decide on a column's type: its default looks at 100, and the first 100 items may have no score.
    return _frame("polars", result, table, infer_schema_length=None)


def _frame(package: str, result: AuditResult, table: str, **options: Any) -> Any:
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        msg = f"{package} is not installed: pip install {package}, or use hydrometer.rows"
        raise MissingPackageError(msg) from error
    return module.DataFrame(rows(result, table), **options)


def _flatten(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict) and name != "expected":
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _aligned(flat: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give every row the columns of all: a missing nested value has none of its own."""
    columns = list(dict.fromkeys(name for row in flat for name in row))
    parents = {name[:end] for name in columns for end, sign in enumerate(name) if sign == "."}
    return [{name: row.get(name) for name in columns if name not in parents} for row in flat]
