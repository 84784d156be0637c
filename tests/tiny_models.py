"""Tiny random checkpoints of the real architecture classes, with tokenizer and chat template, for tests."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, Literal

Kind = Literal["qwen3_5", "qwen3_5_moe", "gemma4", "llama"]

CORPUS = (
    "the quick brown fox jumps over the lazy dog and then it thinks about numbers 12 345 678",
    "what is the capital of France? Paris is the capital of France. What is 2 + 2? It is 4.",
    "user assistant system thought answer the question with the letter of the right option only",
)
CHATML_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
GEMMA_TOKENS = ("<pad>", "<eos>", "<bos>", "<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|think|>")
THINK_TOKENS = ("<think>", "</think>")

CHATML = (
    "{%- for message in messages -%}\n"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n{{- '<|im_start|>assistant\\n' -}}\n"
)
QWEN_TEMPLATE = (
    CHATML + "{%- if enable_thinking is defined and enable_thinking is false -%}\n"
    "{{- '<think>\\n\\n</think>\\n\\n' -}}\n{%- else -%}\n{{- '<think>\\n' -}}\n{%- endif -%}\n{%- endif -%}"
)
LLAMA_TEMPLATE = CHATML + "{%- endif -%}"
GEMMA_TEMPLATE = (
    "{{- bos_token -}}\n"
    "{%- if enable_thinking is defined and enable_thinking -%}\n"
    "{{- '<|turn>system\\n<|think|>\\n<turn|>\\n' -}}\n{%- endif -%}\n"
    "{%- for message in messages -%}\n"
    "{%- set role = 'model' if message.role == 'assistant' else message.role -%}\n"
    "{{- '<|turn>' + role + '\\n' + message.content + '<turn|>\\n' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n{{- '<|turn>model\\n' -}}\n"
    "{%- if not (enable_thinking is defined and enable_thinking) -%}\n"
    "{{- '<|channel>thought\\n<channel|>' -}}\n{%- endif -%}\n{%- endif -%}"
)

_GDN = {
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "partial_rotary_factor": 0.5,
        "mrope_section": [2, 1, 1],
        "mrope_interleaved": True,
    },
}


def build_tiny(kind: Kind, folder: Path, seed: int) -> Path:
    """Save a tiny random model of a family, with tokenizer and template, and return its folder.

    Weights are drawn wide, so that the next token depends on the text and replies are not all alike.
    """
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        model = _model(kind, tokenizer.get_vocab())
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.ndim >= 2 and "norm" not in name:
                    weight.normal_(0.0, 0.25)
        model.generation_config.do_sample = True
        model.generation_config.temperature = 1.0
        model.generation_config.top_k = 20
        model.generation_config.top_p = 0.95
        model.generation_config.eos_token_id = _eos(kind, tokenizer)
        model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    template = {"gemma4": GEMMA_TEMPLATE, "llama": LLAMA_TEMPLATE}.get(kind, QWEN_TEMPLATE)
    (folder / "chat_template.jinja").write_text(template)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, **_named(kind)}))
    return folder


def _named(kind: Kind) -> dict[str, str]:
    if kind == "gemma4":
        return {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    # As in the wild: the padding token is the end-of-turn token itself.
    return {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}


def _eos(kind: Kind, tokenizer: Any) -> list[int]:
    names = ("<eos>", "<turn|>") if kind == "gemma4" else ("<|im_end|>", "<|endoftext|>")
    return [tokenizer.token_to_id(name) for name in names]


def _tokenizer(kind: Kind) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = list(GEMMA_TOKENS if kind == "gemma4" else CHATML_TOKENS)
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    if kind.startswith("qwen"):
        # Qwen's think tags are added tokens that are not special; Gemma's channel tags are special ones.
        tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in THINK_TOKENS])
    return tokenizer


def _model(kind: Kind, vocab: dict[str, int]) -> Any:
    import transformers as tf

    size = max(vocab.values()) + 1
    common: dict[str, Any] = {
        "vocab_size": size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 512,
    }
    if kind == "gemma4":
        return _gemma(tf, common, vocab)
    end, pad = vocab["<|im_end|>"], vocab["<|endoftext|>"]
    ids = {"eos_token_id": end, "pad_token_id": pad, "bos_token_id": None}
    if kind == "llama":
        return tf.LlamaForCausalLM(tf.LlamaConfig(**common, **ids, num_hidden_layers=3))
    text = {**common, **_GDN, **ids, "num_hidden_layers": 4, "full_attention_interval": 4}
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32}
    vision |= {"patch_size": 4, "num_position_embeddings": 16}
    media = {
        f"{name}_token_id": i for i, name in enumerate(("image", "video", "vision_start", "vision_end"), 3)
    }
    if kind == "qwen3_5":
        config = tf.Qwen3_5Config(text_config=text, vision_config=vision, **media)
        return tf.Qwen3_5ForConditionalGeneration(config)
    text |= {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    text |= {"shared_expert_intermediate_size": 16}
    return tf.Qwen3_5MoeForConditionalGeneration(
        tf.Qwen3_5MoeConfig(text_config=text, vision_config=vision, **media)
    )


def _gemma(tf: Any, common: dict[str, Any], vocab: dict[str, int]) -> Any:
    text = {
        **common,
        "num_hidden_layers": 4,
        "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"],
        "sliding_window": 16,
        "global_head_dim": 16,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": common["vocab_size"],
        "pad_token_id": vocab["<pad>"],
        "eos_token_id": vocab["<eos>"],
        "bos_token_id": vocab["<bos>"],
        "final_logit_softcapping": 30.0,
    }
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"num_key_value_heads": 2, "head_dim": 8}
    media = {
        f"{name}_token_id": i for i, name in enumerate(("image", "video", "audio", "boi", "eoi", "boa"), 10)
    }
    config = tf.Gemma4Config(text_config=text, vision_config=vision, audio_config=None, **media)
    return tf.Gemma4ForConditionalGeneration(config)
