"""Where the base's side of a drift run comes from: a model that is read, one that is also kept, or a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from hydrometer.distances import Distance
from hydrometer.drift.cache import Cache, CacheWriter
from hydrometer.drift.reading import Kept, floor, floor_rows, read_alone, read_pair, scored, served
from hydrometer.drift.result import Kept as KeptFacts
from hydrometer.drift.rows import Row
from hydrometer.drift.summary import distance
from hydrometer.engines.reading import Reader, TopReader
from hydrometer.errors import EngineError
from hydrometer.provenance import ModelIdentity
from hydrometer.stats.top import top_rows

Bar = Callable[[str, Sequence[Row]], Callable[[int], None]]
"""Starts a progress bar over rows and returns what moves it."""


class BaseSide(Protocol):
    """The base of a drift run."""

    @property
    def identity(self) -> ModelIdentity:
        """Who the base is."""
        ...

    @property
    def vocabulary(self) -> int:
        """Width of its distributions."""
        ...

    def source(self, batch: Sequence[Row], piece: int) -> Iterator[Kept]:
        """Yield its rows for the compared tokens of a batch; batches come in their order."""
        ...

    def floor(self, rows: Sequence[Row], bar: Bar) -> Distance | None:
        """Return its distance from itself, None where that cannot be known; ends the run over the rows."""
        ...

    def facts(self, rest: float) -> KeptFacts | None:
        """Return what is known of it where it is not whole.

        Args:
            rest: Mean mass beside what was kept.
        """
        ...


class ReadBase:
    """A base that is opened and read whole.

    Args:
        reader: The opened model.
        threads: Rows computed at a time.
    """

    def __init__(self, reader: Reader, *, threads: int) -> None:
        self.reader, self._threads = reader, threads
        self.identity = reader.identity()
        self.vocabulary = reader.vocabulary

    def source(self, batch: Sequence[Row], piece: int) -> Iterator[Kept]:
        """Yield its logits."""
        return scored(self.reader, batch, piece)

    def floor(self, rows: Sequence[Row], bar: Bar) -> Distance | None:
        """Read some of the rows again, in other batches."""
        again = floor_rows(rows)
        done = bar("read with the base again", again)
        itself = floor(self.reader, again, threads=self._threads, done=done)
        return distance("base itself", itself.tokens, itself.documents)

    def alone(self, rows: Sequence[Row], done: Callable[[int], None]) -> float:
        """Return the log-probability that it gives to all rows."""
        return read_alone(self.reader, rows, done=done)[0]

    def facts(self, rest: float) -> KeptFacts | None:
        """Return None: nothing is missing."""
        del rest
        return None


class ServedBase:
    """A base behind a server that tells its most probable tokens.

    Args:
        reader: The opened server.
    """

    def __init__(self, reader: TopReader) -> None:
        self._reader = reader
        self.identity, self.vocabulary = reader.identity(), reader.vocabulary

    def source(self, batch: Sequence[Row], piece: int) -> Iterator[Kept]:
        """Yield its most probable tokens."""
        return served(self._reader, batch, piece)

    def floor(self, rows: Sequence[Row], bar: Bar) -> Distance | None:
        """Ask for some of the rows twice: what its batches do to the same prompt."""
        again = floor_rows(rows)
        done = bar("read with the base again", again)
        source = partial(served, self._reader)
        itself = read_pair(source, source, again, piece=1, threads=1, done=done)
        return distance("base itself", itself.tokens, itself.documents)

    def facts(self, rest: float) -> KeptFacts | None:
        """Return what the server gives."""
        return KeptFacts(top_k=self._reader.top_k, rest=rest, reused=False, bytes=0)


class KeepingBase(ReadBase):
    """A base that is read, and of which the most probable tokens are kept and compared.

    Args:
        reader: The opened model.
        writer: Where they are kept.
        threads: Rows computed at a time.
    """

    def __init__(self, reader: Reader, writer: CacheWriter, *, threads: int) -> None:
        super().__init__(reader, threads=threads)
        self._writer, self._seen = writer, 0

    def source(self, batch: Sequence[Row], piece: int) -> Iterator[Kept]:
        """Yield its most probable tokens."""
        wanted = np.concatenate([np.array(row.wanted) for row in batch])
        count, at = self._writer.header.top_k, 0
        for logits in scored(self.reader, batch, piece):
            own = wanted[at : at + len(logits)]
            try:
                kept = top_rows(logits, own, count, start=self._seen, threads=self._threads)
            except ValueError as error:
                raise EngineError(str(error)) from error
            at, self._seen = at + len(logits), self._seen + len(logits)
            yield self._writer.add(kept)

    def floor(self, rows: Sequence[Row], bar: Bar) -> Distance | None:
        """Read some of the rows again, and complete the file."""
        found = super().floor(rows, bar)
        self._writer.finish(found)
        return found

    def facts(self, rest: float) -> KeptFacts | None:
        """Return what was kept."""
        header = self._writer.header
        return KeptFacts(top_k=header.top_k, rest=rest, reused=False, bytes=self._writer.path.stat().st_size)


def side_of(reader: Reader, *, threads: int) -> ReadBase | ServedBase:
    """Return an opened base as the base's side: whole where it can be read here, in part through a server."""
    top_only = reader.top_only
    return ReadBase(reader, threads=threads) if top_only is None else ServedBase(top_only)


class CachedBase:
    """A base that is not asked anything.

    Args:
        cache: What was kept of it.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.identity, self.vocabulary = cache.header.identity, cache.header.vocabulary
        self._feed = Feed(cache.rows())

    def source(self, batch: Sequence[Row], piece: int) -> Iterator[Kept]:
        """Yield what was kept."""
        del piece
        return self._feed.take(sum(len(row.starts) for row in batch))

    def floor(self, rows: Sequence[Row], bar: Bar) -> Distance | None:
        """Return its distance from itself as it was when it was read."""
        del rows, bar
        return self._cache.floor

    def facts(self, rest: float) -> KeptFacts | None:
        """Return what was kept."""
        path = self._cache.path
        return KeptFacts(top_k=self._cache.header.top_k, rest=rest, reused=True, bytes=path.stat().st_size)


class Feed:
    """Stretches of any length from blocks of rows.

    Args:
        blocks: The blocks.
    """

    def __init__(self, blocks: Iterator[Kept]) -> None:
        self._blocks, self._left = blocks, next(blocks, None)

    def take(self, count: int) -> Iterator[Kept]:
        """Yield so many rows, fewer where there are no more."""
        while count and self._left is not None:
            own = self._left[:count]
            self._left = self._left[count:] if len(self._left) > count else next(self._blocks, None)
            count -= len(own)
            yield own
