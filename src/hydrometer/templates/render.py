"""Chat templates: from messages to the prompt text a model was trained on.

Templates come from files that anybody can upload, so they run in Jinja's immutable sandbox, in a limited process apart
from that of an audit (`templates.apart`): with bounded time, memory and output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from hydrometer.canon import digest_text
from hydrometer.errors import ModelError
from hydrometer.items import Message, Thinking, raw_texts
from hydrometer.templates.apart import render_apart
from hydrometer.templates.dialects import opens_thinking
from hydrometer.templates.tools import ToolCall, answered, called, described, offered, to_chat


class Rendered(NamedTuple):
    """A rendered prompt.

    Attributes:
        text: The prompt, special tokens written out; tokenise it without adding any.
        opens_thinking: Whether the text ends inside a think block that the template opened.
    """

    text: str
    opens_thinking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTemplate:
    """A chat template with the special tokens it may name.

    Attributes:
        source: The Jinja source.
        special: Values of names such as `bos_token` and `eos_token`.
        begin: What the model's tokenizer puts before a text that stands alone, `""` if nothing: raw prompts begin with
            it, conversations as the source says.
    """

    source: str
    special: Mapping[str, str]
    begin: str = ""

    @property
    def digest(self) -> str:
        """Identity of the template: its source, blanks at the end aside."""
        return digest_text(self.source.strip())

    def render(
        self, messages: Sequence[Message], *, thinking: Thinking = Thinking.DEFAULT, reply: str | None = None
    ) -> Rendered:
        """Render a conversation up to the point where the model writes.

        Offered tools go to the template as transformers hands them over, and are described in the first user turn
        where the template has no place for them, see `takes_tools`. A raw text is no conversation and stays as it is.

        Args:
            messages: The conversation.
            thinking: Sets `enable_thinking` for templates that know it; `DEFAULT` leaves it undefined.
            reply: Text to append behind the prompt, for scoring a given continuation.

        Raises:
            ModelError: The template is broken, unsafe, or refuses the conversation.
        """
        if raw := raw_texts(messages):
            # A model needs something to go on from: the token that stands between texts in its training data.
            empty = self.special.get("bos_token") or self.special.get("eos_token") or ""
            return Rendered((self.begin + raw[0] or empty) + (reply or ""), opens_thinking=False)
        messages = [message for message in messages if message.role != "stop"]
        switch = {} if thinking is Thinking.DEFAULT else {"enable_thinking": thinking is Thinking.ON}
        if any(message.role == "tools" for message in messages) and not takes_tools(self.source):
            messages = described(messages)
        text = _render(self.source, messages, {**self.special, **switch})
        return Rendered(text + (reply or ""), opens_thinking(text))


@lru_cache(maxsize=64)
def takes_tools(source: str) -> bool:
    """Return whether a chat template shows the model offered tools, earlier calls and their results.

    Some templates ignore what they have no place for, others refuse it; a conversation with recognisable words tells.
    A source of `""` is a template that the engine cannot see, and its server is trusted.
    """
    if not source.strip():
        return True
    place = {"type": "string", "description": "probe3"}
    schema = {"type": "object", "properties": {"probe2": place}, "required": ["probe2"]}
    messages = (
        offered([{"name": "probe1", "description": "A probe.", "parameters": schema}]),
        Message("user", "Hello"),
        called(ToolCall("probe1", {"probe2": "probe4"})),
        answered("probe1", {"found": "probe5"}),
    )
    try:
        text = _render(source, messages, {"bos_token": "", "eos_token": ""})
    except ModelError:
        return False
    return all(f"probe{number}" in text for number in (1, 2, 4, 5))


def try_out(source: str) -> None:
    """Render a conversation with a template, for whoever hands it to a program that renders with no limit on time.

    Raises:
        UnsafeTemplateError: It takes more time, memory or characters than any template may.
    """
    takes_tools(source)


@lru_cache(maxsize=64)
def switches_thinking(source: str) -> bool:
    """Return whether `enable_thinking` changes what a chat template renders.

    A source of `""` is a template that the engine cannot see, and its server is trusted, as is a template that refuses.
    """
    messages, names = (Message("user", "Hello"),), {"bos_token": "", "eos_token": ""}
    try:
        on, off = (_render(source, messages, {**names, "enable_thinking": mode}) for mode in (True, False))
    except ModelError:
        return True
    return not source.strip() or on != off


def _render(source: str, messages: Sequence[Message], names: Mapping[str, Any]) -> str:
    chat = to_chat(messages)
    return render_apart(source, chat.messages, tools=chat.tools, names=names)
