"""A second audit of a base that was audited before, against the first: its answers are kept, so only the student is asked.

    python bench/second_audit.py [--engine llamacpp|hf] [--items 12] [--tasks arithmetic,json_output,recall,knowledge_facts]

The bundled base against two students, the bundled one and a copy of its adapter with other weights (scaled by 0.9), with
one evidence store. What is compared is the whole time of `hydrometer.audit`, loading, grading and reports included.
Asks for at most 0.55 of the first's time. `--model FOLDER` lets `hf` read the base from a folder of safetensors.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from safetensors.numpy import load_file, save_file

import hydrometer
from hydrometer.engines.base import EngineSettings
from hydrometer.refs import bundled_adapter, bundled_base

TASKS = "arithmetic,json_output,recall,knowledge_facts"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="llamacpp", choices=("llamacpp", "hf"))
    parser.add_argument("--items", type=int, default=12)
    parser.add_argument("--tasks", default=TASKS)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--model", type=Path, default=None, help="folder of the base, for hf")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        base = f"{args.engine}:{args.model or bundled_base()}"
        other = another(args.engine, Path(place, "other"))
        first = bundled_adapter() if args.engine == "hf" else bundled_adapter() / "adapter.gguf"
        times = []
        for number, student in enumerate((first, other), start=1):
            start = time.perf_counter()
            result = hydrometer.audit(
                base,
                f"{base}+{student}",
                tasks=tuple(args.tasks.split(",")),
                items=args.items,
                fixed=True,
                inspect=False,
                out=Path(place, "out"),
                settings=EngineSettings(threads=args.threads),
            )
            times.append(time.perf_counter() - start)
            print(
                f"audit {number}: {times[-1]:.1f} s; base asked {result.base.asked}, kept {result.base.reused}, "
                f"{result.base.seconds:.1f} s; student asked {result.student.asked}, {result.student.seconds:.1f} s",
                flush=True,
            )
        print(f"second over first: {times[1] / times[0]:.2f}")


def another(engine: str, folder: Path) -> Path:
    """The bundled adapter with its second factors scaled by 0.9, in the format of the engine."""
    if engine == "hf":
        shutil.copytree(bundled_adapter(), folder)
        file = folder / "adapter_model.safetensors"
        tensors = {name: value * (0.9 if "lora_B" in name else 1.0) for name, value in load_file(file).items()}
        save_file({name: value.astype(np.float32) for name, value in tensors.items()}, file, {"format": "pt"})
        return folder
    folder.mkdir()
    made = folder / "adapter.gguf"
    shutil.copy(bundled_adapter() / "adapter.gguf", made)
    with made.open("r+b") as file:
        for tensor in GGUFReader(bundled_adapter() / "adapter.gguf").tensors:
            if tensor.name.endswith("lora_b"):
                file.seek(tensor.data_offset)
                file.write((tensor.data.astype(np.float32) * 0.9).astype(tensor.data.dtype).tobytes())
    return made


if __name__ == "__main__":
    main()
