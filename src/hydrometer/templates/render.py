"""Chat templates: from messages to the prompt text a model was trained on.

Templates come from files that anybody can upload, so they run in Jinja's immutable sandbox, with the few
helpers that published templates use and nothing else, and with bounded output.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import CallBlock, Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hydrometer.canon import digest_text
from hydrometer.errors import ModelError
from hydrometer.items import Message, Thinking
from hydrometer.templates.dialects import opens_thinking

_MAX_RENDERED = 8_000_000
"""Characters a template may produce; a hostile loop is cut off instead of filling the memory."""


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
    """

    source: str
    special: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Identity of the template: its source, blanks at the end aside."""
        return digest_text(self.source.strip())

    def render(
        self, messages: Sequence[Message], *, thinking: Thinking = Thinking.DEFAULT, reply: str | None = None
    ) -> Rendered:
        """Render a conversation up to the point where the model writes.

        Args:
            messages: The conversation.
            thinking: Sets `enable_thinking` for templates that know it; `DEFAULT` leaves it undefined.
            reply: Text to append behind the prompt, for scoring a given continuation.

        Raises:
            ModelError: The template is broken, unsafe, or refuses the conversation.
        """
        switch = {} if thinking is Thinking.DEFAULT else {"enable_thinking": thinking is Thinking.ON}
        try:
            template = _environment().from_string(self.source)
            text = _bounded(
                template.generate(
                    messages=[message._asdict() for message in messages],
                    add_generation_prompt=True,
                    tools=None,
                    **dict(self.special),
                    **switch,
                )
            )
        except jinja2.TemplateError as error:
            msg = f"the chat template cannot render this conversation: {error}"
            raise ModelError(msg) from error
        except (TypeError, ValueError, KeyError, ArithmeticError, RecursionError) as error:
            msg = f"the chat template fails on this conversation: {type(error).__name__}: {error}"
            raise ModelError(msg) from error
        return Rendered(text + (reply or ""), opens_thinking(text))


def _bounded(pieces: Any) -> str:
    out: list[str] = []
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > _MAX_RENDERED:
            msg = f"the chat template produced more than {_MAX_RENDERED} characters"
            raise ModelError(msg)
        out.append(piece)
    return "".join(out)


class _GenerationTag(Extension):
    """`{% generation %}`, which training code puts around replies; rendering passes its body through."""

    tags = {"generation"}  # noqa: RUF012 - Jinja's own declaration style

    def parse(self, parser: Parser) -> Node:
        """Parse the block and keep only its body."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller: Any) -> str:
        return str(caller())


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _GenerationTag]
    )
    # Jinja's own tojson escapes HTML, which would put < and > as escapes into tool definitions.
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now(UTC).strftime(form)
    return environment


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:  # noqa: FBT001, FBT002
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
