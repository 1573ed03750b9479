"""The tokenizers library, whose failures are brought under one kind of error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tokenizers

from service.errors import PackageCorrupt


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """Raises RuntimeError for a panic of the library, which is written in Rust: what arrives of
    one is no Exception, and would pass all that handles errors."""
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(f"the tokenizers library broke down: {error}") from None


def content_of(source: Path | bytes) -> bytes:
    """A `tokenizer.json`, by path or itself. Raises PackageCorrupt where it cannot be read."""
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as error:
        raise PackageCorrupt(f"The package's tokenizer cannot be read: {error.strerror}.") from None


def load(content: bytes) -> tokenizers.Tokenizer:
    """The tokenizer, which neither cuts nor pads: one must be asked for, the other depends on the
    batch. Raises PackageCorrupt."""
    try:
        with panics_as_errors():
            tokenizer = tokenizers.Tokenizer.from_buffer(content)
            tokenizer.no_truncation()
            tokenizer.no_padding()
    except Exception as error:  # noqa: BLE001  the library raises bare Exception
        raise PackageCorrupt(f"The package's tokenizer cannot be loaded: {error}.") from None
    return tokenizer


@contextmanager
def encoding() -> Iterator[None]:
    """Raises PackageCorrupt where the tokenizer fails at a text, and UnicodeEncodeError or
    TypeError, by the library's version, for text that is not Unicode."""
    try:
        with panics_as_errors():
            yield
    except (UnicodeEncodeError, TypeError):
        raise
    except Exception as error:  # noqa: BLE001  the library raises bare Exception
        raise PackageCorrupt(f"The package's tokenizer fails at a text: {error}.") from None
