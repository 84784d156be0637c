"""Both models over the same tokens, in step: pieces of logits are compared and dropped, so memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hydrometer.drift.rows import BATCH, Row, batches
from hydrometer.engines.reading import Reader, TopReader
from hydrometer.errors import EngineError
from hydrometer.stats.estimate import Floats, Ints
from hydrometer.stats.tokens import Singles, TokenDrift, compare_tokens, join_tokens
from hydrometer.stats.top import TopRows, compare_top, compare_tops, top_rows

FLOOR_TOKENS, FLOOR_ROW, FLOOR_PIECE = 1024, 128, 48
# The floor holds the logits of a whole row at once, so rows are short; the second time they come in other pieces.

_PIECE = 1 << 24
# Logits held at once of either model (64 MB in float32).

Kept = Singles | TopRows
"""Rows of a model: logits or log-probabilities over the whole vocabulary, or the most probable tokens."""

Source = Callable[[Sequence[Row], int], Iterator[Kept]]
"""Gives a model's rows for the tokens of a batch that are compared, at most so many at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Tokens compared, with what they belong to; arrays of one length.

    Attributes:
        tokens: What is known of each token.
        documents: Number of its document.
        starts: Place of its first character there.
    """

    tokens: TokenDrift
    documents: Ints
    starts: Ints


def read_pair(
    base: Source, student: Source, rows: Sequence[Row], *, piece: int, threads: int, done: Callable[[int], None]
) -> Read:
    """Compare two models on rows whose ids mean the same to both.

    Args:
        base: The base, read or kept.
        student: The student.
        rows: The rows.
        piece: Rows taken at once at most, see `piece_of`.
        threads: Rows of logits compared at a time.
        done: Called with the number of tokens after each batch.

    Raises:
        EngineError: A model failed, or gives logits that are no numbers.
    """
    parts: list[TokenDrift] = []
    kept: list[Row] = []
    seen = 0
    for batch in batches(rows):
        wanted = np.concatenate([np.array(row.wanted) for row in batch])
        at = 0
        for left, right in in_step(base(batch, piece), student(batch, piece)):
            parts.append(_compared(left, right, wanted[at : at + len(left)], start=seen, threads=threads))
            at, seen = at + len(left), seen + len(left)
        if at != len(wanted):
            msg = f"{at} rows of logits came back for {len(wanted)} tokens: nothing is compared in part"
            raise EngineError(msg)
        kept += batch
        done(len(wanted))
    return _joined(parts, kept)


def scored(reader: Reader, batch: Sequence[Row], piece: int) -> Iterator[Singles]:
    """Yield a model's logits for the tokens of a batch that are compared."""
    found = reader.read([row.ids for row in batch], piece)
    if not any(row.first for row in batch):
        yield from found
        return
    compared = np.concatenate([np.arange(len(row.ids) - 1) >= row.first for row in batch])
    at = 0
    for logits in found:
        own = logits[compared[at : at + len(logits)]]
        at += len(logits)
        if len(own):
            yield own


def served(reader: TopReader, batch: Sequence[Row], piece: int) -> Iterator[TopRows]:
    """Yield a served model's most probable tokens for the tokens of a batch that are compared."""
    del piece
    for row, found in zip(batch, reader.top([row.ids for row in batch]), strict=True):
        yield found[row.first :]


def source_of(reader: Reader) -> Source:
    """Return what gives a model's rows: whole where it can be read here, in part through a server."""
    top_only = reader.top_only
    return partial(scored, reader) if top_only is None else partial(served, top_only)


def in_step(left: Iterator[Kept], right: Iterator[Kept]) -> Iterator[tuple[Kept, Kept]]:
    """Yield equal stretches of two streams of rows that come in pieces of their own."""
    mine, theirs = next(left, None), next(right, None)
    while mine is not None and theirs is not None:
        count = min(len(mine), len(theirs))
        yield mine[:count], theirs[:count]
        mine = mine[count:] if len(mine) > count else next(left, None)
        theirs = theirs[count:] if len(theirs) > count else next(right, None)


