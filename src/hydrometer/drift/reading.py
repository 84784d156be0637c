"""Both models over the same tokens, in step: pieces of logits are compared and dropped, so memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hydrometer.drift.texts import Passage
from hydrometer.engines.reading import Reader
from hydrometer.errors import EngineError, ModelError
from hydrometer.stats.estimate import Floats, Ints
from hydrometer.stats.tokens import Singles, TokenDrift, compare_tokens, join_tokens

WINDOW = 512
"""Tokens of a text read at once; a reply is read whole, behind its prompt, up to the models' own window."""

REPLY_WINDOW = 4096
BATCH = 2048
FLOOR_ROW, FLOOR_PIECE = 128, 48
# The floor holds the logits of a whole row at once, so rows are short; the second time they come in other pieces.

_PIECE = 1 << 24
# Tokens computed together, and logits held at once of either model (64 MB in float32).


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A stretch of a document that is read at once.

    Attributes:
        document: Number of the document.
        ids: Token ids, with what the tokenizer puts before a text.
        starts: Place in the document's text of each token but the first, which nothing predicts.
        first: Place at which its text begins.
    """

    document: int
    ids: tuple[int, ...]
    starts: tuple[int, ...]
    first: int


def make_rows(reader: Reader, passages: Sequence[Passage], window: int) -> list[Row]:
    """Cut documents into rows of at most `window` tokens, every token predicted at most once."""
    rows: list[Row] = []
    for number, passage in enumerate(passages):
        ids, starts = reader.tokens(passage.text)
        begin = reader.begin
        if begin and ids[:1] == begin:
            ids, starts = ids[1:], starts[1:]
        elif passage.prompt:
            # A chat template writes it out itself where it is wanted.
            begin = ()
        step = window - len(begin)
        for at in range(0, len(ids), step):
            own = slice(at, at + step)
            row = Row(
                document=number,
                ids=(*begin, *ids[own]),
                starts=starts[own][0 if begin else 1 :],
                first=starts[at],
            )
            if row.starts:
                rows.append(row)
    return rows


def batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Group rows of like length, so that little is padding."""
    batch: list[Row] = []
    for row in sorted(rows, key=lambda r: len(r.ids)):
        if batch and (len(batch) + 1) * len(row.ids) > BATCH:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


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
    base: Reader, student: Reader, rows: Sequence[Row], *, threads: int, done: Callable[[int], None]
) -> Read:
    """Compare two models on rows whose ids mean the same to both.

    Args:
        base: The base.
        student: The student.
        rows: The rows.
        threads: Rows of logits compared at a time.
        done: Called with the number of tokens after each batch.

    Raises:
        EngineError: A model failed, or gives logits that are no numbers.
    """
    width = min(base.vocabulary, student.vocabulary)
    piece = max(1, min(BATCH, _PIECE // max(base.vocabulary, student.vocabulary)))
    parts: list[TokenDrift] = []
    kept: list[Row] = []
    seen = 0
    for batch in batches(rows):
        ids = [row.ids for row in batch]
        wanted = np.concatenate([np.array(row.ids[1:]) for row in batch])
        at = 0
        for left, right in in_step(base.read(ids, piece), student.read(ids, piece)):
            own = wanted[at : at + len(left)]
            parts.append(_compared(left[:, :width], right[:, :width], own, start=seen, threads=threads))
            at, seen = at + len(left), seen + len(left)
        if at != len(wanted):
            msg = f"{at} rows of logits came back for {len(wanted)} tokens: nothing is compared in part"
            raise EngineError(msg)
        kept += batch
        done(len(wanted))
    return Read(
        tokens=join_tokens(parts),
        documents=np.concatenate([np.full(len(row.starts), row.document) for row in kept]),
        starts=np.concatenate([np.array(row.starts) for row in kept]),
    )


def in_step(left: Iterator[Singles], right: Iterator[Singles]) -> Iterator[tuple[Singles, Singles]]:
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
    piece = max(1, min(BATCH, _PIECE // reader.vocabulary))
    for row in (_shortened(row) for row in rows):
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
    return Read(
        tokens=join_tokens(parts),
        documents=np.concatenate([np.full(len(row.starts), row.document) for row in map(_shortened, rows)]),
        starts=np.concatenate([np.array(row.starts) for row in map(_shortened, rows)]),
    )


def _shortened(row: Row) -> Row:
    kept = len(row.ids) - len(row.starts) + FLOOR_ROW
    return replace(row, ids=row.ids[:kept], starts=row.starts[:FLOOR_ROW])


def read_alone(reader: Reader, rows: Sequence[Row], *, done: Callable[[int], None]) -> tuple[float, int]:
    """Return the log-probability that one model gives to all rows, and the number of tokens."""
    total, count = 0.0, 0
    piece = max(1, min(BATCH, _PIECE // reader.vocabulary))
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


def _compared(left: Singles, right: Singles, wanted: Ints, *, start: int, threads: int) -> TokenDrift:
    if len(wanted) and int(wanted.max()) >= left.shape[1]:
        msg = f"token {int(wanted.max())} of a text lies outside of the {left.shape[1]} logits that both models give"
        raise ModelError(msg)
    try:
        return compare_tokens(left, right, wanted, start=start, threads=threads)
    except ValueError as error:
        raise EngineError(str(error)) from error
