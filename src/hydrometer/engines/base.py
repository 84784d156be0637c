"""The engine protocol: something that answers requests.

An engine is one class in one file. It is imported only when chosen, maps foreign errors once, and yields
answers as they finish, in any order. A request that fails on its own (too long for the window, refused by a
server) is answered with `Finish.ERROR`; a failure of the engine itself raises `EngineError`, and whatever was
yielded before is kept by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import NamedTuple, Protocol, Self, runtime_checkable

from hydrometer.errors import UsageError
from hydrometer.items import Message, Request, raw_texts
from hydrometer.outcomes import Completion, Finish
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef


class Answer(NamedTuple):
    """A request and what came back."""

    request: Request
    completion: Completion


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an engine can do for a model.

    Attributes:
        choice_methods: Ways to score choices, best first: `continuation` (log-probability of each whole choice),
            `letters` (next-token log-probability of option letters), `rolling` (each choice a whole text that stands
            alone, in windows where it is long). Empty: the engine cannot score.
        token_ids: Whether completions carry token ids.
        local: Whether the engine holds the weights itself, so that they have a digest.
    """

    choice_methods: tuple[str, ...]
    token_ids: bool
    local: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Settings of an engine that a user may choose; an engine ignores what is not its own.

    Attributes:
        threads: Processor threads, 0 for the engine's choice.
        slots: Requests decoded together, 0 for the engine's choice.
        context: Window per request in tokens, 0 for the engine's choice.
        window: Window that the plan needs; an engine that opens one of its own choice opens no smaller one.
        dtype: Weight dtype of the `hf` engine (`auto`, `float32`, `bfloat16`).
        device: Device of the `hf` engine, `""` for the best one found.
        concurrency: Largest number of requests in flight of the `http` engine.
        timeout: Seconds a server may take for one reply.
        api_key_env: Environment variable that holds a server's key; not a vendor's own, whose key would then be sent
            to any address that is typed.
        chat_template: Template source that replaces the model's own, `""` for its own.
        batch: Whether the `http` engine asks through the server's batch API.
        folder: Where an engine may keep things of its own, such as the log of a server that it started; `""` for the
            system's temporary folder.
        cluster: Address of a Ray cluster on whose nodes the model is opened, `""` for this machine alone.
    """

    threads: int = 0
    slots: int = 0
    context: int = 0
    window: int = 0
    dtype: str = "auto"
    device: str = ""
    concurrency: int = 32
    timeout: float = 600.0
    api_key_env: str = "HYDROMETER_API_KEY"
    chat_template: str = ""
    batch: bool = False
    folder: str = ""
    cluster: str = ""

    def __post_init__(self) -> None:
        """Refuse numbers that no engine can be opened with: some libraries wait for ever instead of saying so.

        Raises:
            UsageError: A number out of its range.
        """
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                default = "" if least else ", 0 for the default"
                msg = f"--{name} {value}: must lie from {least:,} to {most:,}{default}"
                raise UsageError(msg)
        if not 0.0 < self.timeout <= _LONGEST:
            msg = f"--timeout {self.timeout:g}: must be above 0 seconds and at most {_LONGEST:,}"
            raise UsageError(msg)


_RANGES = {"threads": (0, 4096), "slots": (0, 4096), "context": (0, 2**31 - 1), "concurrency": (1, 65_536)}
_LONGEST = 10_000_000


@runtime_checkable
class Engine(Protocol):
    """One opened model. Use it as a context manager: leaving it frees the memory."""

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do for this model."""
        ...

    def identity(self) -> ModelIdentity:
        """Who answers. Costs a file hash or a few requests; call it once."""
        ...

    @property
    def chat_template(self) -> str:
        """Source of the chat template in use, `""` if the engine cannot see it."""
        ...

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yield one answer per request as they finish, in any order."""
        ...

    def score(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        """Yield one answer per request, with one `ChoiceScore` per choice.

        Args:
            requests: Requests of kind `choices`.
            method: One of `capabilities.choice_methods`.
        """
        ...

    def close(self) -> None:
        """Free the model; calling it twice is harmless."""
        ...

    def __enter__(self) -> Self:
        """Return the engine itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine."""
        ...


@runtime_checkable
class DraftEngine(Engine, Protocol):
    """An engine to which it helps to be told what a reply may be."""

    def generate_like(self, requests: Sequence[Request], drafts: Mapping[str, tuple[int, ...]]) -> Iterator[Answer]:
        """Yield what `generate` yields, which no draft changes.

        Args:
            requests: Requests for a reply.
            drafts: Token ids that a reply may have, by the digest of its request.
        """
        ...


@runtime_checkable
class SharingEngine(Engine, Protocol):
    """An engine whose weights another one may use."""

    def beside(self, ref: ModelRef, settings: EngineSettings) -> Engine | None:
        """Return an engine of another model that shares these weights, None where it does not."""
        ...


EngineOpener = Callable[[ModelRef, EngineSettings], Engine]
"""What each entry of `catalog.ENGINES` names: opens a model or raises `ModelError`, `EngineUnavailableError`."""

ROLLING = "rolling"
"""Method for whole texts; it needs log-probabilities of what is given, which servers do not offer."""

LETTERS = "ABCDEFGHIJ"
"""Option letters of the `letters` method."""


def letters_prompt(question: str, choices: Sequence[str]) -> str:
    """Return the user turn that offers choices by letter.

    One wording for every engine, so that two engines that score by letters ask the same thing.
    """
    options = "\n".join(f"{letter}. {choice.strip()}" for letter, choice in zip(LETTERS, choices, strict=False))
    return f"{question}\n\n{options}\n\nAnswer with the letter of the right option only."


def score_apart(
    requests: Sequence[Request], score: Callable[[Sequence[Request]], Iterator[Answer]]
) -> Iterator[Answer]:
    """Yield one answer per request, those whose choices have a raw prompt each put together from single ones.

    Args:
        requests: Requests of kind `choices`.
        score: Scores requests that have one prompt.
    """
    parts = {r.digest: _parts(r) for r in requests if len(raw_texts(r.messages)) > 1}
    waiting = [request for request in requests if request.digest in parts]
    single = {part.digest: part for own in parts.values() for part, _ in own}
    mine = {id(part) for part in single.values()}
    found: dict[str, Completion] = {}
    for answer in score([*(r for r in requests if r.digest not in parts), *single.values()]):
        if id(answer.request) not in mine:
            yield answer
            continue
        found[answer.request.digest] = answer.completion
        ready = [r for r in waiting if all(part.digest in found for part, _ in parts[r.digest])]
        waiting = [r for r in waiting if r not in ready]
        for request in ready:
            yield Answer(request, _together([(found[part.digest], at) for part, at in parts[request.digest]]))


def _parts(request: Request) -> list[tuple[Request, tuple[int, ...]]]:
    """One request per prompt, with the places of its choices."""
    prompts = raw_texts(request.messages)
    places = {prompt: tuple(i for i, own in enumerate(prompts) if own == prompt) for prompt in prompts}
    return [
        (
            replace(request, messages=(Message("raw", prompt),), choices=tuple(request.choices[i] for i in at)),
            at,
        )
        for prompt, at in places.items()
    ]


def _together(parts: Sequence[tuple[Completion, tuple[int, ...]]]) -> Completion:
    for part, _ in parts:
        if part.finish is Finish.ERROR:
            return part
    placed = {place: choice for part, at in parts for place, choice in zip(at, part.choices, strict=True)}
    return replace(
        parts[0][0],
        choices=tuple(placed[place] for place in sorted(placed)),
        prompt_tokens=sum(part.prompt_tokens or 0 for part, _ in parts),
        seconds=sum(part.seconds for part, _ in parts),
    )


class ClosingEngine:
    """The context-manager half of the protocol, for engines to inherit."""

    def close(self) -> None:
        """Free the model; the default has nothing to free."""

    def __enter__(self) -> Self:
        """Return the engine itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine."""
        self.close()
