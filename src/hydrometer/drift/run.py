"""A drift run: open both models, cut the texts, read, sum up. One checkpoint plus an adapter is opened once."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from hydrometer.catalog import open_reader
from hydrometer.drift.reading import (
    REPLY_WINDOW,
    WINDOW,
    Read,
    Row,
    floor,
    floor_rows,
    make_rows,
    read_alone,
    read_pair,
)
from hydrometer.drift.replies import StoredReply, as_passages
from hydrometer.drift.result import Distance, DriftResult, Place
from hydrometer.drift.summary import distance, heat
from hydrometer.drift.texts import Passage, from_file, neutral
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.reading import Reader
from hydrometer.errors import UsageError
from hydrometer.progress import Progress, Silent
from hydrometer.provenance import Environment
from hydrometer.refs import parse_ref
from hydrometer.spec import ModelRef

PLACES = 10
_BEFORE = 40


def drift(
    base: str | ModelRef,
    student: str | ModelRef,
    *,
    text: str | Path | None = None,
    passages: Sequence[Passage] = (),
    replies: Sequence[StoredReply] = (),
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
        settings: Engine settings.
        progress: Who is told what happens.
        environment: Record of the machine.

    Raises:
        HydrometerError: With one line that says what is wrong and the cure.
    """
    settings, progress = settings or EngineSettings(), progress or Silent()
    refs = [ref if isinstance(ref, ModelRef) else parse_ref(ref) for ref in (base, student)]
    with ExitStack() as stack:
        progress.start("open both models", 2)
        first = stack.enter_context(open_reader(refs[0], settings))
        if replies:
            texts = as_passages(replies, first.chat_template)
        else:
            texts = tuple(passages) or (from_file(Path(text)) if text else neutral())
        progress.advance()
        second = stack.enter_context(first.beside(refs[1]) or open_reader(refs[1], settings))
        progress.advance()
        return _Run(first, second, texts, settings, progress).result(environment)


class _Run:
    """Both models, opened, and the texts."""

    def __init__(
        self, base: Reader, student: Reader, texts: Sequence[Passage], settings: EngineSettings, progress: Progress
    ) -> None:
        self._readers, self._texts, self._progress = (base, student), texts, progress
        self._threads = settings.threads or os.cpu_count() or 1
        # A reply is read whole behind its prompt, as far as the models' own windows reach.
        wanted = max(WINDOW, settings.context, REPLY_WINDOW if any(text.prompt for text in texts) else 0)
        self._window = min([wanted, *(r.context for r in self._readers if r.context)])
        self._identities = (base.identity(), student.identity())

    def result(self, environment: Environment) -> DriftResult:
        clock = time.perf_counter()
        rows = [make_rows(reader, self._texts, self._window) for reader in self._readers]
        if not all(rows):
            msg = "no text has two tokens, and nothing predicts the first: give a longer text"
            raise UsageError(msg)
        # Equal digests mean equal vocabularies; across engines digests are made differently, so the ids decide.
        known = [identity.tokenizer for identity in self._identities]
        engines = {identity.engine for identity in self._identities}
        alike = rows[0] == rows[1] and (known[0] == known[1] or len(engines) > 1)
        if alike:
            return self._compared(rows[0], clock, environment)
        return self._apart(rows, clock, environment)

    def _compared(self, rows: Sequence[Row], clock: float, environment: Environment) -> DriftResult:
        base, student = self._readers
        done = self._bar("read with both models", rows)
        read = read_pair(base, student, rows, threads=self._threads, done=done)
        again = floor_rows(rows)
        done = self._bar("read with the base again", again)
        itself = floor(base, again, threads=self._threads, done=done)
        size = self._bytes(rows)
        bits = [-float(side.sum()) / np.log(2.0) / size for side in (read.tokens.base, read.tokens.student)]
        return DriftResult(
            base=self._identities[0],
            student=self._identities[1],
            vocabulary=min(base.vocabulary, student.vocabulary),
            bits=(bits[0], bits[1]),
            whole=distance("all", read.tokens, read.documents),
            groups=self._split(read, lambda passage, _: passage.group),
            sources=self._split(read, lambda passage, _: passage.source),
            spans=self._split(read, lambda passage, start: passage.span(start)),
            heat=heat(read.tokens.heated),
            floor=distance("base itself", itself.tokens, itself.documents),
            places=self._places(read),
            bytes=size,
            cut=self._cut(rows),
            window=self._window,
            seconds=time.perf_counter() - clock,
            environment=environment,
        )

    def _apart(self, rows: Sequence[Sequence[Row]], clock: float, environment: Environment) -> DriftResult:
        """Different tokenizers: what both give to the same bytes is all that can be compared."""
        bits = []
        for side, reader, own in zip(("base", "student"), self._readers, rows, strict=True):
            total, _ = read_alone(reader, own, done=self._bar(f"read with the {side}", own))
            bits.append(-total / np.log(2.0) / self._bytes(own))
        return DriftResult(
            base=self._identities[0],
            student=self._identities[1],
            vocabulary=0,
            bits=(bits[0], bits[1]),
            whole=None,
            groups=(),
            sources=(),
            spans=(),
            heat=None,
            floor=None,
            places=(),
            bytes=self._bytes(rows[0]),
            cut=self._cut(rows[0]),
            window=self._window,
            seconds=time.perf_counter() - clock,
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
