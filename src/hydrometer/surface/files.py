"""The files around the weights of one model: read under limits, from a folder, a GGUF file or the hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hydrometer.checkpoint.cards import check_card, split_card
from hydrometer.checkpoint.folder import special_tokens
from hydrometer.checkpoint.gguf_source import GgufSource
from hydrometer.checkpoint.opening import HUB, locate, locate_adapter
from hydrometer.checkpoint.places import Folder, json_limit
from hydrometer.checkpoint.source import TensorSource
from hydrometer.errors import CardError, ModelError
from hydrometer.spec import ModelRef
from hydrometer.surface.settings import SettingsSide
from hydrometer.surface.templates import DEFAULT, NamedTemplate, of_folders, of_metadata
from hydrometer.surface.vocabulary import Vocabulary, digest_bytes, of_file, of_gguf

CARD = "README.md"
_RECIPES = (
    "adapter_config.json", "training_args.json", "trainer_state.json", "recipe.json", "axolotl_config.yaml",
    "axolotl_config.yml", "axolotl.yaml", "axolotl.yml", "mergekit_config.yml", "requirements.txt",
)  # fmt: skip
_SUFFIXES = (".yaml", ".yml", ".py", ".ipynb")
_MAX_TEXT, _MAX_TEXTS = 4_000_000, 24
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceFiles:
    """The files around the weights of one model.

    Attributes:
        label: The reference as the user gave it.
        gguf: Whether the model is a GGUF file.
        config: `config.json`, or the metadata of the GGUF file.
        generation: `generation_config.json`, None without one.
        tokenizer_config: `tokenizer_config.json`.
        special: Special tokens by name, as texts.
        templates: The chat templates, the default first if there is one.
        vocabulary: The tokenizer, None if there is none or it was not read.
        texts: Card and training files by name, as texts.
        front: The card's front matter.
        owner: Whether there are files at all that could hold a template.
        remarks: What could not be read, one line each.
    """

    label: str
    gguf: bool
    config: Mapping[str, Any] = field(repr=False)
    generation: Mapping[str, Any] | None = None
    tokenizer_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    special: Mapping[str, str] = field(default_factory=dict)
    templates: tuple[NamedTemplate, ...] = ()
    vocabulary: Vocabulary | None = None
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    front: Mapping[str, Any] = field(default_factory=dict, repr=False)
    owner: bool = True
    remarks: tuple[str, ...] = ()

    @property
    def template(self) -> str:
        """Source of the chat template that is taken unless another is asked for, `""` without one."""
        return next((one.source for one in self.templates if one.name == DEFAULT), "")

    @property
    def family(self) -> str:
        """Name of the architecture, such as `qwen3_5` or `qwen35`."""
        inner = self.config.get("text_config")
        named = self.config.get("model_type") or (inner.get("model_type") if isinstance(inner, Mapping) else "")
        return str(named or self.config.get("general.architecture") or "").lower()

    def settings(self, ids: Mapping[str, int], dtype: str, turn_end: str) -> SettingsSide:
        """Return what decides when it stops, how it is sampled and how far it looks.

        Args:
            ids: Token -> number, for a model without a tokenizer of its own those of the other.
            dtype: Format that holds most of the numbers.
            turn_end: What the template puts behind a finished reply.
        """
        return SettingsSide(
            gguf=self.gguf, config=self.config, generation=self.generation, tokenizer_config=self.tokenizer_config,
            special=self.special, ids=ids, dtype=dtype, turn_end=turn_end,
        )  # fmt: skip


def read_surface(
    ref: ModelRef, source: TensorSource, *, tokenizer: bool = True, known: Vocabulary | None = None
) -> SurfaceFiles:
    """Read the files around the weights of a model.

    Args:
        ref: The model; an adapter's own files come before those of its base.
        source: Its tensors, opened already.
        tokenizer: Whether `tokenizer.json` is read, which may have 33 MB.
        known: A tokenizer that is taken apart already: the same file is not held twice.

    Raises:
        ModelError: A file is damaged, unsafe or of a size that no such file has.
    """
    folder, file = locate(ref)
    folders = [locate_adapter(ref.adapter)[0], folder] if ref.adapter else [folder]
    # What lies beside a GGUF file in a folder of downloads may belong to another model: its card alone is looked at.
    whole = bool(ref.adapter) or not file or ref.text.startswith(HUB)
    texts, remarks = _texts(folders[0], whole=whole)
    front, more = _front(texts, folders[0].label)
    shared = {"label": ref.text, "texts": texts, "front": front, "remarks": (*remarks, *more)}
    header = _header(source)
    if header is not None:
        return _of_gguf(header.metadata, header.special, shared)
    return _of_folder(folders, source.config, shared, vocabulary=tokenizer, known=known)


def _of_gguf(metadata: Mapping[str, Any], special: Mapping[str, str], shared: dict[str, Any]) -> SurfaceFiles:
    return SurfaceFiles(
        gguf=True, config=metadata, special=special, templates=of_metadata(metadata),
        vocabulary=of_gguf(metadata), **shared,
    )  # fmt: skip


def _of_folder(
    folders: list[Folder],
    config: Mapping[str, Any],
    shared: dict[str, Any],
    *,
    vocabulary: bool,
    known: Vocabulary | None,
) -> SurfaceFiles:
    tokenizer_config = _first(folders, lambda folder: folder.json("tokenizer_config.json"))
    special_map = _first(folders, lambda folder: folder.json("special_tokens_map.json"))
    templates = of_folders(folders, tokenizer_config or {})
    name, raw = "tokenizer.json", None
    if vocabulary:
        raw = _first(folders, lambda folder: folder.read(name, json_limit(name)))
    where = f"{folders[0].label}/{name}"
    return SurfaceFiles(
        gguf=False,
        config=config,
        generation=_first(folders, lambda folder: folder.json("generation_config.json")),
        tokenizer_config=tokenizer_config or {},
        special=special_tokens(tokenizer_config or {}, special_map or {}),
        templates=templates,
        vocabulary=_vocabulary(raw, where, known) if raw is not None else None,
        owner=bool(tokenizer_config or raw or templates),
        **shared,
    )


def _vocabulary(raw: bytes, where: str, known: Vocabulary | None) -> Vocabulary:
    if known is not None and known.digest == digest_bytes(raw):
        return known
    return of_file(raw, where)


def _texts(folder: Folder, *, whole: bool) -> tuple[dict[str, str], list[str]]:
    """Card and training files; what is too large to be one is said and left out."""
    names = [CARD]
    if whole:
        there = folder.names()
        names += [name for name in _RECIPES if name in there]
        names += [name for name in there if name.lower().endswith(_SUFFIXES) and name not in names and "/" not in name]
    texts: dict[str, str] = {}
    remarks: list[str] = []
    for name in names[:_MAX_TEXTS]:
        try:
            raw = folder.read(name, _MAX_TEXT)
        except ModelError as error:
            remarks.append(f"not read: {error}")
            continue
        if raw is not None:
            texts[name] = raw.decode("utf-8", errors="replace")
            if "\ufffd" in texts[name] and b"\xef\xbf\xbd" not in raw:
                remarks.append(f"{folder.label}/{name} is not in UTF-8: what could not be read is left out")
    if len(names) > _MAX_TEXTS:
        remarks.append(f"{folder.label}: {len(names) - _MAX_TEXTS} more training files were not read")
    return texts, remarks


def _front(texts: dict[str, str], where: str) -> tuple[Mapping[str, Any], list[str]]:
    """The card's front matter. A mistake in it is a remark; one built to do harm ends the inspection."""
    if CARD not in texts:
        return {}, []
    try:
        texts[CARD] = check_card(texts[CARD], f"{where}/{CARD}")
    except CardError as error:
        msg = f"{error}: do not use this model"
        raise ModelError(msg) from error
    try:
        return split_card(texts[CARD], f"{where}/{CARD}").front, []
    except CardError as error:
        return {}, [str(error)]


@dataclass(frozen=True, slots=True)
class _Header:
    metadata: Mapping[str, Any]
    special: dict[str, str]


def _header(source: TensorSource) -> _Header | None:
    """The header of a GGUF file, under an adapter too."""
    base = getattr(source, "base", source)
    if not isinstance(base, GgufSource):
        return None
    header = base.header
    named = {"bos_token": header.bos_token, "eos_token": header.eos_token}
    return _Header(header.metadata, {k: v for k, v in named.items() if v})


def _first(folders: list[Folder], look: Callable[[Folder], _T | None]) -> _T | None:
    for folder in folders:
        found = look(folder)
        if found is not None:
            return found
    return None
