"""One model of a pair while it is asked: opened when needed, every answer written down as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Self

from hydrometer.engines.base import Capabilities, DraftEngine, Engine, EngineSettings, SharingEngine
from hydrometer.items import Kind, Request
from hydrometer.outcomes import Completion, Finish
from hydrometer.plan import SideName
from hydrometer.progress import Progress
from hydrometer.provenance import ModelIdentity, completion_key
from hydrometer.sampling import family_of
from hydrometer.spec import ModelRef
from hydrometer.store import Store

Opener = Callable[[ModelRef, EngineSettings], Engine]


class Respondent:
    """One model of the pair. Use it as a context manager: leaving it frees the memory.

    Args:
        side: Which of the two it is.
        ref: The model.
        settings: Engine settings.
        opener: Opens a model.
        store: Where answers are kept.
        progress: Who is told what happens.

    Attributes:
        asked: Requests asked in this run.
        reused: Requests the store already had an answer to.
        tokens: Tokens of all replies so far, kept ones included.
        seconds: Wall time of the asking.
        planned: Requests planned, for a progress bar.
        template: Source of its chat template, known once it was identified.
    """

    def __init__(
        self,
        side: SideName,
        ref: ModelRef,
        settings: EngineSettings,
        *,
        opener: Opener,
        store: Store,
        progress: Progress,
    ) -> None:
        self.side, self.ref = side, ref
        self._settings, self._opener, self._store, self._progress = settings, opener, store, progress
        self._engine: Engine | None = None
        self._identity: ModelIdentity | None = None
        self._answered: dict[str, Completion] = {}
        self.asked = self.reused = self.tokens = 0
        self.seconds = 0.0
        self.planned = 0
        self._host: Respondent | None = None
        self._partner: Respondent | None = None
        self.template = ""

    def open(self) -> Engine:
        """Return the engine, opened if it is not."""
        if self._engine is None:
            self._engine = self._shared() or self._opener(self.ref, self._settings)
        return self._engine

    def share(self, other: Respondent) -> None:
        """Use the other's weights, which this one is with an adapter: both are open at once, and in memory once."""
        self._host, self._partner, other._partner = other, other, self

    def _shared(self) -> Engine | None:
        host = self._host.open() if self._host is not None else None
        return host.beside(self.ref, self._settings) if isinstance(host, SharingEngine) else None

    def close(self) -> None:
        """Free the model; the next question opens it again."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def rest(self) -> None:
        """Free the model if it holds memory here that no other needs; a server's connection stays."""
        if self._engine is not None and self._engine.capabilities.local and self._partner is None:
            self.close()

    def narrow(self, context: int) -> None:
        """Open it with a smaller window from now on; who it is, is asked again."""
        self.close()
        if self._partner is not None:
            self._partner.close()
        self._settings, self._identity = replace(self._settings, context=context), None

    @property
    def capabilities(self) -> Capabilities:
        """What its engine can do."""
        return self.open().capabilities

    @property
    def identity(self) -> ModelIdentity:
        """Who it is, asked once."""
        if self._identity is None:
            self._progress.start(f"identify {self.ref.text}", 1)
            engine = self.open()
            found = engine.identity()
            self._progress.advance()
            self.template = engine.chat_template
            family = found.family or family_of(found.architecture, engine.chat_template, found.label)
            self._identity = replace(found, family=family)
        return self._identity

    @property
    def opened(self) -> bool:
        """Whether the engine is open."""
        return self._engine is not None

    def ask(
        self,
        requests: Sequence[Request],
        *,
        label: str = "",
        before: Callable[[], None] | None = None,
        like: Respondent | None = None,
    ) -> None:
        """Ask what was not answered before; the engine is opened only if something is missing.

        Args:
            requests: What to ask.
            label: What a progress bar says, `""` for the usual.
            before: Called before the engine is opened, to free what the other model holds.
            like: Who may have said the same already: a greedy reply that is equal is then only checked.
        """
        clock = time.perf_counter()
        identity = self.identity
        # A digest is a hash over the whole conversation: taken once per request.
        wanted = {d: r for d, r in ((r.digest, r) for r in requests) if d not in self._answered}
        kept = {d: self._store.completion(completion_key(identity, d)) for d in wanted}
        missing = [wanted[d] for d, completion in kept.items() if completion is None]
        total = len(wanted) if label else max(self.planned, len(wanted))
        self._progress.start(label or f"ask {self.side} ({identity.label})", total)
        for request_digest, completion in kept.items():
            if completion is not None:
                self._take(request_digest, completion)
        self.reused += len(wanted) - len(missing)
        if missing:
            if before is not None:
                before()
            self._stream(identity, missing, self._drafts(like, missing))
        self.asked += len(missing)
        self.seconds += time.perf_counter() - clock

    def answer(self, request: Request) -> Completion:
        """Return the answer to a request that was asked; one that never came back is an engine error."""
        return self._answered.get(request.digest) or Completion(
            finish=Finish.ERROR, error="the engine gave no answer"
        )

    def key(self, request: Request) -> str:
        """Return the key of a request's answer in the store."""
        return completion_key(self.identity, request.digest)

    def __enter__(self) -> Self:
        """Return it, unopened."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the model."""
        self.close()

    def _drafts(self, like: Respondent | None, missing: Sequence[Request]) -> dict[str, tuple[int, ...]]:
        """What another model said, in tokens of this one; nothing if their tokens are others."""
        if like is None or not self.identity.tokenizer or like.identity.tokenizer != self.identity.tokenizer:
            return {}
        said = {request.digest: like.answer(request).token_ids for request in missing if request.decoding.greedy}
        return {request: ids for request, ids in said.items() if ids}

    def _stream(
        self, identity: ModelIdentity, missing: Sequence[Request], drafts: Mapping[str, tuple[int, ...]]
    ) -> None:
        engine = self.open()
        self._store.put_identity(identity)
        scored = [r for r in missing if r.kind is Kind.CHOICES]
        generated = [r for r in missing if r.kind is Kind.GENERATE]
        streams = [
            engine.score([request for request in scored if request.method == method], method)
            for method in dict.fromkeys(request.method for request in scored)
        ]
        if generated and drafts and isinstance(engine, DraftEngine):
            streams.append(engine.generate_like(generated, drafts))
        elif generated:
            streams.append(engine.generate(generated))
        for stream in streams:
            for request, completion in stream:
                self._store.put_completion(identity, request, completion)
                if completion.text:
                    self._progress.arrived(self.side, request.asked, completion.text)
                self._take(request.digest, completion)

    def _take(self, request_digest: str, completion: Completion) -> None:
        self._answered[request_digest] = completion
        self.tokens += completion.completion_tokens or 0
        self._progress.advance()
