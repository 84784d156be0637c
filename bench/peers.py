"""Who recognises a fine-tune, and at what cost: `python bench/peers.py [--gb 1] [--peers DIR]`.

Tiny random instances of the real classes are saved by transformers, and every matrix is moved by one per cent. Ours and
`modeldna compare` say whether the second comes from the first; `modeldelta` reports distances and no lineage, `modeldiffr`
digests, so both are asked only for what they give. The second table compares the time of `modeldelta` and of
`hydrometer inspect --full` on one pair. Peers come from the package index: `pip install --no-deps --target DIR modeldelta
modeldiffr modeldna`; what is not there is said to be.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as tf
from safetensors.torch import load_file, save_file

from full_pass import make_pair
from hydrometer.inspection import inspect

TEXT: dict[str, Any] = {
    "vocab_size": 512, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 512, "pad_token_id": 0,
}  # fmt: skip
GDN = {
    "linear_key_head_dim": 32, "linear_value_head_dim": 32, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
    "full_attention_interval": 4,
}  # fmt: skip
MOE = {
    "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "shared_expert_intermediate_size": 64,
}  # fmt: skip
EYE = {
    "depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 128, "patch_size": 4,
    "num_position_embeddings": 16,
}  # fmt: skip
GEMMA = {
    "layer_types": ["sliding_attention"] * 3 + ["full_attention"], "sliding_window": 16, "global_head_dim": 32,
    "hidden_size_per_layer_input": 16, "vocab_size_per_layer_input": 512,
}  # fmt: skip


def classes() -> dict[str, Any]:
    """A tiny random model of every architecture."""
    gemma_eye = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                 "num_key_value_heads": 2, "head_dim": 16}  # fmt: skip
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    media = {name: n for n, name in enumerate(names, 3)}
    sounds = {f"{name}_token_id": n for n, name in enumerate(("image", "video", "audio", "boi", "eoi", "boa"), 10)}

    def gemma(**more: Any) -> Any:
        text = {**TEXT, **GEMMA, **more}
        config = tf.Gemma4Config(text_config=text, vision_config=gemma_eye, audio_config=None, **sounds)
        return tf.Gemma4ForConditionalGeneration(config)

    routed = {"enable_moe_block": True, "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 64}
    return {
        "Qwen3.5": lambda: tf.Qwen3_5ForConditionalGeneration(
            tf.Qwen3_5Config(text_config={**TEXT, **GDN}, vision_config=EYE, **media)
        ),
        "Qwen3.5, text class": lambda: tf.Qwen3_5ForCausalLM(tf.Qwen3_5TextConfig(**TEXT, **GDN)),
        "Qwen3.5 MoE": lambda: tf.Qwen3_5MoeForConditionalGeneration(
            tf.Qwen3_5MoeConfig(text_config={**TEXT, **GDN, **MOE}, vision_config=EYE, **media)
        ),
        "Qwen3-Next": lambda: tf.Qwen3NextForCausalLM(tf.Qwen3NextConfig(**TEXT, **GDN, **MOE)),
        "Gemma 4": gemma,
        "Gemma 4 MoE": lambda: gemma(**routed),
        "Gemma 3": lambda: tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(**TEXT)),
        "Llama": lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**TEXT)),
        "Mistral": lambda: tf.MistralForCausalLM(tf.MistralConfig(**TEXT)),
        "Qwen2": lambda: tf.Qwen2ForCausalLM(tf.Qwen2Config(**{k: v for k, v in TEXT.items() if k != "head_dim"})),
        "Qwen3": lambda: tf.Qwen3ForCausalLM(tf.Qwen3Config(**TEXT)),
        "SmolLM3": lambda: tf.SmolLM3ForCausalLM(tf.SmolLM3Config(**TEXT)),
    }


def save(make: Any, folder: Path, seed: int) -> None:
    """Save a random instance of a class."""
    torch.manual_seed(seed)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        model = make().to(torch.bfloat16)
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0.0, 0.05)
        model.save_pretrained(folder)


def fine_tune(base: Path, student: Path) -> None:
    """Move every matrix by one per cent."""
    shutil.copytree(base, student)
    torch.manual_seed(1)
    tensors = load_file(student / "model.safetensors")
    for name, tensor in tensors.items():
        if tensor.ndim > 1:
            tensors[name] = (tensor.float() + 0.01 * tensor.float().std() * torch.randn(tensor.shape)).to(tensor.dtype)
    save_file(tensors, student / "model.safetensors", metadata={"format": "pt"})


def spent() -> float:
    """Processor time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(words: list[str], peers: Path | None, limit: float = 1800.0) -> tuple[int, str, float]:
    """Run a module of a peer: status, what it printed, seconds of processor time, which other work does not stretch."""
    path = os.pathsep.join(str(p) for p in (peers, *sys.path) if p)
    start = spent()
    try:
        done = subprocess.run(
            [sys.executable, "-m", *words], capture_output=True, text=True, timeout=limit, check=False,
            env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 124, "", spent() - start
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr, spent() - start


def dna_says(base: Path, student: Path, peers: Path | None) -> str:
    """The verdict of modeldna, or why there is none."""
    status, text, _ = run(["modeldna.cli", "compare", str(student), str(base), "--json"], peers)
    if "No module named" in text:
        return "not installed"
    try:
        found = json.loads(text[text.index("{") :])
    except ValueError:
        return f"failed ({status}): {text.strip().splitlines()[-1][:60] if text.strip() else ''}"
    for key in ("verdict", "relationship", "label"):
        if key in found:
            value = found[key]
            return str(value.get("label", value.get("verdict", value)) if isinstance(value, dict) else value)
    return "/".join(map(str, found))[:80]


def recognise(place: Path, peers: Path | None) -> None:
    tf.utils.logging.disable_progress_bar()
    print("| architecture | hydrometer | of one trained apart | modeldna |\n| --- | --- | --- | --- |")
    for name, make in classes().items():
        base, student = place / f"{name}-base", place / f"{name}-student"
        try:
            for seed, folder in enumerate((base, place / f"{name}-apart")):
                save(make, folder, seed)
        except (ValueError, TypeError, AttributeError) as error:
            print(f"| {name} | not built: {error!r} | | |")
            continue
        fine_tune(base, student)
        ours = inspect(str(base), str(student), quick=True).lineage
        apart = inspect(str(base), str(place / f"{name}-apart"), quick=True).lineage.word
        says = dna_says(base, student, peers)
        print(f"| {name} | {ours.word}, chance {ours.p_value:.0e} | {apart} | {says} |", flush=True)


def race(place: Path, gigabytes: float, peers: Path | None) -> None:
    make_pair(place / "pair", gigabytes)
    base, student = str(place / "pair" / "base"), str(place / "pair" / "student")
    status, _, ours = run(["hydrometer.cli", "inspect", base, student, "--full", "--workers", "1"], None)
    print(f"hydrometer inspect --full  {ours:8.2f} s (status {status})")
    status, text, theirs = run(["modeldelta", base, student, "-o", str(place / "delta.json"), "-q"], peers)
    if status:
        print(f"modeldelta: no result (status {status}): {text.strip().splitlines()[-1:]}")
        return
    print(f"modeldelta                 {theirs:8.2f} s: {theirs / ours:.0f} times as long")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=1.0)
    parser.add_argument("--peers", type=Path)
    asked = parser.parse_args()
    np.seterr(all="ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        recognise(Path(place), asked.peers)
        race(Path(place), asked.gb, asked.peers)


if __name__ == "__main__":
    main()
