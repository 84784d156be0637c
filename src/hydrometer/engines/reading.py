"""The protocol of readers: something that says how probable each token of a given text is.

A reader is opened instead of an engine, not beside one: it needs no chat template, no slots and no server. It gives
whole rows of logits, piece by piece, so that memory stays bounded whatever the length of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hydrometer.engines.base import EngineSettings
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef
from hydrometer.stats.top import TopRows
from hydrometer.templates.render import ChatTemplate


class Tokens(NamedTuple):
    """A text as a model sees it.

    Attributes:
        ids: Token ids.
        starts: Place of the first character of each.
    """

    ids: tuple[int, ...]
    starts: tuple[int, ...]


class Reader(Protocol):
    """One opened model that reads. Use it as a context manager: leaving it frees the memory."""

    @property
    def vocabulary(self) -> int:
        """Width of a row of logits."""
        ...

    @property
    def context(self) -> int:
        """Largest number of tokens that the model reads at once, 0 if it names none."""
        ...

    @property
    def begin(self) -> tuple[int, ...]:
        """What the tokenizer puts before a text."""
        ...

    @property
    def chat_template(self) -> ChatTemplate | None:
        """The model's own chat template, None without one."""
        ...

    def identity(self) -> ModelIdentity:
        """Who reads; hashes the weight files."""
        ...

    def tokens(self, text: str, *, plain: bool = False) -> Tokens:
        """Return the tokens of a text, none added.

        Args:
            text: The text.
            plain: Whether special tokens that it names are read as the letters that they are written in.
        """
        ...

    def read(self, rows: Sequence[Sequence[int]], piece: int) -> Iterator[NDArray[np.float32]]:
        """Yield the logits behind every token of every row but the last of each, at most `piece` rows at a time.

        The rows of one call are computed together where the model allows it; what comes out stands in their order.
        """
        ...

    def beside(self, ref: ModelRef) -> Reader | None:
        """Return a reader of another model that shares these weights, None where it does not.

        The two may be read in turns; the one that was opened first is closed last.
        """
        ...

    @property
    def top_only(self) -> TopReader | None:
        """The reader itself where it knows only the most probable tokens of a place, so that `read` is not for it."""
        ...

    def close(self) -> None:
        """Free the model; calling it twice is harmless."""
        ...

    def __enter__(self) -> Self:
        """Return the reader itself."""
        ...

    def __exit__(self, *_: object) -> None:
        """Close the reader."""
        ...


class TopReader(Reader, Protocol):
    """A reader that knows only the most probable tokens at each place: one behind a server.

    Attributes:
        top_k: Tokens asked for at each place.
    """

    top_k: int

    def top(self, rows: Sequence[Sequence[int]]) -> Iterator[TopRows]:
        """Yield the most probable tokens behind every token of each row but its last, row by row."""
        ...


ReaderOpener = Callable[[ModelRef, EngineSettings], Reader]
"""What `reader` of an entry of `catalog.ENGINES` names."""


def shares_weights(base: ModelRef, other: ModelRef) -> bool:
    """Return whether a model is another one plus an adapter."""
    return (base.engine, base.target, base.adapter) == (other.engine, other.target, "") and bool(other.adapter)
