"""A base's side against an opened student: read in step, summed up, made into a result."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from hydrometer.distances import Distance
from hydrometer.drift.base_side import BaseSide, ReadBase, ServedBase
from hydrometer.drift.reading import Read, piece_of, read_alone, read_pair, source_of
from hydrometer.drift.result import DriftResult, Kept, Place
from hydrometer.drift.rows import Row, make_rows
from hydrometer.drift.summary import distance, heat
from hydrometer.drift.texts import Passage, texts_digest
from hydrometer.engines.reading import Reader
from hydrometer.errors import ModelError, UsageError
from hydrometer.progress import Progress
from hydrometer.provenance import Environment, ModelIdentity

PLACES = 10
_BEFORE = 40


class Pair:
    """The student, opened, and the texts.

    Args:
        student: The student.
        texts: The texts.
        window: Tokens read at once at most.
        threads: Rows computed at a time.
        progress: Who is told what happens.
    """

    def __init__(
        self, student: Reader, texts: Sequence[Passage], window: int, threads: int, progress: Progress
    ) -> None:
        self._student, self._texts, self._progress = student, texts, progress
        self._window, self._threads = window, threads
        self._identity = student.identity()
        self._clock = time.perf_counter()
        self.read: Read | None = None
        """What is known of each token, once both were compared."""

    def result(self, base: ReadBase | ServedBase, rows: Sequence[Row], environment: Environment) -> DriftResult:
        """Compare token by token where the tokenizers agree, else in bits per byte."""
        theirs = make_rows(self._student, self._texts, self._window)
        if not rows or not theirs:
            msg = "no text has two tokens, and nothing predicts the first: give a longer text"
            raise UsageError(msg)
        if self._alike(base.identity, rows, theirs):
            return self.compared(base, rows, environment)
        if isinstance(base, ServedBase) or self._student.top_only is not None:
            msg = "the two tokenizers differ, and bits per byte are not asked of a server: give the models' own files"
            raise ModelError(msg)
        return self._apart(base, (rows, theirs), environment)

    def kept(self, base: BaseSide, rows: Sequence[Row], environment: Environment) -> DriftResult:
        """Compare token by token with what is or will be kept of the base.

        Raises:
            ModelError: The tokenizers differ, so that it says nothing.
        """
        if not rows:
            msg = "no text has two tokens, and nothing predicts the first: give a longer text"
            raise UsageError(msg)
        if not self._alike(base.identity, rows, make_rows(self._student, self._texts, self._window)):
            msg = "the two tokenizers differ, so only bits per byte can be compared: leave --cache out"
            raise ModelError(msg)
        return self.compared(base, rows, environment)

    def _alike(self, base: ModelIdentity, rows: Sequence[Row], theirs: Sequence[Row]) -> bool:
        # Equal digests mean equal vocabularies; across engines digests are made differently, so the ids decide.
        known = base.tokenizer == self._identity.tokenizer or base.engine != self._identity.engine
        # Engines place a token that is a part of a character differently; its id is the same.
        return known and [(row.document, row.ids) for row in rows] == [(row.document, row.ids) for row in theirs]

    def compared(self, base: BaseSide, rows: Sequence[Row], environment: Environment) -> DriftResult:
        """Compare token by token rows that both cut alike."""
        student = self._student
        done = self._bar("read with both models", rows)
        piece = piece_of(base.vocabulary, student.vocabulary)
        own = source_of(student)
        self.read = read = read_pair(base.source, own, rows, piece=piece, threads=self._threads, done=done)
        itself = base.floor(rows, self._bar)
        size = self._bytes(rows)
        bits = [-float(side.sum()) / np.log(2.0) / size for side in (read.tokens.base, read.tokens.student)]
        return DriftResult(
            base=base.identity,
            student=self._identity,
            vocabulary=min(base.vocabulary, student.vocabulary),
            bits=(bits[0], bits[1]),
            whole=distance("all", read.tokens, read.documents),
            groups=self._split(read, lambda passage, _: passage.group),
            sources=self._split(read, lambda passage, _: passage.source),
            spans=self._split(read, lambda passage, start: passage.span(start)),
            heat=heat(read.tokens.heated),
            floor=itself,
            places=self._places(read),
            bytes=size,
            cut=self._cut(rows),
            window=self._window,
            seconds=time.perf_counter() - self._clock,
            environment=environment,
            texts=texts_digest(self._texts),
            kept=self._kept(base, float(read.tokens.rest.mean())),
        )

    def _kept(self, base: BaseSide, rest: float) -> Kept | None:
        found = base.facts(rest)
        theirs = self._student.top_only
        if found is None and theirs is not None:
            return Kept(top_k=theirs.top_k, rest=rest, reused=False, bytes=0)
        return found

    def _apart(
        self, base: ReadBase, rows: tuple[Sequence[Row], Sequence[Row]], environment: Environment
    ) -> DriftResult:
        """Different tokenizers: what both give to the same bytes is all that can be compared."""
        own = base.alone(rows[0], self._bar("read with the base", rows[0]))
        theirs, _ = read_alone(self._student, rows[1], done=self._bar("read with the student", rows[1]))
        sizes = [self._bytes(side) for side in rows]
        return DriftResult(
            base=base.identity,
            student=self._identity,
            vocabulary=0,
            bits=(-own / np.log(2.0) / sizes[0], -theirs / np.log(2.0) / sizes[1]),
            whole=None,
            groups=(),
            sources=(),
            spans=(),
            heat=None,
            floor=None,
            places=(),
            bytes=sizes[0],
            cut=self._cut(rows[0]),
            window=self._window,
            seconds=time.perf_counter() - self._clock,
            environment=environment,
            texts=texts_digest(self._texts),
        )

    def _bar(self, label: str, rows: Sequence[Row]) -> Callable[[int], None]:
        self._progress.start(label, sum(len(row.starts) for row in rows))
        return self._progress.advance

    def _split(self, read: Read, name: Callable[[Passage, int], str]) -> tuple[Distance, ...]:
        names = np.array(
            [name(self._texts[d], int(s)) for d, s in zip(read.documents, read.starts, strict=True)]
        )
        return tuple(
            distance(own, read.tokens.take(names == own), read.documents[names == own])
            for own in dict.fromkeys(names.tolist())
        )

    def _places(self, read: Read) -> tuple[Place, ...]:
        order = np.argsort(-read.tokens.kl, kind="stable")[:PLACES]
        return tuple(self._place(read, int(at)) for at in order)

    def _place(self, read: Read, at: int) -> Place:
        passage, start = self._texts[read.documents[at]], int(read.starts[at])
        later = read.starts[(read.documents == read.documents[at]) & (read.starts > start)]
        end = int(later.min()) if later.size else len(passage.text)
        return Place(
            document=passage.name,
            before=passage.text[max(0, start - _BEFORE) : start],
            token=passage.text[start:end],
            kl=float(read.tokens.kl[at]),
            change=float(read.tokens.change[at]),
        )

    def _bytes(self, rows: Sequence[Row]) -> int:
        """Bytes of text that the rows predict: from the place of a row's first predicted token to its end."""
        return sum(len(self._texts[row.document].text[row.starts[0] : row.end].encode()) for row in rows)

    def _cut(self, rows: Sequence[Row]) -> int:
        return sum(parts > 1 for parts in Counter(row.document for row in rows).values())
