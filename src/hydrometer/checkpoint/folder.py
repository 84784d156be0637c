"""Checkpoint folders: config, safetensors files, tokenizer and chat template, checked before anything loads them.

Folders come from anybody. The safetensors headers are read here, strictly, so that a truncated download, a file
with something hidden behind its tensors or an index that points elsewhere is one clear line instead of a crash
deep inside a loader. Pickles (`.bin`, `.pt`) run code when they are opened and are refused. No torch here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydrometer.canon import digest, digest_file, digest_text
from hydrometer.checkpoint.header import TensorEntry, read_table, show
from hydrometer.checkpoint.places import Folder, LocalFolder, without_weights
from hydrometer.checkpoint.shards import open_shards
from hydrometer.checkpoint.storage import Storage
from hydrometer.errors import ModelError

ADAPTER_FILE = "adapter_model.safetensors"
_COSMETIC = ("transformers_version", "_name_or_path", "torch_dtype", "dtype", "use_cache", "auto_map")
_PREFIXES = (
    "base_model.model.",
    "model.language_model.",
    "language_model.model.",
    "language_model.",
    "model.",
)
_WORDS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderInfo:
    """A checkpoint folder as its files describe it.

    Attributes:
        path: The folder.
        config: `config.json`.
        files: The safetensors files, sorted by name.
        tensors: Name -> dtype and shape of every tensor in them.
        generation_config: `generation_config.json`, empty without one.
        chat_template: Source of the chat template, `""` without one.
        special: Special tokens by name, such as `bos_token` and `eos_token`.
    """

    path: Path
    config: dict[str, Any]
    files: tuple[Path, ...]
    tensors: Mapping[str, TensorEntry] = field(repr=False)
    generation_config: dict[str, Any]
    chat_template: str
    special: dict[str, str]

    @property
    def model_type(self) -> str:
        """Family of the architecture, such as `qwen3_5`."""
        return str(self.config.get("model_type", ""))

    @property
    def architecture(self) -> str:
        """Class name that the checkpoint was saved from, `""` if it does not say."""
        names = self.config.get("architectures")
        return str(names[0]) if isinstance(names, list) and names else ""

    @property
    def context_length(self) -> int:
        """Largest number of tokens in the window, 0 if the config does not say."""
        window = _text_config(self.config).get("max_position_embeddings")
        return window if isinstance(window, int) else 0

    @property
    def dtype(self) -> str:
        """Dtype that holds most of the numbers, such as `bfloat16`."""
        totals: dict[str, int] = {}
        for entry in self.tensors.values():
            totals[entry.dtype] = totals.get(entry.dtype, 0) + math.prod(entry.shape)
        top = max(totals, key=lambda name: totals[name])
        return _WORDS.get(top, top.lower())

    @property
    def parameters(self) -> int:
        """Number of stored numbers."""
        return sum(math.prod(entry.shape) for entry in self.tensors.values())

    def weights_digest(self, advance: Callable[[int], None] | None = None) -> str:
        """Return the digest of all weight files; reads them once.

        Args:
            advance: Called with the number of bytes after each piece, for a progress bar.
        """
        return digest([digest_file(path, advance) for path in self.files])

    def config_digest(self) -> str:
        """Return the digest of everything in the config that can change a reply.

        A changed `rope_theta` leaves every weight as it is and makes another model.
        """
        return digest(_behavioural(self.config))

    def tokenizer_digest(self) -> str:
        """Return the digest of what the tokenizer does, `""` if there is no `tokenizer.json`."""
        tokenizer = LocalFolder(self.path).json("tokenizer.json")
        return tokenizer_digest(tokenizer) if tokenizer is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterInfo:
    """A PEFT adapter folder as its files describe it.

    Attributes:
        path: The folder; name and revision of a repository on the hub.
        config: `adapter_config.json`.
        tensors: Name -> dtype and shape of every tensor.
    """

    path: Path
    config: dict[str, Any]
    tensors: Mapping[str, TensorEntry] = field(repr=False)

    @property
    def rank(self) -> int:
        """Rank of the adapter, 0 if the config does not say."""
        rank = self.config.get("r")
        return rank if isinstance(rank, int) else 0

    @property
    def file(self) -> Path:
        """The file that holds the tensors."""
        return self.path / ADAPTER_FILE

    def digest(self) -> str:
        """Return the digest of the adapter's numbers and of the settings that scale them."""
        settings = {
            k: self.config.get(k) for k in ("r", "lora_alpha", "use_rslora", "use_dora", "rank_pattern")
        }
        return digest([digest_file(self.file), settings, self.config.get("alpha_pattern")])


