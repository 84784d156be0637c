"""Opening models for the `hf` engine: folders, hub ids and GGUF files, with PEFT adapters.

Everything that could make two loads differ silently is refused here: code from the checkpoint, pickles, weights
that the files do not hold (the library would fill them with random numbers), adapters that match no layer.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tokenizers.pre_tokenizers import ByteLevel, Digits
from tokenizers.pre_tokenizers import Sequence as Steps
from transformers import modeling_gguf_pytorch_utils as gguf_loader
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from hydrometer.canon import digest_file
from hydrometer.checkpoint.folder import AdapterInfo, FolderInfo, read_folder
from hydrometer.checkpoint.gguf import GgufHeader, read_header
from hydrometer.checkpoint.ranges import LOST
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.hf_adapter import attach
from hydrometer.engines.hf_network import is_out_of_memory
from hydrometer.errors import EngineUnavailableError, ModelError, OutOfMemoryError, UsageError
from hydrometer.spec import ModelRef

_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model in memory with what is known about its files.

    Attributes:
        model: The transformers model, adapter included.
        tokenizer: Its tokenizer.
        template: Source of the checkpoint's own chat template, `""` without one.
        architecture: Family name, such as `llama`.
        precision: Dtype computed in, with the file's format where that is another.
        generation: The checkpoint's own generation settings.
        weights: Hashes the weight files.
        config: Digest of the configuration.
        adapter: The adapter, if any.
    """

    model: Any
    tokenizer: Any
    template: str
    architecture: str
    precision: str
    generation: Mapping[str, Any]
    weights: Callable[[], str]
    config: str
    adapter: AdapterInfo | None


def load(ref: ModelRef, settings: EngineSettings) -> Loaded:
    """Load a model and its adapter.

    Raises:
        ModelError: The model or the adapter cannot be used.
        EngineUnavailableError: The hub cannot be reached.
        OutOfMemoryError: The weights do not fit.
    """
    if ref.adapter.startswith("hf://"):
        msg = f"{ref.adapter!r}: the adapter is needed here: get it with `hf download`, then give its folder"
        raise ModelError(msg)
    target = Path(ref.target)
    if target.suffix.lower() == ".gguf":
        return _load_gguf(ref, target, settings)
    folder = target if target.exists() or _looks_local(ref.target) else download(ref.target)
    return _load_folder(ref, read_folder(folder), settings)


def download(name: str) -> Path:
    """Fetch a checkpoint from the hub, or find it in the local cache; no pickles, no code.

    Args:
        name: Hub id, with `@revision` behind it if not the newest is meant.

    Raises:
        ModelError: There is no such checkpoint, or it is not open to this user.
        EngineUnavailableError: The hub cannot be reached and the cache does not hold it.
    """
    repo, _, revision = name.partition("@")
    try:
        return Path(snapshot_download(repo, revision=revision or None, allow_patterns=_HUB_FILES))
    except GatedRepoError as error:
        msg = f"{name!r} is gated: accept its terms on the hub and log in with `hf auth login`"
        raise ModelError(msg) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        msg = f"no model {name!r} on the hub, and no such folder here: check the spelling"
        raise ModelError(msg) from error
    except LOST as error:
        msg = f"{name!r} is not in the local cache and the hub cannot be reached: download it, then give the folder"
        raise EngineUnavailableError(msg) from error


def _load_folder(ref: ModelRef, info: FolderInfo, settings: EngineSettings) -> Loaded:
    device = pick_device(settings)
    dtype = _dtype(settings, device, info.dtype)
    known = info.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    auto = transformers.AutoModelForCausalLM if known else transformers.AutoModelForImageTextToText
    place = str(info.path)
    with translated(ref):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            place, trust_remote_code=False, local_files_only=True
        )
        model = _weights(auto, place, ref, dtype, device)
        adapter = attach(model, Path(ref.adapter))[0] if ref.adapter else None
    return Loaded(
        model=model.eval(),
        tokenizer=tokenizer,
        template=info.chat_template or _own_template(tokenizer),
        architecture=info.model_type,
        precision=_word(dtype),
        generation=info.generation_config,
        weights=info.weights_digest,
        config=info.config_digest(),
        adapter=adapter,
    )


