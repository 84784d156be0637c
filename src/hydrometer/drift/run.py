"""A drift run: open both models, cut the texts, read, sum up. One checkpoint plus an adapter is opened once.

A base whose side was kept in a file is opened to see who it is, and closed before the student is opened.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from hydrometer.catalog import open_reader
from hydrometer.drift.base_side import CachedBase, KeepingBase, side_of
from hydrometer.drift.cache import MOST, TOP_K, Cache, CacheWriter, header_of
from hydrometer.drift.kld_run import against_file, into_file
from hydrometer.drift.pair import Pair
from hydrometer.drift.replies import StoredReply, as_passages
from hydrometer.drift.result import DriftResult
from hydrometer.drift.rows import REPLY_WINDOW, WINDOW, Row, make_rows
from hydrometer.drift.texts import Passage, from_file, neutral
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.reading import Reader
from hydrometer.errors import ModelError, UsageError
from hydrometer.progress import Progress, Silent
from hydrometer.provenance import Environment
from hydrometer.refs import parse_ref
from hydrometer.spec import ModelRef
from hydrometer.stats.top import LEAST


def drift(  # noqa: PLR0913 - the entry of the room: keyword-only after the pair, each with the command line's default
    base: str | ModelRef,
    student: str | ModelRef,
    *,
    text: str | Path | None = None,
    passages: Sequence[Passage] = (),
    replies: Sequence[StoredReply] = (),
    cache: str | Path | None = None,
    top_k: int = TOP_K,
    kld: str | Path | None = None,
    write_kld: str | Path | None = None,
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
        kld: A file of `llama-perplexity` with the base's side of `text`; the base is not opened then.
        write_kld: Where such a file is written, with what both models are compared on.
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
    if file := kld or write_kld:
        if not text or cache or replies or passages or (kld and write_kld):
            msg = "a .kld file belongs to one text: give --text FILE, no --cache, no --audit and no second such file"
            raise UsageError(msg)
        run_file = against_file if kld else into_file
        return run_file(Path(file), refs, Path(text), settings, progress, environment)
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
        for reader in (second,) if kept else (first, second):
            if reader.top_only is not None:
                reader.top_only.top_k = top_k
        threads = settings.threads or os.cpu_count() or 1
        window = min([wanted, *(r.context for r in (first, second) if r.context)])
        if kept and kept.header.window > window:
            msg = f"--cache {path} was read in windows of {kept.header.window} tokens: more than the student's {window}"
            raise ModelError(f"{msg}, so name another file")
        window = kept.header.window if kept else window
        run = Pair(second, texts, window, threads, progress)
        if kept and own:
            return run.kept(CachedBase(kept), own, environment)
        rows = make_rows(first, texts, window)
        if path is None:
            return run.result(side_of(first, threads=threads), rows, environment)
        header = header_of(first.identity(), texts, rows, vocabulary=first.vocabulary, top_k=top_k, window=window)
        writer = CacheWriter(path, header)
        try:
            return run.kept(KeepingBase(first, writer, threads=threads), rows, environment)
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
