"""Small tokenizers of the kinds that models have, trained on a few lines."""

from __future__ import annotations

import json
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, trainers

LINES = [
    "hello there, how are you today? I am well, thank you.",
    "system user assistant im_start im_end INST SYS start_header_id end_header_id eot_id",
    "the model writes a story about a small boat on a large sea \n\n and <|odd|> [things] happen",
    "naïve café 你好 世界 🙂 👩‍👩‍👧",
] * 4

CHATML_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LLAMA3_TOKENS = (
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)


def byte_level(special_tokens: tuple[str, ...] = CHATML_TOKENS) -> tokenizers.Tokenizer:
    """Byte-level BPE, as in GPT-2, SmolLM2, Llama 3 and Qwen."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(special_tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.add_tokens([AddedToken("<think>", special=False, normalized=False)])
    return tokenizer


def sentencepiece(*, first_only: bool) -> tokenizers.Tokenizer:
    """BPE with byte fallback, as in Llama 2, Mistral and Zephyr.

    `first_only`: only a prompt's beginning gets a space of its own, not every run of text
    (what `legacy: false` means there).
    """
    tokenizer = tokenizers.Tokenizer(
        models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    )
    if first_only:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    specials = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=specials + byte_tokens, show_progress=False
    )
    tokenizer.train_from_iterator([line.split("naïve")[0] for line in LINES], trainer)
    document = json.loads(tokenizer.to_str())
    document["added_tokens"] = [t for t in document["added_tokens"] if t["content"] in specials]
    return tokenizers.Tokenizer.from_str(json.dumps(document))


def saved(tokenizer: tokenizers.Tokenizer, folder: Path) -> Path:
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def id_of(tokenizer: tokenizers.Tokenizer, token: str) -> int:
    token_id = tokenizer.token_to_id(token)
    assert token_id is not None
    return int(token_id)


def panicking() -> tokenizers.Tokenizer:
    """Its expression goes back and forth over long words until the library panics."""
    library = byte_level()
    library.pre_tokenizer = pre_tokenizers.Split(
        tokenizers.Regex(r"([A-z ]+)+\d\d\d"), behavior="isolated"
    )
    return library
