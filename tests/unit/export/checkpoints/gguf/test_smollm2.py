"""The readers against real weights and against what llama.cpp makes of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from export.checkpoints.base import Checkpoint, Encoding
from export.checkpoints.dequantize import dequantize
from export.checkpoints.open import open_checkpoint

GOLDEN = Path(__file__).parents[4] / "golden"


@pytest.fixture(scope="module")
def checkpoint(smollm2_gguf: Path) -> Checkpoint:
    return open_checkpoint(smollm2_gguf)


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    return Tokenizer.from_buffer(checkpoint.tokenizer().tokenizer_json)


def test_the_config_is_that_of_the_published_model(checkpoint: Checkpoint) -> None:
    assert dict(checkpoint.config) == {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "head_dim": 64,
        "hidden_act": "silu",
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-05,
        "rope_theta": 100000.0,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
    }


def test_opening_is_fast(smollm2_gguf: Path) -> None:
    """49,152 tokens and 48,900 merges; a quarter of this bound would be slow already."""
    started_s = time.process_time()
    open_checkpoint(smollm2_gguf)
    assert time.process_time() - started_s < 0.5


def test_every_weight_is_there_and_usable(checkpoint: Checkpoint) -> None:
    num_weights = 0
    for name in checkpoint.names():
        tensor = checkpoint.tensor(name)
        weights = dequantize(tensor)
        assert weights.shape == tensor.shape
        assert np.isfinite(weights).all()
        num_weights += weights.size
    assert num_weights == 134_515_008
    embedding = checkpoint.tensor("model.embed_tokens.weight")
    assert (embedding.encoding, embedding.shape) == (Encoding.Q8_0, (49152, 576))


def test_the_special_tokens(checkpoint: Checkpoint) -> None:
    files = checkpoint.tokenizer()
    assert (files.bos_token_id, files.pad_token_id, files.add_bos_token) == (1, 2, False)
    # <|im_end|> from the metadata, then <|endoftext|>, which llama.cpp stops at as well.
    assert files.eos_token_ids == (2, 0)
    assert files.chat_template is not None
    assert "<|im_start|>assistant" in files.chat_template


def test_ids_are_those_of_llama_cpp(tokenizer: Tokenizer) -> None:
    golden = json.loads((GOLDEN / "smollm2_tokens.json").read_text("utf-8"))
    for text, ids in golden:
        assert tokenizer.encode(text, add_special_tokens=False).ids == ids, text


# SmolLM2's vocabulary lacks six control characters and the bytes F1 and F2, which begin the
# UTF-8 of U+40000 to U+BFFFF. llama.cpp drops them too.
LACKING = "\4\6\x13\x14\x16\x1d"
CHARACTERS = st.one_of(
    st.characters(codec="utf-8", max_codepoint=0x3FFFF, exclude_characters=LACKING),
    st.characters(codec="utf-8", min_codepoint=0xC0000),
)


@given(text=st.text(CHARACTERS))
def test_text_survives_the_way_there_and_back(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_what_the_vocabulary_lacks_is_dropped(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(f"a{LACKING}b", add_special_tokens=False).ids
    assert tokenizer.decode(ids) == "ab"
