"""A drift run over a text as llama-perplexity cuts it, with a file of its in the base's place, or one that it reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from hydrometer.catalog import open_reader
from hydrometer.distances import Distance
from hydrometer.drift.base_side import Bar, Feed, ReadBase
from hydrometer.drift.kld import KldFile, KldWriter, chunks
from hydrometer.drift.pair import Pair
from hydrometer.drift.reading import Kept, scored
from hydrometer.drift.result import DriftResult
from hydrometer.drift.result import Kept as KeptFacts
from hydrometer.drift.rows import WINDOW, Row
from hydrometer.drift.texts import whole_file
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.reading import Reader
from hydrometer.errors import EngineError, ModelError
from hydrometer.progress import Progress
from hydrometer.provenance import Environment, ModelIdentity
from hydrometer.spec import ModelRef

ENGINE = "llama-perplexity"


def against_file(
    path: Path,
    refs: Sequence[ModelRef],
    text: Path,
    settings: EngineSettings,
    progress: Progress,
    environment: Environment,
) -> DriftResult:
    """Compare a student with what a file holds of its base.

    Args:
        path: The file.
        refs: Base and student; the base is not opened, its name stands in the result.
        text: The text that was read.
        settings: Engine settings.
        progress: Who is told what happens.
        environment: Record of the machine.

    Raises:
        UsageError: The file is damaged, or of another vocabulary, window, tokenizer or text.
    """
    file = KldFile(path)
    with ExitStack() as stack:
        progress.start("open the student", 1)
        student = stack.enter_context(open_reader(refs[1], settings))
        progress.advance()
        texts, rows, tokens = chunks(student, text.name, whole_file(text), file.context)
        file.check(student, tokens, settings.context)
        rows = rows[: file.chunks]
        threads = settings.threads or os.cpu_count() or 1
        return Pair(student, texts, file.context, threads, progress).compared(
            FileBase(file, refs[0].text), rows, environment
        )


def into_file(
    path: Path,
    refs: Sequence[ModelRef],
    text: Path,
    settings: EngineSettings,
    progress: Progress,
    environment: Environment,
) -> DriftResult:
    """Compare two models, and write the base's side to a file that llama-perplexity reads.

    Args:
        path: Where to.
        refs: Base and student.
        text: The text.
        settings: Engine settings; `context` is the length of its windows.
        progress: Who is told what happens.
        environment: Record of the machine.

    Raises:
        ModelError: The tokenizers differ, or a model does not read windows of this length.
    """
    context = settings.context or WINDOW
    with ExitStack() as stack:
        progress.start("open both models", 2)
        base = stack.enter_context(open_reader(refs[0], settings))
        progress.advance()
        student = stack.enter_context(base.beside(refs[1]) or open_reader(refs[1], settings))
        progress.advance()
        texts, rows, tokens = chunks(base, text.name, whole_file(text), context)
        for reader, ref in ((base, refs[0]), (student, refs[1])):
            if reader.context and reader.context < context:
                msg = f"{ref.text!r} reads {reader.context} tokens at most, less than --context {context}"
                raise ModelError(msg)
        if [row.ids for row in chunks(student, text.name, whole_file(text), context)[1]] != [row.ids for row in rows]:
            msg = "the two tokenizers differ, and a .kld file is for models of one tokenizer: leave --write-kld out"
            raise ModelError(msg)
        writer = KldWriter(path, context=context, vocabulary=base.vocabulary, tokens=tokens)
        threads = settings.threads or os.cpu_count() or 1
        try:
            return Pair(student, texts, context, threads, progress).compared(
                WritingBase(base, writer, threads=threads), rows, environment
            )
        finally:
            writer.discard()


class FileBase:
    """A base of which only a file is there.

    Args:
        file: The file.
        name: What the user calls the base.
    """

    def __init__(self, file: KldFile, name: str) -> None:
        # The file does not say who wrote it.
        self.identity = ModelIdentity(
            label=f"{name}, from {file.path.name}",
            weights="",
            tokenizer="",
            template="",
            engine=ENGINE,
            engine_version=f"a .kld file of {ENGINE}",
            precision="16-bit codes",
            context_length=file.context,
        )
        self.vocabulary = file.vocabulary
        self._feed = Feed(file.rows())

    def source(self, batch: Sequence[Row], piece: int) -> Iterator[Kept]:
        """Yield the file's log-probabilities."""
        del piece
        return self._feed.take(sum(len(row.starts) for row in batch))

    def floor(self, rows: Sequence[Row], bar: Bar) -> Distance | None:
        """Return None: nobody can ask it again."""
        del rows, bar
        return None

    def facts(self, rest: float) -> KeptFacts | None:
        """Return None: the file has the whole vocabulary."""
        del rest
        return None


class WritingBase(ReadBase):
    """A base that is read, and written into a file.

    Args:
        reader: The opened model.
        writer: The file.
        threads: Rows computed at a time.
    """

    def __init__(self, reader: Reader, writer: KldWriter, *, threads: int) -> None:
        super().__init__(reader, threads=threads)
        self._writer = writer

    def source(self, batch: Sequence[Row], piece: int) -> Iterator[Kept]:
        """Yield its logits as they are, not as the file rounds them."""
        for logits in scored(self.reader, batch, piece):
            try:
                self._writer.add(logits)
            except ValueError as error:
                raise EngineError(str(error)) from error
            yield logits

    def floor(self, rows: Sequence[Row], bar: Bar) -> Distance | None:
        """Read some of the rows again, and complete the file."""
        self._writer.finish()
        return super().floor(rows, bar)
