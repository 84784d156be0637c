"""The base's side of a drift run in a file, so that a second student asks the base nothing.

The file: 8 bytes of magic, length and CRC of the header and the header (JSON: whose it is, of which texts), then
blocks of at most `BLOCK` places in the order in which they were read, then a last block with the base's distance from
itself. A block is its number of places, its length, its CRC and a zstandard frame of fixed planes: token ids,
log-probabilities in steps of `stats.top.STEP` (24 bits), the same of a few tokens drawn from the rest, the mass of the
rest, and the text's own token. Nothing in it is executed, and every size is checked before it is used.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import zstandard
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from hydrometer.canon import canonical_json
from hydrometer.distances import Distance
from hydrometer.drift.rows import Row
from hydrometer.drift.texts import Passage, texts_digest
from hydrometer.errors import UsageError
from hydrometer.provenance import ModelIdentity
from hydrometer.stats.estimate import Ints
from hydrometer.stats.top import DRAWN, LEAST, TopRows, code_logprobs, decode_logprobs

TOP_K = 128
"""Tokens kept of each place. Measured with `bench/drift.py`, see docs/drift.md."""

MOST = 4096
BLOCK = 2048
_MAGIC = b"HYDRIFT1"
_PREFIX, _FRAME = struct.Struct("<II"), struct.Struct("<III")
_HEADER_LIMIT = 1 << 20
_WIDEST = 1 << 22
_SHOWN = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Whose distributions a cache holds, and over what.

    Attributes:
        identity: The base as it was opened.
        texts: Digest of the texts.
        tokens: Digest of the token ids in the order in which they were read.
        places: Number of tokens that were predicted.
        vocabulary: Width of the base's distributions.
        top_k: Tokens kept of each place.
        window: Tokens that were read at once at most.
        version: Version of the format.
    """

    identity: ModelIdentity
    texts: str
    tokens: str
    places: int
    vocabulary: int
    top_k: int
    window: int
    version: int = 1


_HEADER = TypeAdapter(Header)
_FLOOR = TypeAdapter(Distance)


def header_of(
    identity: ModelIdentity, texts: Sequence[Passage], rows: Sequence[Row], *, vocabulary: int, top_k: int, window: int
) -> Header:
    """Return the header for a base that reads these rows."""
    sha = hashlib.sha256()
    for row in rows:
        sha.update(np.array([row.document, row.first, len(row.ids), *row.ids], dtype="<i4").tobytes())
    return Header(
        identity=identity,
        texts=texts_digest(texts),
        tokens=f"sha256:{sha.hexdigest()}",
        places=sum(len(row.starts) for row in rows),
        vocabulary=vocabulary,
        top_k=min(top_k, vocabulary),
        window=window,
    )


class CacheWriter:
    """Writes a cache; it gets its name only once it is complete.

    Args:
        path: Where to.
        header: What it will hold.

    Raises:
        UsageError: The place cannot be written.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path, self.header, self._places = path, header, 0
        self._part = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self._part.open("wb")
        except OSError as error:
            raise _unwritable(path, error) from error
        plain = canonical_json(header).encode()
        self._write(_MAGIC + _PREFIX.pack(len(plain), zlib.crc32(plain)) + plain)

    def add(self, rows: TopRows) -> TopRows:
        """Append some places, at most `BLOCK`, and return them as they will be read again."""
        plain = _pack(rows, self.header.vocabulary)
        self._block(len(rows), plain)
        self._places += len(rows)
        return _unpack(plain, len(rows), self.header) or rows

    def finish(self, floor: Distance | None) -> None:
        """Close the file with the base's distance from itself and give it its name.

        Raises:
            UsageError: It cannot be written.
        """
        if self._places != self.header.places:
            msg = f"{self._places} places for a cache of {self.header.places}"
            raise ValueError(msg)
        self._block(0, canonical_json(floor).encode())
        self._file.close()
        self._part.replace(self.path)

    def discard(self) -> None:
        """Drop what was written of a run that did not come to its end; harmless after `finish`."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _block(self, places: int, plain: bytes) -> None:
        packed = zstandard.ZstdCompressor(level=3).compress(plain)
        self._write(_FRAME.pack(places, len(packed), zlib.crc32(packed)) + packed)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise _unwritable(self.path, error) from error


