"""Writes the random llamas `tiny_llama_a` and `tiny_llama_b`, and what transformers makes of them.

    python tests/golden/make_tiny_llama.py

needs torch and transformers, which the tests do not: they compare with the logits written here.
A has tied embeddings in float32 and Llama 3.1's rotary scaling; B has a head of its own in
float16, biases everywhere and heads wider than hidden_size / num_attention_heads.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).parent
NUM_TOKENS = 64
EOS, BOS = "</s>", "<s>"

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def shared_config(**differences: object) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=258,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=256,
        eos_token_id=257,
        **differences,
    )


def random_model(config: LlamaConfig, seed: int) -> LlamaForCausalLM:
    """Weights wide enough for attention to matter; norms near one, biases near zero."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.uniform_(0.5, 1.5)
            else:
                weight.normal_(0, 0.1 if name.endswith("bias") else 0.2)
    return model


def byte_level_tokenizer() -> dict[str, object]:
    """A tokenizer.json of the 256 bytes and two special tokens."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    symbols = [*map(chr, printable), *(chr(256 + i) for i in range(len(rest)))]
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": 256, "content": BOS, "special": True, **special},
            {"id": 257, "content": EOS, "special": True, **special},
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        "model": {
            "type": "BPE",
            "vocab": {symbol: i for i, symbol in enumerate(symbols)} | {BOS: 256, EOS: 257},
            "merges": [],
        },
    }


def write(folder: Path, config: LlamaConfig, dtype: torch.dtype, seed: int) -> None:
    random_model(config, seed).to(dtype).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(byte_level_tokenizer()))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": EOS, "bos_token": BOS}))
    token_ids = np.random.default_rng(seed).integers(0, config.vocab_size, NUM_TOKENS)
    # Read back, since what is compared are the weights as they are stored.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(torch.tensor(token_ids)[None]).logits[0].numpy()
    np.savez(folder / "expected.npz", token_ids=token_ids, logits=logits)


def main() -> None:
    a = shared_config(tie_word_embeddings=True, rope_parameters=LLAMA3_ROPE, rms_norm_eps=1e-5)
    write(HERE / "tiny_llama_a", a, torch.float32, seed=1)
    b = shared_config(
        tie_word_embeddings=False,
        attention_bias=True,
        mlp_bias=True,
        head_dim=32,
        rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
    )
    write(HERE / "tiny_llama_b", b, torch.float16, seed=2)


if __name__ == "__main__":
    main()
