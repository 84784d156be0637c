"""Folders of files, here or on a hub: small JSON files, and big files to be read piece by piece.

Folders come from anybody: a file may be missing, endless, or a link to somewhere else on the reader's disk.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from hydrometer.checkpoint.storage import LocalFile, Storage
from hydrometer.errors import ModelError

MAX_JSON = 25_000_000
"""Bytes of a JSON file; the index of the largest mixtures of experts has 20 million."""

_MAX_PARTS = 200_000
# The largest in use, with 262,144 tokens and as many merges in pairs, has 33 MB and 515,000 parts.
_TOKENIZER, _MAX_TOKENIZER, _MAX_MERGES = "tokenizer.json", 48_000_000, 1_000_000
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Files that run code when they are opened; never opened here."""


class Folder(Protocol):
    """Files under one name."""

    @property
    def label(self) -> str:
        """How messages name it."""
        ...

    def json(self, name: str) -> dict[str, Any] | None:
        """Return the object in a JSON file, None if there is no such file.

        Raises:
            ModelError: The file is damaged, too large, or no object.
        """
        ...

    def read(self, name: str, most: int) -> bytes | None:
        """Return the content of a small file, None if there is no such file.

        Args:
            name: A plain name.
            most: Bytes that it may have.

        Raises:
            ModelError: It cannot be read, or is larger.
        """
        ...

    def open(self, name: str, head: int = 0) -> Storage | None:
        """Open a file, None if there is no such file.

        Args:
            name: A plain name.
            head: Bytes of its start that will be read first, if the caller can guess.

        Raises:
            ModelError: It cannot be read.
        """
        ...

    def names(self, inside: str = "") -> list[str]:
        """Return the names of its files, empty if that cannot be told.

        Args:
            inside: A folder in it, by its plain name; names are then those within.
        """
        ...


class LocalFolder:
    """A folder on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def label(self) -> str:
        """The path."""
        return str(self.path)

    def json(self, name: str) -> dict[str, Any] | None:
        """Return the object in a JSON file, None if there is no such file.

        Raises:
            ModelError: The file is damaged, too large, no object, or a link out of the folder.
        """
        raw = self.read(name, json_limit(name))
        return None if raw is None else parse_json(raw, name, str(self.path / name))

    def read(self, name: str, most: int) -> bytes | None:
        """Return the content of a small file, None if there is no such file.

        Raises:
            ModelError: It cannot be read, is larger, or is a link out of the folder.
        """
        path = self.find(name)
        if path is None:
            return None
        try:
            size = path.stat().st_size
            if size > most:
                msg = f"{path}: {size} bytes are too many for such a file: do not use this model"
                raise ModelError(msg)
            return path.read_bytes()
        except OSError as error:
            msg = f"{path}: cannot be read: {error.strerror or error}"
            raise ModelError(msg) from error

    def open(self, name: str, head: int = 0) -> LocalFile | None:
        """Open a file, None if there is no such file.

        Raises:
            ModelError: It cannot be read, or is a link out of the folder.
        """
        path = self.find(name)
        file = LocalFile(path) if path is not None else None
        if file is not None and head:
            file.prefetch([(0, head)])
        return file

    def names(self, inside: str = "") -> list[str]:
        """Return the names of its files, or of those in a folder inside it."""
        path = self.path / inside
        try:
            return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []
        except OSError:
            return []

    def find(self, name: str) -> Path | None:
        """Return the path of a regular file, None if there is none.

        Raises:
            ModelError: It is a link to somewhere outside.
        """
        path = self.path / name
        if not path.is_file():
            return None
        home, target = self.path.resolve(), path.resolve()
        # The hub's cache keeps contents in `blobs` and names in `snapshots/COMMIT`, as links.
        blobs = home.parent.parent / "blobs" if home.parent.name == "snapshots" else home
        if not (target.is_relative_to(home) or target.is_relative_to(blobs)):
            msg = (
                f"{path}: it is a link out of the folder: put the file itself there, or do not use this model"
            )
            raise ModelError(msg)
        return path


def json_limit(name: str) -> int:
    """Return how many bytes a JSON file may have; a tokenizer's vocabulary is the one large thing among them."""
    return _MAX_TOKENIZER if name == _TOKENIZER else MAX_JSON


def parse_json(raw: bytes, name: str, where: str) -> dict[str, Any]:
    """Return the object in the content of a JSON file.

    Args:
        raw: The content, not more than `json_limit` allows.
        name: Plain name of the file.
        where: How messages name the file.

    Raises:
        ModelError: It is no JSON, no object, or of so many parts that it would fill the memory.
    """
    if raw.count(b"[") + raw.count(b"{") > (_MAX_MERGES if name == _TOKENIZER else _MAX_PARTS):
        msg = f"{where}: too many parts for such a file: do not use this model"
        raise ModelError(msg)
    try:
        value = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        msg = f"{where}: no valid JSON: download it again"
        raise ModelError(msg) from error
    if not isinstance(value, dict):
        msg = f"{where}: it holds no JSON object: download it again"
        raise ModelError(msg)
    return value


def without_weights(folder: Folder, wanted: str) -> ModelError:
    """Return the error for a folder whose tensors are missing; pickles are named, since they are never opened."""
    pickles = [name for name in folder.names() if name.endswith(PICKLES)]
    if pickles:
        return ModelError(
            f"{folder.label} has no {wanted}, only {pickles[0]}: pickles run code when they are opened and are "
            "refused; convert it with safetensors first"
        )
    return ModelError(f"{folder.label} has no {wanted}: finish the download")
