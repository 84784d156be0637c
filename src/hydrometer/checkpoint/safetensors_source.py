"""Tensors of a safetensors checkpoint, one file or many, in a folder or on a hub, read row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hydrometer.checkpoint.header import BITS, TensorEntry, show
from hydrometer.checkpoint.numbers import can_decode, decode
from hydrometer.checkpoint.places import Folder
from hydrometer.checkpoint.scales import SCALED, ScaleTable, find_scales
from hydrometer.checkpoint.shards import Shards, open_shards
from hydrometer.checkpoint.source import Rows, TensorMeta, Wanted, check_rows
from hydrometer.checkpoint.storage import Span
from hydrometer.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetensorsSource:
    """A safetensors checkpoint as a `TensorSource`.

    Memory: the tables, about 500 bytes per tensor, and what a call returns; reading bfloat16 holds its bytes and
    its float32 rows for a moment, three times the bytes in all.

    Attributes:
        label: Short name for tables.
        config: `config.json`.
        tensors: All tensors by raw name.
        shards: The open files.
        scaled: Weights of 8 bits that only their scales make numbers, with those scales.
    """

    label: str
    config: Mapping[str, object] = field(repr=False)
    tensors: Mapping[str, TensorMeta] = field(repr=False)
    shards: Shards
    scaled: Mapping[str, ScaleTable] = field(default_factory=dict, repr=False)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is odd about the files and does no harm, one line each."""
        return self.shards.remarks

    def values(self, name: str, start: int, stop: int) -> Rows:
        """Return rows as float32, shape (stop - start, width).

        Raises:
            ModelError: The bytes cannot be read, or the format has no meaning as real numbers.
        """
        meta, dtype = self.tensors[name], self.shards.tensors[name][1].dtype
        if not can_decode(dtype):
            msg = f"{self.label}: {show(name)} holds {dtype}, which cannot be read as numbers: convert it first"
            raise ModelError(msg)
        codes = decode(dtype, self.bits(name, start, stop)).reshape(stop - start, meta.width)
        scales = self.scales(name, start, stop)
        return codes if scales is None else codes * scales

    def scales(self, name: str, start: int, stop: int) -> Rows | None:
        """Return what the codes of rows are multiplied with, in a shape that fits them; None where they need none.

        Raises:
            ModelError: The scales cannot be read.
        """
        table = self.scaled.get(name)
        if table is None:
            return None
        shard, entry = self.shards.tensors[table.name]
        raw = self.shards.files[shard].read(entry.offset, entry.nbytes)
        return table.spread(decode(entry.dtype, raw), start, stop, self.tensors[name].width)

    def bits(self, name: str, start: int, stop: int) -> bytes:
        """Return the bytes of rows as stored.

        Raises:
            ModelError: They cannot be read, or rows of less than a byte do not end with one.
        """
        shard, (offset, length) = self._span(name, start, stop)
        return self.shards.files[shard].read(offset, length)

    def prefetch(self, wanted: Sequence[Wanted]) -> None:
        """Say which rows will be read soon."""
        spans: dict[str, list[Span]] = {}
        for name, start, stop in wanted:
            shard, span = self._span(name, start, stop)
            spans.setdefault(shard, []).append(span)
        for shard, places in spans.items():
            self.shards.files[shard].prefetch(places)

    def close(self) -> None:
        """Close the files; calling it twice is harmless."""
        self.shards.close()

    def _span(self, name: str, start: int, stop: int) -> tuple[str, Span]:
        meta = self.tensors[name]
        check_rows(meta, start, stop)
        shard, entry = self.shards.tensors[name]
        row = meta.width * BITS[entry.dtype]
        if start * row % 8 or stop * row % 8:
            msg = (
                f"{self.label}: rows {start} to {stop} of {show(name)} ({meta.dtype}) do not end with a byte"
            )
            raise ModelError(msg)
        return shard, (entry.offset + start * row // 8, (stop - start) * row // 8)


def open_safetensors(folder: Folder) -> SafetensorsSource:
    """Open a safetensors checkpoint: read its config and all headers, no numbers.

    Raises:
        ModelError: It is missing, incomplete, damaged, or holds only pickles.
    """
    config = folder.json("config.json")
    if config is None:
        msg = f"{folder.label} has no config.json: it is no model folder"
        raise ModelError(msg)
    shards = open_shards(folder)
    entries = {name: entry for name, (_, entry) in shards.tensors.items()}
    scaled = find_scales(entries, config)
    hidden = {table.name for table in scaled.values()}
    metas = {name: _meta(name, entry, name in scaled) for name, entry in entries.items() if name not in hidden}
    return SafetensorsSource(label=folder.label, config=config, tensors=metas, shards=shards, scaled=scaled)


def _meta(name: str, entry: TensorEntry, scaled: bool) -> TensorMeta:  # noqa: FBT001 - one call, just above
    dtype = f"{SCALED}{entry.dtype}" if scaled else entry.dtype
    return TensorMeta(name=name, dtype=dtype, shape=entry.shape, nbytes=entry.nbytes, raw=not scaled)