class Cache:
    """A complete cache, opened to read.

    Args:
        path: The file.

    Raises:
        UsageError: It is no cache, of another version, damaged, or cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _reading(path) as file:
            self.header = self._head(file)
            self._first = file.tell()
            self.floor = self._last(file)

    def check(self, wanted: Header) -> None:
        """Refuse a cache of something else.

        Raises:
            UsageError: With what is different.
        """
        own, other = self.header, wanted
        for words, mine, theirs in (
            ("of another model (other weights)", own.identity.weights, other.identity.weights),
            ("of another tokenizer", own.identity.tokenizer, other.identity.tokenizer),
            ("of another text", own.texts, other.texts),
            ("of another engine", own.identity.engine, other.identity.engine),
            ("of another build", own.identity.engine_version, other.identity.engine_version),
            ("of other engine settings", own.identity.settings, other.identity.settings),
            ("read in other windows", own.window, other.window),
            ("with another --top-k", own.top_k, other.top_k),
            ("of other tokens", own.tokens, other.tokens),
        ):
            if mine != theirs:
                shown = f"{mine}, here {theirs}"
                was = "" if ":" in shown or len(shown) > _SHOWN else f" ({shown})"
                msg = f"--cache {self.path} is {words}{was}: name another file, or delete it"
                raise UsageError(msg)

    def rows(self) -> Iterator[TopRows]:
        """Yield all places in the order in which they were read.

        Raises:
            UsageError: A block is damaged.
        """
        with _reading(self.path) as file:
            file.seek(self._first)
            while True:
                places, plain = self._read(file, self._limit)
                if not places:
                    return
                rows = _unpack(plain, places, self.header)
                if rows is None:
                    raise self._broken()
                yield rows

    @property
    def _limit(self) -> int:
        """Most bytes of a block."""
        return BLOCK * (6 * (self.header.top_k + DRAWN) + 8)

    def _head(self, file: BinaryIO) -> Header:
        magic, prefix = file.read(8), file.read(_PREFIX.size)
        if magic[:7] != _MAGIC[:7]:
            msg = f"--cache {self.path} is a file of something else: name another one"
            raise UsageError(msg)
        if len(magic) == len(_MAGIC) and magic != _MAGIC:
            msg = f"--cache {self.path} was written by another version: delete it, or name another one"
            raise UsageError(msg)
        size, crc = _PREFIX.unpack(prefix) if len(prefix) == _PREFIX.size else (0, 1)
        plain = file.read(min(size, _HEADER_LIMIT))
        if zlib.crc32(plain) != crc:
            raise self._broken()
        try:
            header = _HEADER.validate_json(plain)
        except ValidationError as error:
            raise self._broken() from error
        sound = LEAST <= header.top_k <= min(MOST, header.vocabulary) and header.vocabulary <= _WIDEST
        if header.version != 1 or not sound or header.places < 1:
            raise self._broken()
        return header

    def _last(self, file: BinaryIO) -> Distance | None:
        """Walk over the blocks to the last one: a file that was cut short is refused before anything is read."""
        seen, end = 0, self.path.stat().st_size
        while True:
            raw = file.read(_FRAME.size)
            if len(raw) < _FRAME.size:
                raise self._broken()
            places, length, _ = _FRAME.unpack(raw)
            if not places:
                break
            seen += places
            file.seek(length, os.SEEK_CUR)
            if places > BLOCK or seen > self.header.places or file.tell() > end:
                raise self._broken()
        if seen != self.header.places:
            raise self._broken()
        file.seek(-_FRAME.size, os.SEEK_CUR)
        _, plain = self._read(file, _HEADER_LIMIT)
        if file.read(1):
            raise self._broken()
        try:
            return None if plain == b"null" else _FLOOR.validate_json(plain)
        except ValidationError as error:
            raise self._broken() from error

    def _read(self, file: BinaryIO, limit: int) -> tuple[int, bytes]:
        raw = file.read(_FRAME.size)
        if len(raw) < _FRAME.size:
            raise self._broken()
        places, length, crc = _FRAME.unpack(raw)
        packed = file.read(min(length, limit + (limit >> 3) + 1024))
        if len(packed) != length or zlib.crc32(packed) != crc:
            raise self._broken()
        try:
            if zstandard.frame_content_size(packed) > limit:
                raise self._broken()
            return places, zstandard.ZstdDecompressor().decompress(packed, max_output_size=limit)
        except zstandard.ZstdError as error:
            raise self._broken() from error

    def _broken(self) -> UsageError:
        return UsageError(f"--cache {self.path} is damaged or cut short: delete it, and the base is read again")


def _pack(rows: TopRows, vocabulary: int) -> bytes:
    """Return places as planes of bytes, which compress better than whole numbers."""
    width = _width(vocabulary)
    return b"".join(
        [
            _planes(rows.ids, width),
            _planes(code_logprobs(rows.logprobs), 3),
            _planes(rows.drawn, width),
            _planes(code_logprobs(rows.drawn_logprobs), 3),
            rows.rest.astype("<f4").tobytes(),
            rows.wanted.astype("<f4").tobytes(),
        ]
    )


def _unpack(plain: bytes, places: int, header: Header) -> TopRows | None:
    """Return the places of a block, None if it does not hold them."""
    width, count = _width(header.vocabulary), header.top_k
    sizes = (width * count, 3 * count, width * DRAWN, 3 * DRAWN, 4, 4)
    at = np.cumsum([places * size for size in sizes])
    if len(plain) != at[-1]:
        return None
    parts = [plain[end - places * size : end] for size, end in zip(sizes, at, strict=True)]
    ids, drawn = (_numbers(parts[n], width, places).astype(np.int64) for n in (0, 2))
    if max(ids.max(), drawn.max()) >= header.vocabulary:
        return None
    return TopRows(
        ids=ids,
        logprobs=decode_logprobs(_numbers(parts[1], 3, places)),
        drawn=drawn,
        drawn_logprobs=decode_logprobs(_numbers(parts[3], 3, places)),
        rest=np.frombuffer(parts[4], "<f4").astype(np.float64),
        wanted=np.frombuffer(parts[5], "<f4").astype(np.float64),
    )


def _width(vocabulary: int) -> int:
    return 2 if vocabulary <= 1 << 16 else 3


def _planes(values: Ints | NDArray[np.uint32], width: int) -> bytes:
    split = np.ascontiguousarray(values, dtype="<u4").view(np.uint8).reshape(*values.shape, 4)
    return np.ascontiguousarray(np.moveaxis(split[..., :width], -1, 0)).tobytes()


def _numbers(plain: bytes, width: int, places: int) -> NDArray[np.uint32]:
    planes = np.frombuffer(plain, np.uint8).reshape(width, places, -1)
    split = np.zeros((*planes.shape[1:], 4), dtype=np.uint8)
    split[..., :width] = np.moveaxis(planes, 0, -1)
    return split.view("<u4")[..., 0]


def _reading(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        msg = f"--cache {path}: {error.strerror or error}"
        raise UsageError(msg) from error


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"--cache {path} cannot be written ({error.strerror or error}): name another place")
