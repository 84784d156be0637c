"""Scripted replies: an engine without a model, for tests, demonstrations and dry runs of a whole audit.

    fake:echo                       repeats the last turn
    fake:SCRIPT.json                replies from a file, see `Script`
    fake:echo?delay=0.01&seed=1     seconds per reply; another seed is another model with other preferences

It is deterministic, and two fakes are comparable: same engine, same version, different weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hydrometer.canon import digest
from hydrometer.engines.base import LETTERS, Answer, Capabilities, ClosingEngine, EngineSettings, score_apart
from hydrometer.errors import ModelError, UnknownNameError
from hydrometer.items import Request, cut_at
from hydrometer.outcomes import ChoiceScore, Completion, Finish
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef

Reply = Callable[[Request], Completion]
"""What a fake says to a request."""

Preference = Literal["digest", "first", "longest"]
"""Which choice a fake finds most probable: drawn from a digest, the first, or the longest."""

VERSION = "1"
METHODS = ("continuation", "letters")
_STRICT = ConfigDict(extra="forbid", frozen=True)


class Script(BaseModel):
    """A script file.

    Attributes:
        model: Name for tables.
        default: What is said where no key of `replies` fits.
        replies: Substring of the last turn to the reply; the first that fits wins.
        prefer: Which choice is the most probable one.
    """

    model_config = _STRICT

    model: str = ""
    default: str = ""
    replies: dict[str, str] = Field(default_factory=dict)
    prefer: Preference = "digest"


class Options(BaseModel):
    """What may follow the question mark of a reference."""

    model_config = _STRICT

    delay: float = Field(default=0.0, ge=0.0, le=60.0)
    seed: int = 0


class FakeEngine(ClosingEngine):
    """Answers from a function.

    Args:
        reply: What is said to a request.
        label: Name for tables; part of what choice scores are drawn from.
        weights: Stands for the weights: two fakes with equal weights are one model.
        prefer: Which choice is the most probable one.
        delay: Seconds that each answer takes.
    """

    def __init__(
        self, reply: Reply, label: str, weights: str, *, prefer: Preference = "digest", delay: float = 0.0
    ) -> None:
        self._reply, self._label, self._weights = reply, label, weights
        self._prefer, self._delay = prefer, delay

    @property
    def capabilities(self) -> Capabilities:
        """Everything but token ids."""
        return Capabilities(choice_methods=METHODS, token_ids=False, local=True)

    @property
    def chat_template(self) -> str:
        """There is none."""
        return ""

    def identity(self) -> ModelIdentity:
        """Return who answers."""
        return ModelIdentity(
            label=self._label,
            weights=self._weights,
            tokenizer="words",
            template="",
            engine="fake",
            engine_version=VERSION,
            precision="fake",
            architecture="fake",
        )

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yield the scripted replies, in order."""
        for request in requests:
            self._wait()
            yield Answer(request, self._reply(request))

    def score(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        """Yield a score per choice.

        Raises:
            UnknownNameError: The method is not one of `METHODS`.
        """
        if method not in METHODS:
            raise UnknownNameError.among("choice method", method, METHODS)

        def one_prompt(own: Sequence[Request]) -> Iterator[Answer]:
            for request in own:
                self._wait()
                yield Answer(request, self._scored(request, method))

        yield from score_apart(requests, one_prompt)

    def _wait(self) -> None:
        # Even a sleep of no time gives the processor away.
        if self._delay:
            time.sleep(self._delay)

    def _scored(self, request: Request, method: str) -> Completion:
        if method == "letters" and len(request.choices) > len(LETTERS):
            error = f"{len(request.choices)} choices, and there are letters for {len(LETTERS)}"
            return Completion(finish=Finish.ERROR, error=error)
        logprobs = [self._logprob(request, index) for index in range(len(request.choices))]
        scores = tuple(
            # Where a whole text is more probable than all others together, so is each of its tokens.
            ChoiceScore(logprob=p, tokens=1 if method == "letters" else _words(choice), greedy=p > math.log(0.5))
            for p, choice in zip(logprobs, request.choices, strict=True)
        )
        return Completion(choices=scores, method=method, prompt_tokens=_prompt_words(request))

    def _logprob(self, request: Request, index: int) -> float:
        choice = request.choices[index]
        if self._prefer == "first":
            return -1.0 - index
        if self._prefer == "longest":
            return -1.0 / (1.0 + len(choice))
        drawn = digest([self._label, [list(m) for m in request.messages], choice]).removeprefix("s2:")
        return -0.01 - int(drawn[:8], 16) / 0xFFFFFFFF * 10.0


def echo(request: Request) -> Completion:
    """Repeat the last turn, cut at the cap."""
    return spoken(request, request.asked)


def spoken(request: Request, text: str) -> Completion:
    """Return a reply with its counts of words, cut at a stop and where the request's cap is."""
    text = cut_at(text, request.stops)
    words = text.split()
    cut = len(words) > request.max_tokens
    return Completion(
        text=" ".join(words[: request.max_tokens]) if cut else text,
        finish=Finish.LENGTH if cut else Finish.STOP,
        prompt_tokens=_prompt_words(request),
        completion_tokens=min(len(words), request.max_tokens),
    )


def scripted(default: str, replies: Mapping[str, str]) -> Reply:
    """Return a reply function that looks for substrings of the last turn."""

    def reply(request: Request) -> Completion:
        return spoken(request, next((said for key, said in replies.items() if key in request.asked), default))

    return reply


def open_model(ref: ModelRef, settings: EngineSettings) -> FakeEngine:
    """Open a fake by its reference.

    Raises:
        ModelError: The script cannot be read, or an option is wrong.
        UnknownNameError: There is no such built-in script.
    """
    del settings  # A fake has nothing to set.
    name, _, query = ref.target.partition("?")
    options = _options(ref, query)
    if name == "echo":
        label = f"echo-{options.seed}" if options.seed else "echo"
        return FakeEngine(echo, label, digest(["echo", options.model_dump()]), delay=options.delay)
    if not name.endswith(".json"):
        raise UnknownNameError.among("fake", name, ("echo", "SCRIPT.json"))
    script = _read(ref, Path(name).expanduser())
    label = script.model or Path(name).stem
    return FakeEngine(
        scripted(script.default, script.replies),
        f"{label}-{options.seed}" if options.seed else label,
        digest([script.model_dump(), list(script.replies), options.model_dump()]),
        prefer=script.prefer,
        delay=options.delay,
    )


def _options(ref: ModelRef, query: str) -> Options:
    try:
        return Options.model_validate(dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))))
    except ValidationError as error:
        msg = f"{ref.text!r}: {_first(error)}; options are delay (seconds, up to 60) and seed"
        raise ModelError(msg) from error
    except ValueError as error:
        msg = f"{ref.text!r}: options are written ?delay=0.01&seed=1"
        raise ModelError(msg) from error


def _read(ref: ModelRef, path: Path) -> Script:
    try:
        return Script.model_validate_json(path.read_bytes())
    except OSError as error:
        msg = f"{ref.text!r}: cannot read the script {path}: {error.strerror or error}"
        raise ModelError(msg) from error
    except ValidationError as error:
        msg = f"{ref.text!r}: {_first(error)}; a script holds model, default, replies and prefer"
        raise ModelError(msg) from error


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    place = ".".join(str(part) for part in found["loc"])
    return f"{place}: {found['msg']}" if place else str(found["msg"])


def _words(text: str) -> int:
    return max(1, len(text.split()))


def _prompt_words(request: Request) -> int:
    return sum(len(message.content.split()) for message in request.messages)
