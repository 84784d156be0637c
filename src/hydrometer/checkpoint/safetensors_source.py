"""Tensors of a safetensors checkpoint, one file or many, in a folder or on a hub, read row by row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hydrometer.checkpoint.header import BITS, TensorEntry, show
from hydrometer.checkpoint.numbers import can_decode, decode
from hydrometer.checkpoint.packed import Packed, find_packed, spread, unpack
from hydrometer.checkpoint.places import Folder
from hydrometer.checkpoint.ranges import RemoteFile
from hydrometer.checkpoint.scales import SCALED, ScaleTable, find_scales
from hydrometer.checkpoint.shards import Shards, open_shards
from hydrometer.checkpoint.source import Rows, TensorMeta, Wanted, check_rows
from hydrometer.checkpoint.storage import GAP, Span
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
        packed: Weights of 4 bits under the names that they have unpacked.
    """

    label: str
    config: Mapping[str, object] = field(repr=False)
    tensors: Mapping[str, TensorMeta] = field(repr=False)
    shards: Shards
    scaled: Mapping[str, ScaleTable] = field(default_factory=dict, repr=False)
    packed: Mapping[str, Packed] = field(default_factory=dict, repr=False)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is odd about the files and does no harm, one line each."""
        return self.shards.remarks

    def values(self, name: str, start: int, stop: int) -> Rows:
        """Return rows as float32, shape (stop - start, width).

        Raises:
            ModelError: The bytes cannot be read, or the format has no meaning as real numbers.
        """
        meta, packed = self.tensors[name], self.packed.get(name)
        if packed is not None:
            return unpack(packed, self.bits(name, start, stop), *self._scales_of(packed, start, stop))
        dtype = self.shards.tensors[name][1].dtype
        if not can_decode(dtype):
            msg = f"{self.label}: {show(name)} holds {dtype}, which cannot be read as numbers: convert it first"
            raise ModelError(msg)
        codes = decode(dtype, self.bits(name, start, stop)).reshape(stop - start, meta.width)
        scales = self.scales(name, start, stop)
        return codes if scales is None else codes * scales

    def scales(self, name: str, start: int, stop: int) -> Rows | None:
        """Return what the codes of rows are multiplied with, in a shape that fits them; None where they need none.

        Only the scales of these rows are read.

        Raises:
            ModelError: The scales cannot be read.
        """
        packed, table = self.packed.get(name), self.scaled.get(name)
        if packed is not None:
            return spread(packed, *self._scales_of(packed, start, stop))
        if table is None:
            return None
        return table.spread(self._decoded(table.name, *table.rows(start, stop)), start, stop, self.tensors[name].width)

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
            for shard, span in self._spans(name, start, stop):
                spans.setdefault(shard, []).append(span)
        for shard, places in spans.items():
            self.shards.files[shard].prefetch(places)

    @property
    def far(self) -> bool:
        """Whether the files lie at the end of a network."""
        return any(isinstance(file, RemoteFile) for file in self.shards.files.values())

    @property
    def requests(self) -> int:
        """Requests so far, redirects included."""
        servers = [file.server for file in self.shards.files.values() if isinstance(file, RemoteFile)]
        return sum(server.requests for number, server in enumerate(servers) if server not in servers[:number])

    def held(self, name: str) -> int:
        """Return how many rows from the first one on came along with the headers; 0 where scales are needed as well."""
        rows = self.tensors[name].rows
        shard, (offset, length) = self._span(name, 0, rows)
        file = self.shards.files[shard]
        if not isinstance(file, RemoteFile):
            return rows
        needs_more = name in self.packed or name in self.scaled
        return 0 if needs_more else min(length, file.reach(offset)) * rows // max(1, length)

    def stretches(self, names: Sequence[str]) -> list[list[str]]:
        """Return which of some tensors one request brings together, the most first; empty for files at hand."""
        places = sorted((*self._span(name, 0, self.tensors[name].rows), name) for name in names)
        found: list[list[str]] = []
        last: tuple[str, int] = ("", 0)
        for shard, (start, length), name in places:
            if isinstance(self.shards.files[shard], RemoteFile):
                if found and last[0] == shard and start - last[1] <= GAP:
                    found[-1].append(name)
                else:
                    found.append([name])
                last = shard, start + length
        return sorted(found, key=len, reverse=True)

    def close(self) -> None:
        """Close the files; calling it twice is harmless."""
        self.shards.close()

    def _spans(self, name: str, start: int, stop: int) -> Iterator[tuple[str, Span]]:
        """Where rows and their scales lie."""
        yield self._span(name, start, stop)
        packed, table = self.packed.get(name), self.scaled.get(name)
        if packed is not None:
            yield self._place(packed.scales, start, stop)
            if packed.overall:
                yield self._place(packed.overall, 0, 1)
        if table is not None:
            yield self._place(table.name, *table.rows(start, stop))

    def _span(self, name: str, start: int, stop: int) -> tuple[str, Span]:
        check_rows(self.tensors[name], start, stop)
        packed = self.packed.get(name)
        return self._place(packed.codes if packed else name, start, stop)

    def _place(self, name: str, start: int, stop: int) -> tuple[str, Span]:
        """Where rows of a tensor of the files lie, one that is no weight of the model among them."""
        shard, entry = self.shards.tensors[name]
        row = math.prod(entry.shape[1:]) * BITS[entry.dtype]
        if start * row % 8 or stop * row % 8:
            what = f"rows {start} to {stop} of {show(name)} ({entry.dtype})"
            msg = f"{self.label}: {what} do not end with a byte"
            raise ModelError(msg)
        return shard, (entry.offset + start * row // 8, (stop - start) * row // 8)

    def _decoded(self, name: str, start: int, stop: int, dtype: str = "") -> Rows:
        shard, (offset, length) = self._place(name, start, stop)
        return decode(dtype or self.shards.tensors[name][1].dtype, self.shards.files[shard].read(offset, length))

    def _scales_of(self, packed: Packed, start: int, stop: int) -> tuple[Rows, float]:
        power = "F8_E8M0" if packed.format == "MXFP4" else ""
        scales = self._decoded(packed.scales, start, stop, power)
        overall = float(self._decoded(packed.overall, 0, 1)[0]) if packed.overall else 1.0
        return scales.reshape(stop - start, self.shards.tensors[packed.scales][1].shape[1]), overall


def open_safetensors(folder: Folder, *, rows: bool = False) -> SafetensorsSource:
    """Open a safetensors checkpoint: read its config and all headers, no numbers.

    Args:
        folder: Where it lies.
        rows: Whether rows will be sampled, see `open_shards`.

    Raises:
        ModelError: It is missing, incomplete, damaged, or holds only pickles.
    """
    config = folder.json("config.json")
    if config is None:
        msg = f"{folder.label} has no config.json: it is no model folder"
        raise ModelError(msg)
    shards = open_shards(folder, rows=rows)
    entries = {name: entry for name, (_, entry) in shards.tensors.items()}
    packed = find_packed(entries, config)
    inner = {one for weight in packed.values() for one in (weight.codes, *weight.beside)}
    scaled = find_scales({name: entry for name, entry in entries.items() if name not in inner}, config)
    hidden = inner | {table.name for table in scaled.values()}
    metas = {name: _meta(name, entry, name in scaled) for name, entry in entries.items() if name not in hidden}
    metas |= {name: _packed_meta(name, weight, entries[weight.codes]) for name, weight in packed.items()}
    return SafetensorsSource(
        label=folder.label, config=config, tensors=metas, shards=shards, scaled=scaled, packed=packed
    )


def _meta(name: str, entry: TensorEntry, scaled: bool) -> TensorMeta:  # noqa: FBT001 - one call, just above
    dtype = f"{SCALED}{entry.dtype}" if scaled else entry.dtype
    return TensorMeta(name=name, dtype=dtype, shape=entry.shape, nbytes=entry.nbytes, raw=not scaled)


def _packed_meta(name: str, weight: Packed, codes: TensorEntry) -> TensorMeta:
    dtype = f"{SCALED}{weight.format}"
    return TensorMeta(name=name, dtype=dtype, shape=weight.shape, nbytes=codes.nbytes, raw=False)