def read_folder(path: Path) -> FolderInfo:
    """Read and check a checkpoint folder.

    Raises:
        ModelError: It is missing, incomplete, damaged, or holds only pickles.
    """
    _check_folder(path, "config.json", "model")
    folder = LocalFolder(path)
    config = folder.json("config.json") or {}
    with closing(open_shards(folder)) as shards:
        files = tuple(sorted(path / name for name in shards.files))
        tensors = {name: entry for name, (_, entry) in shards.tensors.items()}
    tokenizer_config = folder.json("tokenizer_config.json") or {}
    return FolderInfo(
        path=path,
        config=config,
        files=files,
        tensors=tensors,
        generation_config=folder.json("generation_config.json") or {},
        chat_template=_chat_template(folder, tokenizer_config),
        special=special_tokens(tokenizer_config, folder.json("special_tokens_map.json") or {}),
    )


def read_adapter(path: Path) -> AdapterInfo:
    """Read and check a PEFT adapter folder.

    Raises:
        ModelError: It is missing, incomplete, damaged, or holds only pickles.
    """
    _check_folder(path, "adapter_config.json", "PEFT adapter")
    info, file = open_adapter(LocalFolder(path))
    file.close()
    return info


def open_adapter(folder: Folder) -> tuple[AdapterInfo, Storage]:
    """Read and check a PEFT adapter and return it with its open file.

    Raises:
        ModelError: It is missing, incomplete, damaged, or holds only pickles.
    """
    config = folder.json("adapter_config.json")
    if config is None:
        msg = f"{folder.label} has no adapter_config.json: it is no PEFT adapter folder"
        raise ModelError(msg)
    kind = str(config.get("peft_type", "")).upper()[:40]
    if kind != "LORA":
        msg = f"{folder.label}: peft_type is {kind or 'missing'!r}: only LoRA adapters can be used, merge others first"
        raise ModelError(msg)
    file = folder.open(ADAPTER_FILE, 1 << 18)
    if file is None:
        raise without_weights(folder, ADAPTER_FILE)
    try:
        tensors = read_table(file)
    except BaseException:
        file.close()
        raise
    if not tensors:
        file.close()
        msg = f"{folder.label}: the adapter holds no tensor: save it again"
        raise ModelError(msg)
    return AdapterInfo(path=Path(folder.label.removeprefix("hf://")), config=config, tensors=tensors), file


