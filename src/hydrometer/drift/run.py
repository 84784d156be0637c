"""A drift run: open both models, cut the texts, read, sum up. One checkpoint plus an adapter is opened once.

A base whose side was kept in a file is opened to see who it is, and closed before the student is opened.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from hydrometer.catalog import open_reader
from hydrometer.drift.base_side import BaseSide, CachedBase, KeepingBase, ReadBase
from hydrometer.drift.cache import MOST, TOP_K, Cache, CacheWriter, header_of
from hydrometer.drift.reading import Read, read_alone, read_pair
from hydrometer.drift.replies import StoredReply, as_passages
from hydrometer.drift.result import Distance, DriftResult, Place
from hydrometer.drift.rows import REPLY_WINDOW, WINDOW, Row, make_rows
from hydrometer.drift.summary import distance, heat
from hydrometer.drift.texts import Passage, from_file, neutral
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.reading import Reader
from hydrometer.errors import ModelError, UsageError
from hydrometer.progress import Progress, Silent
from hydrometer.provenance import Environment, ModelIdentity
from hydrometer.refs import parse_ref
from hydrometer.spec import ModelRef
from hydrometer.stats.top import LEAST

PLACES = 10
_BEFORE = 40


def drift(  # noqa: PLR0913 - the entry of the room: keyword-only after the pair, each with the command line's default
    base: str | ModelRef,
    student: str | ModelRef,
    *,
    text: str | Path | None = None,
    passages: Sequence[Passage] = (),
    replies: Sequence[StoredReply] = (),
    cache: str | Path | None = None,
    top_k: int = TOP_K,
    settings: EngineSettings | None = None,
    progress: Progress | None = None,
    environment: Environment,
) -> DriftResult:
    """Measure how far two models' distributions over the next token are apart on the same texts.

    Args:
        base: The plain model.
        student: The distillation made from it.
        text: A file to read instead of the neutral texts that come along.
        passages: Texts to read instead of both.
        replies: Replies of an audit to read instead, behind their prompts.
        cache: File of the base's side: read if it is there, so that the base is asked nothing, else written. Either
            way the student is compared with what it holds, and divergences are lower bounds.
        top_k: Tokens of each place that it keeps.
        settings: Engine settings.
        progress: Who is told what happens.
        environment: Record of the machine.

    Raises:
        HydrometerError: With one line that says what is wrong and the cure.
    """
    settings, progress = settings or EngineSettings(), progress or Silent()
    refs = [ref if isinstance(ref, ModelRef) else parse_ref(ref) for ref in (base, student)]
    if not LEAST <= top_k <= MOST:
        msg = f"--top-k {top_k}: keep between {LEAST} and {MOST} tokens of a place"
        raise UsageError(msg)
    path = Path(cache) if cache else None
    kept = Cache(path) if path and path.exists() else None
    with ExitStack() as stack:
        progress.start("open both models", 2)
        first = stack.enter_context(open_reader(refs[0], settings))
        if replies:
            texts = as_passages(replies, first.chat_template)
        else:
            texts = tuple(passages) or (from_file(Path(text)) if text else neutral())
        wanted = _window(settings, texts)
        own = None
        if kept:
            own = _of_this_base(kept, first, texts, min(wanted, first.context or wanted), settings, top_k)
            first.close()
        progress.advance()
        second = stack.enter_context((None if kept else first.beside(refs[1])) or open_reader(refs[1], settings))
        progress.advance()
        threads = settings.threads or os.cpu_count() or 1
        window = min([wanted, *(r.context for r in (first, second) if r.context)])
        if kept and kept.header.window > window:
            msg = f"--cache {path} was read in windows of {kept.header.window} tokens: more than the student's {window}"
            raise ModelError(f"{msg}, so name another file")
        window = kept.header.window if kept else window
        run = _Run(second, texts, window, threads, progress)
        if kept and own:
            return run.compared(CachedBase(kept), own, environment)
        rows = make_rows(first, texts, window)
        if path is None:
            return run.result(ReadBase(first, threads=threads), rows, environment)
        header = header_of(first.identity(), texts, rows, vocabulary=first.vocabulary, top_k=top_k, window=window)
        writer = CacheWriter(path, header)
        try:
            return run.compared(KeepingBase(first, writer, threads=threads), rows, environment)
        finally:
            writer.discard()


def _window(settings: EngineSettings, texts: Sequence[Passage]) -> int:
    """Tokens read at once: a reply is read whole behind its prompt, as far as the models' own windows reach."""
    return max(WINDOW, settings.context, REPLY_WINDOW if any(text.prompt for text in texts) else 0)


def _of_this_base(
    kept: Cache, base: Reader, texts: Sequence[Passage], window: int, settings: EngineSettings, top_k: int
) -> list[Row]:
    """Return the rows of a cache, once it is seen to be of this base and these texts.

    Its window may be smaller than the base's: that of the student for whom it was written.
    """
    if not settings.context:
        window = min(window, kept.header.window)
    rows = make_rows(base, texts, window)
    kept.check(header_of(base.identity(), texts, rows, vocabulary=base.vocabulary, top_k=top_k, window=window))
    return rows


class _Run:
    """The student, opened, and the texts."""

    def __init__(
        self, student: Reader, texts: Sequence[Passage], window: int, threads: int, progress: Progress
    ) -> None:
        self._student, self._texts, self._progress = student, texts, progress
        self._window, self._threads = window, threads
        self._identity = student.identity()
        self._clock = time.perf_counter()

    def result(self, base: ReadBase, rows: Sequence[Row], environment: Environment) -> DriftResult:
        """Compare token by token where the tokenizers agree, else in bits per byte."""
        theirs = make_rows(self._student, self._texts, self._window)
        if not rows or not theirs:
            msg = "no text has two tokens, and nothing predicts the first: give a longer text"
            raise UsageError(msg)
        if self._alike(base.identity, rows, theirs):
            return self._compared(base, rows, environment)
        return self._apart(base, (rows, theirs), environment)

    def compared(self, base: BaseSide, rows: Sequence[Row], environment: Environment) -> DriftResult:
        """Compare token by token.

        Raises:
            ModelError: The tokenizers differ, so that what is kept of the base says nothing.
        """
        if not rows:
            msg = "no text has two tokens, and nothing predicts the first: give a longer text"
            raise UsageError(msg)
        if not self._alike(base.identity, rows, make_rows(self._student, self._texts, self._window)):
            msg = "the two tokenizers differ, so only bits per byte can be compared: leave --cache out"
            raise ModelError(msg)
        return self._compared(base, rows, environment)

    def _alike(self, base: ModelIdentity, rows: Sequence[Row], theirs: Sequence[Row]) -> bool:
        # Equal digests mean equal vocabularies; across engines digests are made differently, so the ids decide.
        known = base.tokenizer == self._identity.tokenizer or base.engine != self._identity.engine
        return rows == theirs and known

    def _compared(self, base: BaseSide, rows: Sequence[Row], environment: Environment) -> DriftResult:
        student = self._student
        done = self._bar("read with both models", rows)
        read = read_pair(base.source, student, rows, width=base.vocabulary, threads=self._threads, done=done)
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
            kept=base.facts(float(read.tokens.rest.mean())),
        )

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
