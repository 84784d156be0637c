"""The bundled base as a checkpoint folder in float32, which every engine and every peer can open.

    python bench/smollm.py FOLDER

The weights are the dequantised ones of the GGUF file, the tokenizer is the mended one.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import transformers

from hydrometer.engines.base import EngineSettings
from hydrometer.engines.hf_load import load
from hydrometer.refs import bundled_base
from hydrometer.spec import ModelRef


def make_folder(folder: Path) -> Path:
    """Save it unless it is there already, and return the folder."""
    if not (folder / "model.safetensors").is_file():
        transformers.utils.logging.disable_progress_bar()
        place = str(bundled_base())
        loaded = load(ModelRef(text=place, engine="hf", target=place), EngineSettings())
        config = copy.deepcopy(loaded.model.config)
        # A model that came from a GGUF file still calls itself quantised, and cannot be saved as it is.
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        model = type(loaded.model)(config)
        model.load_state_dict(loaded.model.state_dict())
        model.tie_weights()
        model.generation_config = loaded.model.generation_config
        model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    print(make_folder(Path(sys.argv[1])))
