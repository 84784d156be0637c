"""The optional packages of this room: polars for words and Parquet, rensa for MinHash."""

from __future__ import annotations

import importlib
from typing import Any

from hydrometer.errors import MissingPackageError


def polars() -> Any:
    """Return polars.

    Raises:
        MissingPackageError: It is not installed.
    """
    return _package("polars")


def rensa() -> Any:
    """Return rensa.

    Raises:
        MissingPackageError: It is not installed.
    """
    return _package("rensa")


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        msg = f"searching training data needs {name}, which is not installed: pip install 'hydrometer[contamination]'"
        raise MissingPackageError(msg) from error
