"""The parts of a Hugging Face `tokenizer.json` that Retort reads itself.

Source of the layout: the `tokenizers` crate's serialisation, version "1.0".
"""

from __future__ import annotations

import re
from typing import TypeAlias

import msgspec

from service.errors import PackageCorrupt

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

_CONTROL_SHAPE = re.compile(r"<[|｜].+[|｜]>")


class AddedToken(msgspec.Struct, frozen=True):
    """A token matched in the text before the model sees it."""

    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = False

    @property
    def is_control(self) -> bool:
        """Whether it steers the model, so that a user must not be able to write it.

        Some models (DeepSeek's) leave their role marks unflagged; their shape gives them away.
        """
        return self.special or _CONTROL_SHAPE.fullmatch(self.content) is not None


class Pattern(msgspec.Struct, frozen=True):
    """What a replacing decoder looks for: a string or a regular expression."""

    string: str | None = msgspec.field(default=None, name="String")


class Decoder(msgspec.Struct, frozen=True):
    """One decoder, or with type "Sequence" several; the other fields belong to some types only."""

    type: str
    decoders: tuple[Decoder, ...] = ()
    pattern: Pattern = Pattern()
    content: str = ""
    start: int = 0
    stop: int = 0
    replacement: str = "▁"
    prepend_scheme: str = "always"

    def steps(self) -> tuple[Decoder, ...]:
        """The decoders in the order in which they run, sequences flattened."""
        if self.type != "Sequence":
            return (self,)
        return tuple(step for decoder in self.decoders for step in decoder.steps())


class PreTokenizer(msgspec.Struct, frozen=True):
    """One pre-tokenizer, or with type "Sequence" several."""

    type: str
    pretokenizers: tuple[PreTokenizer, ...] = ()
    prepend_scheme: str = "always"

    @property
    def adds_first_space(self) -> bool:
        """Whether it is a Metaspace with the scheme "first", or has one among its own."""
        if self.type == "Metaspace":
            return self.prepend_scheme == "first"
        return any(inner.adds_first_space for inner in self.pretokenizers)


class Model(msgspec.Struct, frozen=True):
    """The vocabulary: token to id, or for Unigram the tokens with their scores in id order."""

    vocab: dict[str, int] | list[tuple[str, float]]


class TokenizerJson(msgspec.Struct, frozen=True):
    """A tokenizer's vocabulary and how its tokens become text."""

    model: Model
    decoder: Decoder | None = None
    pre_tokenizer: PreTokenizer | None = None
    added_tokens: tuple[AddedToken, ...] = ()

    @property
    def adds_first_space(self) -> bool:
        """Whether a space is put before a text's beginning and nowhere else."""
        return self.pre_tokenizer is not None and self.pre_tokenizer.adds_first_space

    @classmethod
    def parse(cls, content: bytes) -> TokenizerJson:
        """Raises PackageCorrupt where `content` is not a `tokenizer.json`."""
        try:
            return msgspec.json.decode(content, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PackageCorrupt(f"The package's tokenizer.json cannot be read: {error}.") from None


def with_control_tokens_exact(content: bytes) -> bytes:
    """The same tokenizer, with control tokens flagged special and matched in the raw text only.

    A token that is matched after normalisation could be written by a user in letters that only
    become the token there (full-width brackets under NFKC), past every check of the raw text.
    """
    document = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    tokens = msgspec.json.decode(document.get("added_tokens", b"[]"), type=tuple[AddedToken, ...])
    document["added_tokens"] = msgspec.Raw(
        msgspec.json.encode(
            [
                msgspec.structs.replace(token, special=True, normalized=False)
                if token.is_control
                else token
                for token in tokens
            ]
        )
    )
    return msgspec.json.encode(document)


def without_first_space(content: bytes) -> bytes:
    """The same tokenizer, for text that is not a prompt's beginning.

    A Metaspace pre-tokenizer with the scheme "first" puts a space before a prompt, not before
    what follows a control token; encoded on its own, such text must not get one.
    """
    document = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    pre_tokenizer: JsonValue = msgspec.json.decode(document.get("pre_tokenizer", b"null"))
    document["pre_tokenizer"] = msgspec.Raw(msgspec.json.encode(_never_first(pre_tokenizer)))
    return msgspec.json.encode(document)


def _never_first(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_never_first(item) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _never_first(item) for key, item in value.items()}
    if changed.get("prepend_scheme") == "first":
        changed["prepend_scheme"] = "never"
    return changed
