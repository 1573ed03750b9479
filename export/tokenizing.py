"""Tokenizers that nobody has used yet: whatever the library does at them is an ExportError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tokenizers import Tokenizer

from export.checkpoints.json_file import one_line
from export.errors import ExportError
from export.quiet import native_silence
from service.text.library import panics_as_errors


def load_tokenizer(content: bytes) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, which neither cuts nor pads. Raises ExportError."""
    with tokenizer_errors():
        tokenizer = Tokenizer.from_buffer(content)
        tokenizer.no_truncation()
        tokenizer.no_padding()
    return tokenizer


def encode(tokenizer: Tokenizer, text: str, *, add_special_tokens: bool = True) -> list[int]:
    """The token ids of `text`. Raises ExportError where the tokenizer cannot encode it."""
    with tokenizer_errors():
        ids: list[int] = tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
    return ids


@contextmanager
def tokenizer_errors() -> Iterator[None]:
    """Raises ExportError for what the tokenizers library raises."""
    try:
        with native_silence(), panics_as_errors():
            yield
    except Exception as error:  # the tokenizers library raises nothing more specific
        raise ExportError(f"its tokenizer.json cannot be used: {one_line(str(error))}") from error
