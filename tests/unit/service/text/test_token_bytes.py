from __future__ import annotations

import json
import tracemalloc

import msgspec
import pytest
from tokenizers import Tokenizer as LibraryTokenizer
from tokenizers import decoders, models, pre_tokenizers

from service.errors import PackageCorrupt
from service.text.token_bytes import TokenBytes, read_token_bytes
from service.text.tokenizer_json import AddedToken, Decoder, Model, TokenizerJson
from tests.unit.service.text.samples import byte_level, id_of, sentencepiece

TEXT = "naïve café, 你好 🙂\n\n  two  spaces\ttab"


def _bytes_of(tokenizer: LibraryTokenizer) -> TokenBytes:
    return read_token_bytes(TokenizerJson.parse(tokenizer.to_str().encode()))


def _unigram(prepend_scheme: str) -> LibraryTokenizer:
    vocab = [("<unk>", 0.0), ("▁he", -1.0), ("llo", -2.0), ("▁", -3.0), ("é", -4.0)]
    tokenizer = LibraryTokenizer(models.Unigram(vocab, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=prepend_scheme)
    return tokenizer


def test_byte_level_tokens_join_to_the_text_that_was_encoded() -> None:
    tokenizer = byte_level()
    token_bytes = _bytes_of(tokenizer)
    assert token_bytes.text_bytes(tokenizer.encode(TEXT).ids) == TEXT.encode()
    assert not token_bytes.strips_first_space


def test_byte_level_covers_every_byte_once() -> None:
    single = [piece for piece in _bytes_of(byte_level()).pieces if len(piece) == 1]
    assert sorted(single) == [bytes([byte]) for byte in range(256)]


@pytest.mark.parametrize("first_only", [True, False])
def test_sentencepiece_tokens_join_to_the_text_after_one_space(first_only: bool) -> None:
    tokenizer = sentencepiece(first_only=first_only)
    token_bytes = _bytes_of(tokenizer)
    assert token_bytes.text_bytes(tokenizer.encode(TEXT).ids) == b" " + TEXT.encode()
    assert token_bytes.strips_first_space


def test_byte_tokens_are_bytes() -> None:
    tokenizer = sentencepiece(first_only=True)
    token_bytes = _bytes_of(tokenizer)
    for byte in (0x00, 0x0A, 0xFF):
        assert token_bytes.pieces[id_of(tokenizer, f"<0x{byte:02X}>")] == bytes([byte])


def test_unigram_vocabularies_are_lists() -> None:
    token_bytes = _bytes_of(_unigram("always"))
    assert token_bytes.pieces == (b"<unk>", b" he", b"llo", b" ", "é".encode())
    assert token_bytes.strips_first_space
    assert not _bytes_of(_unigram("never")).strips_first_space


def test_special_tokens_show_nothing_and_other_added_tokens_their_text() -> None:
    tokenizer = byte_level()
    token_bytes = _bytes_of(tokenizer)
    ids = [id_of(tokenizer, token) for token in ("<|im_end|>", "<think>")]
    assert token_bytes.text_bytes(ids) == b"<think>"
    assert token_bytes.pieces[ids[0]] == b"<|im_end|>"


def test_added_tokens_are_their_own_text_outside_the_byte_alphabet() -> None:
    tokenizer = byte_level()
    tokenizer.add_tokens(["é", "a b", "<｜x｜>"])
    token_bytes = _bytes_of(tokenizer)
    ids = [id_of(tokenizer, token) for token in ("é", "a b", "<｜x｜>")]
    assert token_bytes.text_bytes(ids) == "éa b<｜x｜>".encode()


def test_ids_beyond_the_vocabulary_and_holes_in_it_show_nothing() -> None:
    document = json.loads(byte_level().to_str())
    document["added_tokens"].append({"id": 5000, "content": "<|last|>", "special": False})
    token_bytes = read_token_bytes(TokenizerJson.parse(json.dumps(document).encode()))
    assert len(token_bytes) == 5001
    assert token_bytes.text_bytes([4999, 5001, 9_000_000]) == b""
    assert token_bytes.text_bytes([5000]) == b"<|last|>"


@pytest.mark.parametrize(
    "decoder",
    [
        None,
        {"type": "WordPiece", "prefix": "##", "cleanup": True},
        {"type": "Sequence", "decoders": []},
        {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "CTC"}]},
        {"type": "Replace", "pattern": {"Regex": "x+"}, "content": " "},
        {"type": "Strip", "content": " ", "start": 2, "stop": 0},
    ],
)
def test_unknown_decoders_are_refused(decoder: object) -> None:
    document = json.loads(byte_level().to_str())
    document["decoder"] = decoder
    parsed = TokenizerJson.parse(json.dumps(document).encode())
    with pytest.raises(PackageCorrupt, match="decoder that Retort does not know"):
        read_token_bytes(parsed)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"model": 3}', b"\xff\xfe", b'{"model'])
def test_what_is_no_tokenizer_json_is_refused(content: bytes) -> None:
    with pytest.raises(PackageCorrupt, match=r"tokenizer\.json cannot be read"):
        TokenizerJson.parse(content)


def test_an_id_beyond_any_models_takes_no_memory_for_those_before_it() -> None:
    token = AddedToken(id=10**9, content="far")
    tokenizer = TokenizerJson(model=Model({"a": 0}), decoder=Decoder("ByteLevel"))
    tracemalloc.start()
    try:
        with pytest.raises(PackageCorrupt, match="has the token id 1000000000, which no model has"):
            read_token_bytes(msgspec.structs.replace(tokenizer, added_tokens=(token,)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
