"""From requests to token ids and back: rendering, tokenising, end tokens, decoding."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydrometer.engines.base import LETTERS, letters_prompt
from hydrometer.items import Message, Request, raw_texts
from hydrometer.templates.dialects import Dialect, dialect_of
from hydrometer.templates.render import ChatTemplate

_TURN_ENDS = ("<|im_end|>", "<turn|>", "<end_of_turn>", "<|eot_id|>", "<|end|>", "<|eom_id|>")
_TURN_STARTS = ("<|im_start|>", "<|turn>", "<start_of_turn>", "<|start_header_id|>", "<|end_header_id|>")
_CLOSING = {Dialect.GEMMA: "\n<channel|>", Dialect.QWEN: "\n</think>\n\n", Dialect.MISTRAL: "[/THINK]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request made ready for the model.

    Attributes:
        request: The request.
        ids: Token ids of the prompt.
        opens_thinking: Whether the template left a think block open.
        choices: Token ids of each choice, or of each option letter.
    """

    request: Request
    ids: tuple[int, ...]
    opens_thinking: bool
    choices: tuple[tuple[int, ...], ...] = ()

    @property
    def longest(self) -> int:
        """Tokens of the longest choice."""
        return max((len(choice) for choice in self.choices), default=0)

    @property
    def room(self) -> int:
        """Tokens that may follow the prompt."""
        return self.longest if self.choices else self.request.max_tokens


class Prompter:
    """A tokenizer and a chat template.

    Args:
        tokenizer: The transformers tokenizer.
        template: The template in use.
        stops: Token ids that the model's configuration names as ends.
    """

    def __init__(self, tokenizer: Any, template: ChatTemplate, stops: Iterable[int]) -> None:
        self._tokenizer, self.template = tokenizer, template
        added: Mapping[str, int] = tokenizer.get_added_vocab()
        ends = [added[name] for name in _TURN_ENDS if name in added and name in template.source]
        own = [i for i in (tokenizer.eos_token_id,) if i is not None]
        self.stops: frozenset[int] = frozenset([*stops, *own, *ends])
        frame = [added[name] for name in _TURN_STARTS if name in added]
        rest = [i for i in (tokenizer.bos_token_id, tokenizer.pad_token_id) if i is not None]
        # Not every special token: Gemma's channel tags are special, and the reply is unreadable without them.
        self._frame: frozenset[int] = frozenset([*self.stops, *frame, *rest])

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the token ids of a text; special tokens are written out in it and none are added."""
        return tuple(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of a reply, think tags kept, turn marks dropped."""
        kept = [i for i in ids if i not in self._frame]
        return str(
            self._tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        )

    def prompt(self, request: Request) -> Prompt:
        """Make a request for a reply ready.

        Raises:
            ModelError: The template refuses the conversation.
        """
        text, opens = self.template.render(request.messages, thinking=request.thinking)
        return Prompt(request=request, ids=self.encode(text), opens_thinking=opens)

    def alone(self, text: str) -> tuple[int, ...]:
        """Return the token ids of a raw text, with what the tokenizer puts before it."""
        return self.encode(self.template.begin + text)

    @property
    def prefix(self) -> int:
        """Token that stands before a text where there is nothing else."""
        return self.encode(self.template.render((Message("raw", ""),)).text)[0]

    def choices(self, request: Request) -> Prompt:
        """Make a request ready whose choices are continuations of the prompt.

        Raises:
            ModelError: The template refuses the conversation.
        """
        text, opens = self._answering(request, request.messages)
        ids = self.encode(text)
        return Prompt(
            request=request,
            ids=ids,
            opens_thinking=opens,
            choices=tuple(
                self._continuation(text, ids, choice, raw=bool(raw_texts(request.messages)))
                for choice in request.choices
            ),
        )

    def letters(self, request: Request) -> Prompt:
        """Make a request ready whose choices are offered by letter.

        Raises:
            ModelError: The template refuses the conversation.
        """
        *before, last = request.messages
        question = Message(last.role, letters_prompt(last.content, request.choices))
        text, opens = self._answering(request, (*before, question))
        letters = LETTERS[: len(request.choices)]
        ids = self.encode(text)
        marks = tuple(self._continuation(text, ids, letter)[:1] for letter in letters)
        return Prompt(request=request, ids=ids, opens_thinking=opens, choices=marks)

    def _answering(self, request: Request, messages: tuple[Message, ...]) -> tuple[str, bool]:
        """Render up to where the answer starts: a choice scored inside an open think block means nothing."""
        text, opens = self.template.render(messages, thinking=request.thinking)
        if opens:
            text = text.rstrip("\n") + "\n" + _CLOSING.get(dialect_of(text), "")
        return text, opens

    def _continuation(
        self, text: str, ids: tuple[int, ...], choice: str, *, raw: bool = False
    ) -> tuple[int, ...]:
        # Some tokenizers put a blank before a text that stands alone, so the choice is split off the whole;
        # where a token reaches across the border, prompt and choice are tokenised apart, as replies are made.
        whole = self.encode(text + choice)
        if raw:
            # lm-eval's split: what the whole has behind as many tokens as the prompt alone has.
            return whole[len(ids) :]
        return whole[len(ids) :] if whole[: len(ids)] == ids else self.encode(choice)


def stop_ids(*configs: Any) -> frozenset[int]:
    """Return the end tokens that a model's configurations name, each as one id, a list, or not at all."""
    found: set[int] = set()
    for config in configs:
        value = getattr(config, "eos_token_id", None)
        values: Collection[Any] = value if isinstance(value, list | tuple) else (value,)
        found.update(int(v) for v in values if isinstance(v, int))
    return frozenset(found)