def match_adapter(adapter: AdapterInfo, shapes: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Match the modules of a LoRA adapter with those of a base, and check that the shapes fit.

    An adapter trained on a vision-language class names its layers `model.language_model.layers...` where the
    text class says `model.layers...`. The two differ in the prefix alone, so names are compared behind it:
    a loader that compares whole names would silently load nothing.

    Args:
        adapter: The adapter.
        shapes: Parameter name -> shape of the base, such as `model.layers.0.self_attn.q_proj.weight`.

    Returns:
        Module name in the adapter -> module name in the base.

    Raises:
        ModelError: The adapter was made for another base.
    """
    known = {_core(name.removesuffix(".weight")): name for name in shapes if name.endswith(".weight")}
    found: dict[str, str] = {}
    for name, entry in adapter.tensors.items():
        module, side = lora_parts(name)
        if module in found and not side:
            continue
        target = known.get(_core(module))
        if target is None:
            msg = f"{adapter.path}: adapter for another base: the base has no layer {show(module)}"
            raise ModelError(msg)
        found[module] = target.removesuffix(".weight")
        if side:
            _check_lora_shape(adapter, name, side, entry.shape, tuple(shapes[target]))
    return found


def tokenizer_digest(tokenizer: Mapping[str, Any]) -> str:
    """Return the digest of what a tokenizer does, given its `tokenizer.json`.

    Not the file's own hash: saving a tokenizer again rewrites the file (merges as pairs, other padding) without
    changing a single token.
    """
    kept = {k: v for k, v in tokenizer.items() if k not in ("version", "padding", "truncation")}
    model = dict(kept["model"]) if isinstance(kept.get("model"), Mapping) else {}
    merges = model.get("merges")
    if isinstance(merges, list):
        model["merges"] = [" ".join(map(str, m)) if isinstance(m, list) else str(m) for m in merges]
    return digest({**kept, "model": model})


def _check_folder(path: Path, needed: str, what: str) -> None:
    if not path.is_dir():
        msg = f"no {what} folder at {str(path)!r}: check the path"
        raise ModelError(msg)
    if not any(path.iterdir()):
        msg = f"{path} is empty: download the {what} into it first"
        raise ModelError(msg)
    if not (path / needed).is_file():
        adapter = needed == "config.json" and (path / "adapter_config.json").is_file()
        near = " (it holds an adapter: give it as BASE+ADAPTER)" if adapter else ""
        msg = f"{path} has no {needed}: it is no {what} folder{near}"
        raise ModelError(msg)


def _chat_template(folder: LocalFolder, tokenizer_config: Mapping[str, Any]) -> str:
    file = folder.find("chat_template.jinja")
    if file is not None:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            msg = f"{file}: cannot be read as text: download it again"
            raise ModelError(msg) from error
    return listed_templates(tokenizer_config).get("default", "")


def listed_templates(tokenizer_config: Mapping[str, Any]) -> dict[str, str]:
    """Return the chat templates of a `tokenizer_config.json` by name; one alone is the `default`."""
    found = tokenizer_config.get("chat_template")
    rows = found if isinstance(found, list) else [{"name": "default", "template": found}]
    named = {str(row.get("name")): row.get("template") for row in rows if isinstance(row, Mapping)}
    return {name: source for name, source in named.items() if isinstance(source, str)}


def special_tokens(*tables: Mapping[str, Any]) -> dict[str, str]:
    """Return the special tokens that tables name, as `eos_token`; the first table that names one decides."""
    found: dict[str, str] = {}
    for table in tables:
        for name, value in table.items():
            text = value.get("content") if isinstance(value, Mapping) else value
            if name.endswith("_token") and isinstance(text, str):
                found.setdefault(name, text)
    return found


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = config.get("text_config")
    return inner if isinstance(inner, Mapping) else config


def _behavioural(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _behavioural(v) for k, v in value.items() if k not in _COSMETIC}
    return value if not isinstance(value, float) or math.isfinite(value) else digest_text(repr(value))


def _core(name: str) -> str:
    """A module's name without the prefixes that only say which class holds it."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def lora_parts(name: str) -> tuple[str, str]:
    """Return module and side (`A`, `B`, or `""` for other tensors) of an adapter's tensor."""
    found = re.fullmatch(r"(.+)\.lora_(embedding_)?([AB])(\.\w+)?(\.weight)?", name)
    if found and not found[2]:
        return found[1], found[3]
    # Trained layers and copies of the base's own layer are kept under the name of what wraps them.
    return re.sub(r"(\.(base_layer|modules_to_save))?\.(lora_\w+|weight|bias)(\.\w+)*$", "", name), ""


def _check_lora_shape(
    adapter: AdapterInfo, name: str, side: str, given: tuple[int, ...], base: tuple[int, ...]
) -> None:
    wanted = (base[-1] if side == "A" else base[0]) if base else -1
    actual = (given[-1] if side == "A" else given[0]) if len(given) == 2 else -1
    if wanted != actual:
        msg = (
            f"{adapter.path}: adapter for another base: {show(name)} has the shape {list(given)}, "
            f"the base's layer {list(base)}"
        )
        raise ModelError(msg)
