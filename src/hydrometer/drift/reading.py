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
FLOOR_TOKENS, FLOOR_ROW, FLOOR_PIECE = 1024, 128, 48
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
        end: Place behind its last token.
    """

    document: int
    ids: tuple[int, ...]
    starts: tuple[int, ...]
    end: int


def make_rows(reader: Reader, passages: Sequence[Passage], window: int) -> list[Row]:
    """Cut documents into rows of at most `window` tokens, every token predicted at most once.

    Raises:
        ModelError: The tokenizer knows tokens that the model does not.
    """
    rows: list[Row] = []
    for number, passage in enumerate(passages):
        ids, starts = reader.tokens(passage.text)
        begin = reader.begin
        if (largest := max((*begin, *ids), default=0)) >= reader.vocabulary:
            msg = f"token {largest} of {passage.name!r} lies outside of the {reader.vocabulary} that the model knows"
            raise ModelError(f"{msg}: the tokenizer belongs to another model")
        if begin and ids[:1] == begin:
            ids, starts = ids[1:], starts[1:]
        elif passage.prompt:
            # A chat template writes it out itself where it is wanted.
            begin = ()
        step = max(1, window - len(begin))
        for at in range(0, len(ids), step):
            own = slice(at, at + step)
            row = Row(
                document=number,
                ids=(*begin, *ids[own]),
                starts=starts[own][0 if begin else 1 :],
                end=starts[at + step] if at + step < len(starts) else len(passage.text),
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
    piece = _piece(base, student)
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
    return _joined(parts, kept)


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
    piece = _piece(reader)
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


def _piece(*readers: Reader) -> int:
    """Rows of logits taken at once."""
    return max(1, min(BATCH, _PIECE // max(reader.vocabulary for reader in readers)))


def read_alone(reader: Reader, rows: Sequence[Row], *, done: Callable[[int], None]) -> tuple[float, int]:
    """Return the log-probability that one model gives to all rows, and the number of tokens."""
    total, count = 0.0, 0
    piece = _piece(reader)
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
    try:
        return compare_tokens(left, right, wanted, start=start, threads=threads)
    except ValueError as error:
        raise EngineError(str(error)) from error