def floor(reader: Reader, rows: Sequence[Row], *, threads: int, done: Callable[[int], None]) -> Read:
    """Compare a model with itself: each row computed alone, then beside another one and in smaller pieces."""
    parts = []
    piece = piece_of(reader.vocabulary)
    for row in rows:
        filler = row.ids[: max(2, len(row.ids) // 2)]
        wanted = np.array(row.ids[1:])
        # One after the other: a model that is read twice at a time has one window for both.
        alone = list(reader.read([row.ids], piece))
        pairs = in_step(iter(alone), reader.read([row.ids, filler], FLOOR_PIECE))
        at = 0
        for left, right in pairs:
            parts.append(_compared(left, right, wanted[at : at + len(left)], start=at, threads=threads))
            at += len(left)
        done(len(wanted))
    return _joined(parts, rows)


def floor_rows(rows: Sequence[Row]) -> list[Row]:
    """Return short rows for the floor: evenly over all, about `FLOOR_TOKENS` tokens."""
    total = sum(min(len(row.starts), FLOOR_ROW) for row in rows)
    return [_shortened(row) for row in rows[:: max(1, total // FLOOR_TOKENS)]]


def _shortened(row: Row) -> Row:
    if row.first:
        # Places do not matter here, and what was context before is as good.
        ids = row.ids[: FLOOR_ROW + 1]
        return replace(row, ids=ids, starts=(0,) * (len(ids) - 1), end=0, first=0)
    if len(row.starts) <= FLOOR_ROW:
        return row
    kept = len(row.ids) - len(row.starts) + FLOOR_ROW
    return replace(row, ids=row.ids[:kept], starts=row.starts[:FLOOR_ROW], end=row.starts[FLOOR_ROW])


def _joined(parts: Sequence[TokenDrift], rows: Sequence[Row]) -> Read:
    return Read(
        tokens=join_tokens(parts),
        documents=np.concatenate([np.full(len(row.starts), row.document) for row in rows]),
        starts=np.concatenate([np.array(row.starts) for row in rows]),
    )


def piece_of(*vocabularies: int) -> int:
    """Return how many rows of logits are taken at once."""
    return max(1, min(BATCH, _PIECE // max(vocabularies)))


def read_alone(reader: Reader, rows: Sequence[Row], *, done: Callable[[int], None]) -> tuple[float, int]:
    """Return the log-probability that one model gives to all rows, and the number of tokens."""
    total, count = 0.0, 0
    piece = piece_of(reader.vocabulary)
    for batch in batches(rows):
        wanted = np.concatenate([np.array(row.ids[1:]) for row in batch])
        at = 0
        for logits in reader.read([row.ids for row in batch], piece):
            own = wanted[at : at + len(logits)]
            total += float(_logprobs(logits, own).sum())
            at += len(logits)
        count += at
        done(at)
    return total, count


def _logprobs(logits: Singles, wanted: Ints) -> Floats:
    largest = logits.max(axis=1)
    if not np.isfinite(largest).all():
        msg = "the logits hold NaN, or no finite number: the weights or the engine are broken"
        raise EngineError(msg)
    mass = np.exp(logits - largest[:, None]).sum(axis=1)
    chosen = logits[np.arange(len(wanted)), wanted]
    found: Floats = (chosen - largest - np.log(mass)).astype(np.float64)
    return found


def _compared(left: Kept, right: Kept, wanted: Ints, *, start: int, threads: int) -> TokenDrift:
    try:
        if isinstance(right, TopRows):
            kept = left if isinstance(left, TopRows) else top_rows(left, wanted, right.ids.shape[1], start=start)
            found = compare_tops(kept, right)
        elif isinstance(left, TopRows):
            found = compare_top(left, right, wanted, start=start, threads=threads)
        else:
            width = min(left.shape[1], right.shape[1])
            found = compare_tokens(left[:, :width], right[:, :width], wanted, start=start, threads=threads)
    except ValueError as error:
        raise EngineError(str(error)) from error
    if not np.isfinite([found.kl, found.reverse, found.change]).all():
        msg = "one model rules out (probability 0) a token that the other finds possible: their distance is infinite"
        raise EngineError(msg)
    return found
