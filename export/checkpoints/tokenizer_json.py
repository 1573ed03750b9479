"""Two facts read out of a tokenizer.json: which id a token has, and whether texts begin with one.

Format: https://huggingface.co/docs/tokenizers
"""

from __future__ import annotations

from collections.abc import Mapping

from export.checkpoints.base import JsonValue
from export.checkpoints.json_file import is_count


class TokenIds:
    """Ids by token, the added tokens before the model's own vocabulary."""

    def __init__(self, document: Mapping[str, JsonValue]) -> None:
        self._added: dict[str, int] = {}
        for token in _objects(document.get("added_tokens")):
            content, token_id = token.get("content"), token.get("id")
            if isinstance(content, str) and isinstance(token_id, int) and is_count(token_id):
                self._added[content] = token_id
        model = document.get("model")
        self._vocab = model.get("vocab") if isinstance(model, dict) else None

    def get(self, token: str | None) -> int | None:
        """The id, None for None and for a token that is unknown."""
        if token is None or token in self._added:
            return None if token is None else self._added[token]
        if isinstance(self._vocab, dict):
            token_id = self._vocab.get(token)
            return token_id if isinstance(token_id, int) and is_count(token_id) else None
        # Unigram models list [token, score] pairs in the order of their ids.
        for token_id, pair in enumerate(self._vocab if isinstance(self._vocab, list) else []):
            if isinstance(pair, list) and pair[:1] == [token]:
                return token_id
        return None


def leading_special_token(document: Mapping[str, JsonValue]) -> str | None:
    """The special token that the post-processor puts before a single text, if it does."""
    for processor in _flatten(document.get("post_processor")):
        single = processor.get("single")
        if processor.get("type") != "TemplateProcessing" or not isinstance(single, list):
            continue
        first = single[0] if single else None
        special = first.get("SpecialToken") if isinstance(first, dict) else None
        token = special.get("id") if isinstance(special, dict) else None
        if isinstance(token, str):
            return token
    return None


def _flatten(processor: JsonValue) -> list[dict[str, JsonValue]]:
    """A post-processor, or those of a sequence, which tokenizers does not nest."""
    if not isinstance(processor, dict):
        return []
    return [processor, *_objects(processor.get("processors"))]


def _objects(value: JsonValue) -> list[dict[str, JsonValue]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