def _load_gguf(ref: ModelRef, path: Path, settings: EngineSettings) -> Loaded:
    header = read_header(path)
    device = pick_device(settings)
    dtype = _dtype(settings, device, "float32")
    place = str(path.parent)
    with translated(ref):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            place, gguf_file=path.name, trust_remote_code=False, local_files_only=True
        )
        _mend_tokenizer(tokenizer, header)
        model = _weights(transformers.AutoModelForCausalLM, place, ref, dtype, device, gguf_file=path.name)
        # A dequantised model still calls itself quantised, and then refuses an adapter.
        model.is_quantized = False
        model.hf_quantizer = None
        adapter = attach(model, Path(ref.adapter))[0] if ref.adapter else None
    return Loaded(
        model=model.eval(),
        tokenizer=tokenizer,
        template=_own_template(tokenizer),
        architecture=header.architecture,
        precision=f"{header.precision} as {_word(dtype)}",
        generation={},
        weights=lambda: digest_file(path),
        config="",
        adapter=adapter,
    )


def _weights(auto: Any, place: str, ref: ModelRef, dtype: Any, device: str, **more: Any) -> Any:
    if device != "cpu":
        more["device_map"] = device
    model, report = auto.from_pretrained(
        place,
        dtype=dtype,
        trust_remote_code=False,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        **more,
    )
    missing = sorted(report["missing_keys"])
    if missing:
        # The library would go on with random numbers in their place.
        msg = f"{ref.text!r}: {len(missing)} weights are not in its files, first {missing[0]!r}: download it again"
        raise ModelError(msg)
    return model


def _mend_tokenizer(tokenizer: Any, header: GgufHeader) -> None:
    """Put back what the conversion from GGUF loses: SmolLM2 splits numbers into single digits.

    Without it, numbers behind two blanks are tokenised in another way than the model was trained on.
    """
    if header.text("tokenizer.ggml.pre") == "smollm":
        digits: Any = Digits(individual_digits=True)
        steps: Any = [digits, ByteLevel(add_prefix_space=False)]
        tokenizer.backend_tokenizer.pre_tokenizer = Steps(steps)


def pick_device(settings: EngineSettings) -> str:
    """Return the device to load on.

    Raises:
        UsageError: The chosen device is not there.
    """
    if not settings.device:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if settings.device.startswith("cuda") and not torch.cuda.is_available():
        msg = f"device {settings.device!r}: torch sees no GPU here: use cpu"
        raise UsageError(msg)
    return settings.device


def _dtype(settings: EngineSettings, device: str, stored: str) -> Any:
    if settings.dtype != "auto":
        if settings.dtype not in _DTYPES:
            # float16 is not offered: on a CPU it is an order of magnitude slower than float32.
            msg = f"dtype {settings.dtype!r}: use auto, float32 or bfloat16"
            raise UsageError(msg)
        return _DTYPES[settings.dtype]
    if device == "cpu":
        return torch.float32
    return {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(stored, torch.float32)


def _word(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _own_template(tokenizer: Any) -> str:
    source = getattr(tokenizer, "chat_template", None)
    if isinstance(source, dict):
        source = source.get("default")
    return source if isinstance(source, str) else ""


def _looks_local(target: str) -> bool:
    return target.startswith(("/", ".", "~")) or target.count("/") != 1


@contextmanager
def translated(ref: ModelRef) -> Iterator[None]:
    """Map what loaders raise to one line, and keep their warnings and bars off the terminal."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    # The GGUF loader draws its bar past that switch.
    gguf_loader.tqdm = lambda steps, **_: steps
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (
        OSError,
        ValueError,
        RuntimeError,
        MemoryError,
        LookupError,
        TypeError,
        AttributeError,
        ImportError,
    ) as e:
        if is_out_of_memory(e):
            msg = f"out of memory while loading {ref.text!r}: use a smaller or quantised model, or --dtype bfloat16"
            raise OutOfMemoryError(msg) from e
        first = str(e).strip().partition("\n")[0][:300]
        version = transformers.__version__
        msg = f"{ref.text!r} cannot be loaded with transformers {version}: {type(e).__name__}: {first}"
        raise ModelError(msg) from e
