"""The sandbox in which a stranger's chat template runs: Jinja's immutable one.

It has the few helpers that published templates use and nothing else. It bounds what a template reaches and how much it
writes, neither time nor memory. So it is used in limited processes alone, `templates.child` and `surface.child`, and
never in that of an audit; what limits them stands here as well.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NoReturn

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import CallBlock, Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST = 8_000_000
"""Characters a template may produce; a hostile loop is cut off instead of filling the memory."""


def limit_process(memory: int) -> None:
    """Limit the memory of this process, and let its timer of computing time end it.

    Args:
        memory: Bytes of address space that it may have, where the system has such a limit.
    """
    for limit, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))
    # The default of this signal ends the process, even inside one long operation written in C.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


class TooLongError(Exception):
    """A template produced more than it may."""


def render_chat(
    source: str,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] | None,
    names: Mapping[str, Any],
    prompt: bool = True,
    most: int = MOST,
) -> str:
    """Render messages in the form of transformers; whatever the template raises comes through.

    Args:
        source: The Jinja source.
        messages: Mappings with `role`, `content` and what else the template may look at.
        tools: The offered tools, None without any.
        names: Further names that the template sees.
        prompt: Whether the model's turn is opened at the end.
        most: Characters that it may produce.

    Raises:
        TooLongError: It produces more.
    """
    template = _compiled(source)
    pieces = template.generate(messages=messages, add_generation_prompt=prompt, tools=tools, **dict(names))
    return _bounded(pieces, most)


@lru_cache(maxsize=8)
def _compiled(source: str) -> jinja2.Template:
    return _environment().from_string(source)


def _bounded(pieces: Any, most: int) -> str:
    out: list[str] = []
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > most:
            msg = f"renders more than {most:,} characters"
            raise TooLongError(msg)
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


def _tojson(
    value: Any,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - templates pass it by place
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
