"""Tokenizers with more added tokens than the weights have rows.

A model of text often shares its tokenizer with one of its family that reads images too: Gemma 3 of
1B has 262,144 rows, and its tokenizer the token `<image_soft_token>` behind them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Set as AbstractSet

from tokenizers import Tokenizer

from export.checkpoints.base import TokenizerFiles
from export.checkpoints.json_file import parse_json_object
from export.progress import Progress
from export.tokenizing import load_tokenizer


def fitted(
    files: TokenizerFiles, vocab_size: int, progress: Progress
) -> tuple[TokenizerFiles, Tokenizer]:
    """The tokenizer without added tokens for which there are no weights, of which `progress` is
    told, and loaded. What spells one of them is text like any other.

    Raises ExportError for a tokenizer that cannot be used.
    """
    words = load_tokenizer(files.tokenizer_json)
    beyond = {
        token_id: token.content
        for token_id, token in words.get_added_tokens_decoder().items()
        if token_id >= vocab_size
    }
    if not beyond:
        return files, words
    shown = ", ".join(repr(content) for content in [*beyond.values()][:5])
    progress.warn(
        f"the tokenizer has {len(beyond)} added tokens for which the weights have no row, and is "
        f"stored without them: {shown}{', …' if len(beyond) > 5 else ''}"
    )
    content = _without(files.tokenizer_json, beyond.keys())
    return dataclasses.replace(files, tokenizer_json=content), load_tokenizer(content)


def _without(tokenizer_json: bytes, token_ids: AbstractSet[int]) -> bytes:
    document = parse_json_object(tokenizer_json, "its tokenizer.json")
    added = document["added_tokens"]
    assert isinstance(added, list)
    kept = [token for token in added if isinstance(token, dict) and token["id"] not in token_ids]
    return json.dumps({**document, "added_tokens": kept}, ensure_ascii=False).encode()
