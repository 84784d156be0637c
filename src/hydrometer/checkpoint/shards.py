"""Which files hold the tensors of a safetensors checkpoint, and whether its index tells the truth about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hydrometer.checkpoint.header import TensorEntry, read_table, show
from hydrometer.checkpoint.places import Folder, without_weights
from hydrometer.checkpoint.ranges import RemoteFile
from hydrometer.checkpoint.storage import Storage
from hydrometer.errors import ModelError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_PLAIN_NAME = re.compile(r"[\w.-]{1,255}\.safetensors")
_MAX_SHARDS, _MAX_TENSORS = 10_000, 1_000_000
_GUESS = 1 << 18
"""Bytes of a header whose number of tensors is unknown: most are below 100,000."""
_ALONG, _ALONG_IN_ALL = 3 << 18, 8 << 20
"""Bytes behind the header of each of several files, and of all of them, that can come along with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """The open files of a checkpoint and what is where.

    Attributes:
        files: Name -> file.
        tensors: Name of a tensor -> name of its file and its entry there.
        remarks: What is odd and does no harm, one line each.
    """

    files: dict[str, Storage]
    tensors: dict[str, tuple[str, TensorEntry]] = field(repr=False)
    remarks: tuple[str, ...]

    def close(self) -> None:
        """Close all files."""
        for file in self.files.values():
            file.close()


def open_shards(folder: Folder, *, rows: bool = False) -> Shards:
    """Open the safetensors files of a checkpoint and read all their headers.

    Loaders take the single file first, whatever the index says; what is checked must be what is loaded.

    Args:
        folder: Where they lie.
        rows: Whether rows will be sampled: over a network the first ones of each file may then come with its header.

    Raises:
        ModelError: They are missing, incomplete, damaged, not what the index says, or there are only pickles.
    """
    files: dict[str, Storage] = {}
    try:
        single = folder.open(SINGLE, _GUESS)
        table: dict[str, str] | None = None
        if single is not None:
            files[SINGLE] = single
        else:
            table = _read_index(folder)
            _open_all(folder, table, files, rows=rows)
        tensors = _read_tables(folder, files)
        remarks = _check_index(table, tensors, folder.label) if table is not None else ()
    except BaseException:
        for file in files.values():
            file.close()
        raise
    return Shards(files=files, tensors=tensors, remarks=remarks)


def _read_index(folder: Folder) -> dict[str, str]:
    index = folder.json(INDEX)
    if index is None:
        raise without_weights(folder, SINGLE)
    where = f"{folder.label}/{INDEX}"
    table: Any = index.get("weight_map")
    if not isinstance(table, dict) or not table:
        msg = f"{where}: no weight_map in it: download it again"
        raise ModelError(msg)
    shards = set(map(str, table.values()))
    for shard in shards:
        if not _PLAIN_NAME.fullmatch(shard):
            msg = (
                f"{where}: it points to {show(shard)}, which is no file of this folder: do not use this model"
            )
            raise ModelError(msg)
    if len(shards) > _MAX_SHARDS:
        msg = f"{where}: it names {len(shards)} files: do not use this model"
        raise ModelError(msg)
    return {name: str(shard) for name, shard in table.items()}


def _open_all(folder: Folder, table: Mapping[str, str], files: dict[str, Storage], *, rows: bool) -> None:
    heads = dict.fromkeys(sorted(set(table.values())), 1024)
    for name, shard in table.items():
        # An entry is its name and, for matrices of any size, at most 95 bytes more.
        heads[shard] += len(name) + 100
    along = 0
    for shard, head in heads.items():
        file = folder.open(shard, head + along)
        if file is None:
            msg = f"{folder.label}: the shard {shard} that {INDEX} names is missing: finish the download"
            raise ModelError(msg)
        files[shard] = file
        # Where a redirect doubles the requests, rows that come along with the headers save as many later.
        if rows and isinstance(file, RemoteFile) and file.redirected:
            along = min(_ALONG, _ALONG_IN_ALL // len(heads))


def _read_tables(folder: Folder, files: Mapping[str, Storage]) -> dict[str, tuple[str, TensorEntry]]:
    tensors: dict[str, tuple[str, TensorEntry]] = {}
    for shard, file in files.items():
        for name, entry in read_table(file).items():
            if name in tensors:
                msg = (
                    f"{file.label}: tensor {show(name)} is in two files of the checkpoint: download it again"
                )
                raise ModelError(msg)
            tensors[name] = (shard, entry)
        if len(tensors) > _MAX_TENSORS:
            msg = f"{folder.label}: more than {_MAX_TENSORS} tensors: do not use this model"
            raise ModelError(msg)
    if not tensors:
        msg = f"{folder.label}: the safetensors files hold no tensor: download the checkpoint again"
        raise ModelError(msg)
    return tensors


def _check_index(
    table: Mapping[str, str], tensors: Mapping[str, tuple[str, TensorEntry]], where: str
) -> tuple[str, ...]:
    lost = sorted(name for name in table if name not in tensors)
    if lost:
        msg = (
            f"{where}: no file holds {len(lost)} tensors of {INDEX}, first {show(lost[0])}: download it again"
        )
        raise ModelError(msg)
    moved = sorted(name for name, shard in table.items() if tensors[name][0] != shard)
    if moved:
        name = moved[0]
        msg = (
            f"{where}: {show(name)} lies in {tensors[name][0]}, {INDEX} says {table[name]}: download it again"
        )
        raise ModelError(msg)
    extra = sorted(name for name in tensors if name not in table)
    return (f"{len(extra)} tensors are not in {INDEX}, first {show(extra[0])}",) if extra else ()
