"""Texts cut into rows: stretches of tokens that are read at once, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hydrometer.drift.texts import Passage
from hydrometer.engines.reading import Reader
from hydrometer.errors import ModelError

WINDOW = 512
"""Tokens of a text read at once; a reply is read whole, behind its prompt, up to the models' own window."""

REPLY_WINDOW = 4096
BATCH = 2048
"""Tokens computed together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A stretch of a document that is read at once.

    Attributes:
        document: Number of the document.
        ids: Token ids, with what the tokenizer puts before a text.
        starts: Place in the document's text of each token that is compared: all but the first, which nothing predicts.
        end: Place behind its last token.
        first: Tokens behind the first that are read only as context for others.
    """

    document: int
    ids: tuple[int, ...]
    starts: tuple[int, ...]
    end: int
    first: int = 0

    @property
    def wanted(self) -> tuple[int, ...]:
        """The tokens that are compared."""
        return self.ids[1 + self.first :]


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
