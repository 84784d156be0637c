"""LoRA adapters for the `hf` engine: matched by layer, never by whole name, and left beside the weights.

Summed into the weights they would run some 5 % faster, but then a base and its student could not share one set of
weights, and a student would be rounded in another way when it does than when it stands alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from hydrometer.checkpoint.folder import AdapterInfo, match_adapter, read_adapter
from hydrometer.errors import MissingPackageError, ModelError


def attach(model: Any, path: Path) -> tuple[AdapterInfo, Any]:
    """Put an adapter beside the weights of a loaded model, and return it with peft's own object, which switches it.

    Raises:
        ModelError: The adapter is damaged or made for another base.
        MissingPackageError: peft is not installed.
    """
    info = read_adapter(path)
    try:
        from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    except ImportError as error:
        msg = f"{str(path)!r} is an adapter and peft is not installed: pip install 'hydrometer[hf]'"
        raise MissingPackageError(msg) from error
    names = match_adapter(info, _shapes(model))
    config = LoraConfig.from_pretrained(str(path))
    # The adapter's own target names may be a pattern over another class's prefixes; these are what it holds.
    saved = set(config.modules_to_save or ())
    config.target_modules = sorted(
        {target for module, target in names.items() if module.rpartition(".")[2] not in saved}
    )
    config.inference_mode = True
    state = {_renamed(key, names): value for key, value in load_file(str(info.file)).items()}
    peft: Any = get_peft_model(model, config)
    report = set_peft_model_state_dict(peft, state)
    if report.unexpected_keys:
        msg = (
            f"{path}: {len(report.unexpected_keys)} tensors fit no layer, first {report.unexpected_keys[0]!r}"
        )
        raise ModelError(msg)
    return info, peft


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Shape of every module's weight; unlike the list of parameters it names tied ones twice."""
    return {
        f"{name}.weight": tuple(module.weight.shape)
        for name, module in model.named_modules()
        if isinstance(getattr(module, "weight", None), torch.Tensor)
    }


def _renamed(key: str, names: dict[str, str]) -> str:
    """A tensor's key with the prefix of the loaded class instead of the one it was trained in."""
    for module in sorted(names, key=len, reverse=True):
        if key.startswith(f"{module}."):
            return f"base_model.model.{names[module]}{key[len(module) :]}"
    return key
