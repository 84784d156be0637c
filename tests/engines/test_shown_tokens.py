"""Marks of thinking and of tool calls come back as text from a real llama.cpp, where they are control tokens."""

import string
from pathlib import Path

import numpy as np
import pytest

from hydrometer.engines.base import EngineSettings
from hydrometer.engines.llama_server import SHOWN
from hydrometer.engines.llamacpp import open_model
from hydrometer.items import Kind, Message, Request
from hydrometer.outcomes import Finish
from hydrometer.spec import ModelRef

pytest.importorskip("xllamacpp", reason="needs the llamacpp extra")
gguf = pytest.importorskip("gguf", reason="needs the llamacpp extra")

HIDDEN = "<|unused|>"
END = "<|end|>"
LETTERS = (*string.ascii_letters, *string.digits, *"!?.,:;<>|[]/_-\"'", "\u0120")


def reciter(path: Path, chain: tuple[str, ...]) -> Path:
    """Write a model without knowledge: behind each token of a chain it says the next, and nothing else.

    Blocks of zeros leave the embedding as it is, embeddings are unit vectors, and the output matrix is the table of
    successors.
    """
    special = (*SHOWN, HIDDEN, END)
    tokens = [*LETTERS, "aa", *special]
    width = 64 * (len(tokens) // 64 + 1)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(width)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    writer.add_token_types([normal] * (len(tokens) - len(special)) + [control] * len(special))
    writer.add_token_merges(["a a"])
    writer.add_eos_token_id(tokens.index(END))
    writer.add_bos_token_id(tokens.index(END))
    writer.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    follows = np.zeros((len(tokens), width), np.float32)
    for before, behind in zip(chain, (*chain[1:], END), strict=True):
        follows[tokens.index(behind), tokens.index(before)] = 1
    writer.add_tensor("token_embd.weight", np.eye(len(tokens), width, dtype=np.float32))
    writer.add_tensor("output.weight", follows)
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(width, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((width, width), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        (("x", *SHOWN), "".join(SHOWN)),
        (("x", "<|channel>", "y", "<channel|>", "z"), "<|channel>y<channel|>z"),
        (("x", HIDDEN, "y"), "y"),
    ],
    ids=["all marks", "a block of thinking", "another control token stays hidden"],
)
def test_control_tokens_that_carry_meaning_are_text(tmp_path: Path, chain: tuple[str, ...], said: str) -> None:
    path = reciter(tmp_path / "reciter.gguf", chain)
    request = Request(kind=Kind.GENERATE, messages=(Message("user", "x"),), max_tokens=32)
    ref = ModelRef(text=str(path), engine="llamacpp", target=str(path))
    with open_model(ref, EngineSettings(threads=1, slots=1, context=256)) as engine:
        ((_, completion),) = engine.generate([request])
    assert (completion.text, completion.finish) == (said, Finish.STOP)
