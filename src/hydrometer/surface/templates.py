"""The chat templates of one model: the one that loaders take, and those with a name of their own.

A model may bring several: a list in `tokenizer_config.json`, a folder of files beside `chat_template.jinja`, a second
one for the processor, further keys of a GGUF file. Loaders of another age may take another of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from hydrometer.checkpoint.folder import listed_templates
from hydrometer.checkpoint.header import show
from hydrometer.checkpoint.places import Folder, json_limit
from hydrometer.errors import ModelError

DEFAULT = "default"
"""Name of the template that is taken unless another is asked for."""
MOST = 12
"""Templates of one model that are looked at; each is rendered in a process of its own."""

_FILE, _CONFIG, _PROCESSOR = "chat_template.jinja", "tokenizer_config.json", "chat_template.json"
OTHER_DEFAULTS = (_CONFIG, _PROCESSOR)
"""Files that hold a second default, as names of templates."""
_FOLDERS = ("additional_chat_templates", "chat_templates")
_KEY = "tokenizer.chat_template"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTemplate:
    """One chat template.

    Attributes:
        name: `default`, the name it was given, or the file that holds another default.
        source: The Jinja source.
        file: Where it lies, for messages.
    """

    name: str
    source: str = field(repr=False)
    file: str


def of_folders(folders: Sequence[Folder], tokenizer_config: Mapping[str, Any]) -> tuple[NamedTemplate, ...]:
    """Return the chat templates of a model in folders, the default first.

    Args:
        folders: Where to look, the first first.
        tokenizer_config: What counts as its `tokenizer_config.json`.

    Raises:
        ModelError: A file is no text, too large, or a link out of its folder.
    """
    return _first_of_each(_in_folders(folders, tokenizer_config))


def of_metadata(metadata: Mapping[str, Any]) -> tuple[NamedTemplate, ...]:
    """Return the chat templates of a GGUF file, the default first."""
    rows = [NamedTemplate(name=DEFAULT, source=_text(metadata.get(_KEY)), file=_KEY)]
    keys = sorted(key for key in metadata if key.startswith(f"{_KEY}."))
    rows += [
        NamedTemplate(name=show(key.removeprefix(f"{_KEY}."))[1:-1], source=_text(metadata[key]), file=show(key)[1:-1])
        for key in keys
    ]
    return _first_of_each(iter(rows))


def _first_of_each(found: Iterator[NamedTemplate]) -> tuple[NamedTemplate, ...]:
    named: dict[str, NamedTemplate] = {}
    for template in found:
        if template.source.strip():
            named.setdefault(template.name, template)
    return tuple(islice(named.values(), MOST))


def _in_folders(folders: Sequence[Folder], tokenizer_config: Mapping[str, Any]) -> Iterator[NamedTemplate]:
    named = listed_templates(tokenizer_config)
    second = named.pop(DEFAULT, "")
    files = (_file(folder, _FILE) for folder in folders)
    first = next((text for text in files if text is not None), "")
    yield NamedTemplate(name=DEFAULT, source=first or second, file=_FILE if first else _CONFIG)
    if first and second.strip() != first.strip():
        yield NamedTemplate(name=_CONFIG, source=second, file=_CONFIG)
    for folder in folders:
        for inside in _FOLDERS:
            for file in folder.names(inside):
                if file.endswith(".jinja"):
                    path = f"{inside}/{file}"
                    text = _file(folder, path) or ""
                    yield NamedTemplate(name=_name(file.removesuffix(".jinja")), source=text, file=show(path)[1:-1])
    for name, text in named.items():
        yield NamedTemplate(name=_name(name), source=text, file=_CONFIG)
    processor = next((table for folder in folders if (table := folder.json(_PROCESSOR)) is not None), {})
    yield NamedTemplate(name=_PROCESSOR, source=_text(processor.get("chat_template")), file=_PROCESSOR)


def _file(folder: Folder, name: str) -> str | None:
    raw = folder.read(name, json_limit(name))
    try:
        return None if raw is None else raw.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"{folder.label}/{show(name)[1:-1]}: no text in UTF-8: download it again"
        raise ModelError(msg) from error


def _name(value: str) -> str:
    return show(value)[1:-1]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
