"""From a model reference to its tensors: a folder, a GGUF file or a repository on the hub, with or without adapter."""

from __future__ import annotations

import re
from pathlib import Path

from hydrometer.checkpoint.adapter_files import open_gguf_lora, open_peft
from hydrometer.checkpoint.gguf_source import GgufSource, open_gguf
from hydrometer.checkpoint.hub import HubFolder
from hydrometer.checkpoint.places import PICKLES, Folder, LocalFolder
from hydrometer.checkpoint.safetensors_source import SafetensorsSource, open_safetensors
from hydrometer.checkpoint.source import TensorSource
from hydrometer.errors import ModelError
from hydrometer.spec import ModelRef

HUB = "hf://"
_HUB_NAME = re.compile(
    r"(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>refs/(pr|convert)/[^/]+|[^/]+))?(/(?P<file>.+\.gguf))?",
    re.DOTALL | re.IGNORECASE,
)


def open_source(ref: ModelRef) -> TensorSource:
    """Open the tensors of a model; headers are read and checked, no numbers.

    Args:
        ref: What the user gave, taken apart.

    Raises:
        ModelError: It has no files, or they are missing, damaged, unsafe or do not belong together.
        MissingPackageError: Its format needs a package that is not installed.
        EngineUnavailableError: The hub cannot be reached.
    """
    if not ref.has_files:
        msg = f"{ref.text!r} has no files to read: give a .gguf file, a checkpoint folder or {HUB}OWNER/NAME"
        raise ModelError(msg)
    base = _open_base(ref)
    if not ref.adapter:
        return base
    try:
        return _with_adapter(base, ref.adapter)
    except BaseException:
        base.close()
        raise


def locate(ref: ModelRef) -> tuple[Folder, str]:
    """Return the folder that holds a model's files, and the name of its GGUF file, `""` for safetensors.

    Raises:
        ModelError: It names no model whose files can be read.
    """
    path = Path(ref.target)
    if ref.text.startswith(HUB) or not path.exists():
        return _repository(ref.target, ref.text)
    if path.is_dir():
        return LocalFolder(path), ""
    if path.suffix.lower() == ".gguf":
        return _file_here(path)
    if path.suffix.lower() in PICKLES:
        msg = f"{path}: pickles run code when they are opened and are refused: convert it with safetensors first"
    elif path.suffix.lower() == ".safetensors":
        msg = f"{path}: give its folder {str(path.parent)!r}, which has the config too"
    else:
        msg = f"{path}: no model that can be read: give a .gguf file or a checkpoint folder"
    raise ModelError(msg)


def locate_adapter(adapter: str) -> tuple[Folder, str]:
    """Return the folder that holds an adapter, and the name of its GGUF file, `""` for PEFT's format.

    Raises:
        ModelError: It is no name that the hub has.
    """
    if adapter.startswith(HUB):
        return _repository(adapter, adapter)
    return _file_here(Path(adapter)) if adapter.lower().endswith(".gguf") else (LocalFolder(Path(adapter)), "")


def _open_base(ref: ModelRef) -> GgufSource | SafetensorsSource:
    folder, file = locate(ref)
    return open_gguf(folder, file) if file else open_safetensors(folder, rows=True)


def _repository(target: str, given: str) -> tuple[HubFolder, str]:
    """A repository and the GGUF file in it that is meant, `""` for its safetensors."""
    found = _HUB_NAME.fullmatch(target.removeprefix(HUB))
    if found is None:
        msg = (
            f"{given!r}: give {HUB}OWNER/NAME, with @REVISION behind it for another than the newest "
            "and /FILE.gguf for a GGUF file"
        )
        raise ModelError(msg)
    return HubFolder(found["repo"], found["revision"] or ""), found["file"] or ""


def _file_here(path: Path) -> tuple[LocalFolder, str]:
    # A link that the user gave by name is meant; only what files of strangers point to is held in the folder.
    part = re.search(r"-\d{5}-of-\d{5}\.gguf$", path.name)
    real = path if part else path.resolve()
    return LocalFolder(real.parent), real.name


def _with_adapter(base: GgufSource | SafetensorsSource, adapter: str) -> TensorSource:
    is_gguf = adapter.lower().endswith(".gguf")
    if is_gguf != isinstance(base, GgufSource):
        given, wanted = ("GGUF", "PEFT folder") if is_gguf else ("a PEFT folder", "GGUF file")
        msg = f"{adapter!r} is {given} and its base is not: give the adapter as a {wanted}, or the base likewise"
        raise ModelError(msg)
    folder, file = locate_adapter(adapter)
    return open_gguf_lora(base, folder, file) if is_gguf else open_peft(base, folder)
