"""What a tokenizer does, taken from `tokenizer.json` or from the metadata of a GGUF file.

Two files with other bytes may be the same tokenizer: newer libraries write merges as pairs, wrap one step into a
sequence of one, and leave out what is the default.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import zstandard

from hydrometer.checkpoint.places import parse_json
from hydrometer.surface.large import MERGES_MARK, TOKENS_MARK, merge_line, take_apart

Form = Literal["json", "gguf"]

_UNUSED = 5
"""Type of a token in a GGUF file that only fills the vocabulary up to the size of the embeddings."""
_DEFAULTS: dict[str, dict[str, Any]] = {
    "ByteLevel": {"add_prefix_space": True, "use_regex": True, "trim_offsets": None},
    "Metaspace": {"replacement": "▁", "prepend_scheme": "always", "split": True, "str_rep": None},
    "Split": {"invert": False},
    "Digits": {"individual_digits": False},
    "BPE": {
        "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
        "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
    },
}  # fmt: skip
_FLAGS = ("special", "lstrip", "rstrip", "single_word", "normalized")
STEPS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")


class Added(NamedTuple):
    """A token that was added to the vocabulary, and how it is looked for in a text."""

    special: bool = False
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False
    normalized: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What a tokenizer does.

    Attributes:
        form: Where it came from.
        digest: Digest of the file it came from, `""` for metadata.
        kind: Kind of model, such as `BPE`; in a GGUF file the name of the splitting rule beside it.
        ids: Token -> its number, added tokens among them.
        merges: The merges in their order, one a line, in UTF-8; `b""` where the file has none.
        added: The added tokens, empty for a GGUF file, which does not tell how they are looked for.
        steps: Normaliser, splitting, what is put around a text, and the way back, in one way of writing.
        settings: What else the model does.
        packed: The content of `tokenizer.json`, compressed.
    """

    form: Form
    digest: str = ""
    kind: str
    ids: Mapping[str, int] = field(repr=False)
    merges: bytes = field(repr=False)
    added: Mapping[str, Added] = field(repr=False)
    steps: Mapping[str, Any] = field(default_factory=dict, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    packed: bytes = field(default=b"", repr=False)

    @property
    def raw(self) -> bytes:
        """The content of `tokenizer.json`, `b""` for metadata."""
        return zstandard.decompress(self.packed) if self.packed else b""

    def token(self, number: int) -> str:
        """Return the token with a number, `""` if there is none."""
        return next((token for token, mine in self.ids.items() if mine == number), "")

    def begins_with(self, token: str) -> bool:
        """Whether a token is put in front of every text."""
        return bool(token) and _mentions(self.steps.get("post_processor"), token)


def of_file(raw: bytes, where: str) -> Vocabulary:
    """Return what the content of a `tokenizer.json` says.

    Args:
        raw: The content.
        where: How messages name the file.

    Raises:
        ModelError: It is no JSON, no object, or of so many parts that it would fill the memory.
    """
    parts = take_apart(raw)
    if parts.rest is not raw:
        table = parse_json(parts.rest, "tokenizer.json", where)
        model = table.get("model")
        # Marks stand where the model's own belong, or what was taken out was something else.
        if (
            isinstance(model, dict)
            and (parts.merges is None or model.get("merges") == MERGES_MARK)
            and (parts.ids is None or model.get("vocab") == TOKENS_MARK)
        ):
            found = of_json(table, raw, parts.ids)
            return found if parts.merges is None else replace(found, merges=parts.merges)
    return of_json(parse_json(raw, "tokenizer.json", where), raw)


def of_json(tokenizer: Mapping[str, Any], raw: bytes = b"", ids: dict[str, int] | None = None) -> Vocabulary:
    """Return what a `tokenizer.json` says; entries of the wrong type count as missing.

    Args:
        tokenizer: The file's object.
        raw: Its content.
        ids: The tokens of its model with their numbers, where they were taken out of the object.
    """
    model = _mapping(tokenizer.get("model"))
    ids = _ids(model.get("vocab")) if ids is None else ids
    added: dict[str, Added] = {}
    for entry in _rows(tokenizer.get("added_tokens")):
        token, number = entry.get("content"), entry.get("id")
        if isinstance(token, str) and isinstance(number, int):
            ids[token] = number
            added[token] = Added(*(entry.get(flag) is True for flag in _FLAGS))
    kind = str(model.get("type") or ("BPE" if "merges" in model else "Unigram"))
    rest = {k: v for k, v in model.items() if k not in {"vocab", "merges", "type"}}
    return Vocabulary(
        form="json",
        digest=digest_bytes(raw),
        kind=kind,
        ids=ids,
        merges=b"\n".join(merge_line(merge) for merge in _items(model.get("merges"))),
        added=added,
        steps={name: _step(tokenizer.get(name)) for name in STEPS},
        settings={**_DEFAULTS.get(kind, {}), **rest},
        packed=zstandard.compress(raw, 1) if raw else b"",
    )


def digest_bytes(raw: bytes) -> str:
    """Return the identity of a file's content, `""` for none."""
    return hashlib.sha256(raw).hexdigest() if raw else ""


def of_gguf(metadata: Mapping[str, Any]) -> Vocabulary | None:
    """Return what the metadata of a GGUF file says, None if it has no vocabulary."""
    tokens = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not tokens or not isinstance(tokens[0], str):
        return None
    types = metadata.get("tokenizer.ggml.token_type")
    kinds = types if isinstance(types, list) and len(types) == len(tokens) else [0] * len(tokens)
    ids: dict[str, int] = {}
    for number, (token, kind) in enumerate(zip(tokens, kinds, strict=True)):
        if kind != _UNUSED:
            ids.setdefault(token, number)
    merges = metadata.get("tokenizer.ggml.merges")
    rule = {key: metadata.get(f"tokenizer.ggml.{key}") for key in ("model", "pre", "add_space_prefix")}
    return Vocabulary(
        form="gguf",
        kind=" ".join(str(rule[key]) for key in ("model", "pre") if rule[key]),
        ids=ids,
        merges=b"\n".join(merge_line(merge) for merge in _items(merges)),
        added={},
        settings={key: value for key, value in rule.items() if value is not None},
    )


def _ids(vocabulary: Any) -> dict[str, int]:
    if isinstance(vocabulary, Mapping):
        return {str(token): number for token, number in vocabulary.items() if isinstance(number, int)}
    rows = enumerate(vocabulary) if isinstance(vocabulary, list) else ()
    return {str(row[0]): number for number, row in rows if isinstance(row, list) and row}


def _step(step: Any) -> Any:
    """One way of writing for a step: sequences flat, a sequence of one as its one step, defaults written out."""
    if not isinstance(step, Mapping):
        return None
    kind = str(step.get("type"))
    inner = next(
        (_items(step[key]) for key in ("normalizers", "pretokenizers", "processors", "decoders") if key in step), None
    )
    if kind == "Sequence" and inner is not None:
        steps: list[Any] = []
        for one in map(_step, inner):
            steps += one if isinstance(one, list) else [] if one is None else [one]
        return steps[0] if len(steps) == 1 else steps or None
    ignored = {key for key, value in _DEFAULTS.get(kind, {}).items() if value is None}
    filled = {**_DEFAULTS.get(kind, {}), **step}
    return {key: value for key, value in filled.items() if key not in ignored}


def _mentions(value: Any, token: str) -> bool:
    """Whether the template for one text begins with a token."""
    if isinstance(value, list):
        return any(_mentions(one, token) for one in value)
    if not isinstance(value, Mapping):
        return False
    single = _rows(value.get("single"))
    first = _mapping(single[0].get("SpecialToken")).get("id") if single else None
    framed = value.get("type") in {"BertProcessing", "RobertaProcessing"}
    return first == token or (framed and token in _items(value.get("cls")))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in _items(value) if isinstance(row, Mapping)]
