from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, normalizers, processors

import service.text.tokenizer
from service.errors import PackageCorrupt, RequestError
from service.text.segment import Segment
from service.text.tokenizer import Tokenizer
from tests.unit.service.text.samples import byte_level, id_of, panicking, saved, sentencepiece

IM_START, IM_END = 1, 2
TEXT = "<|im_start|>user\nhello <think> there<|im_end|>\n"


@pytest.fixture(scope="module")
def chatml(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer(saved(byte_level(), tmp_path_factory.mktemp("chatml")), bos_token_id=0)


def _plain(library: tokenizers.Tokenizer, text: str) -> list[int]:
    ids: list[int] = library.encode(text, add_special_tokens=False).ids
    return ids


def test_control_tokens_of_the_template_are_tokens(tmp_path: Path) -> None:
    library = byte_level()
    tokenizer = Tokenizer(saved(library, tmp_path))
    expected = _plain(library, TEXT)
    assert tokenizer.encode(TEXT, add_bos=True) == expected
    assert tokenizer.encode_segments([Segment(TEXT)]) == expected
    assert expected.count(IM_START) == expected.count(IM_END) == 1


def test_the_first_token_is_added_where_asked_for(chatml: Tokenizer) -> None:
    assert chatml.encode("hello", add_bos=True) == [0, *chatml.encode("hello", add_bos=False)]
    assert chatml.encode("", add_bos=True) == [0]
    assert chatml.encode("", add_bos=False) == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.text("a <|im_end>\n", max_size=12), st.booleans()), max_size=6))
def test_literal_segments_never_hold_control_tokens(
    chatml: Tokenizer, parts: list[tuple[str, bool]]
) -> None:
    segments = [Segment(text + "<|im_end|>" * literal, literal) for text, literal in parts]
    ids = chatml.encode_segments(segments)
    num_real = sum(segment.text.count("<|im_end|>") for segment in segments if not segment.literal)
    assert ids.count(IM_END) == num_real
    whole = "".join(segment.text for segment in segments)
    assert b"".join(chatml.token_bytes.pieces[i] for i in ids) == whole.encode()


def test_text_around_a_literal_is_encoded_with_it(tmp_path: Path) -> None:
    library = byte_level()
    tokenizer = Tokenizer(saved(library, tmp_path))
    segments = [
        Segment("<|im_start|>user\nwhat is an "),
        Segment("<|im_end|>", literal=True),
        Segment(" in hello?<|im_end|>\n"),
    ]
    library.encode_special_tokens = True
    inner = _plain(library, "user\nwhat is an <|im_end|> in hello?")
    newline = _plain(library, "\n")
    assert tokenizer.encode_segments(segments) == [IM_START, *inner, IM_END, *newline]


@pytest.mark.parametrize("first_only", [True, False])
def test_literals_cut_no_words_and_add_no_spaces(tmp_path: Path, first_only: bool) -> None:
    library = sentencepiece(first_only=first_only)
    tokenizer = Tokenizer(saved(library, tmp_path))
    for text in ("<s>hello you</s>hello you", "hello<s> you</s>", " hello</s> you"):
        for word in ("hello", "you"):
            before, _, after = text.partition(word)
            segments = [Segment(before), Segment(word, literal=True), Segment(after)]
            assert tokenizer.encode_segments(segments) == _plain(library, text)


def test_white_space_that_a_control_token_swallows_stays_swallowed(tmp_path: Path) -> None:
    library = byte_level()
    library.add_special_tokens([AddedToken("<|end|>", lstrip=True, rstrip=True, special=True)])
    tokenizer = Tokenizer(saved(library, tmp_path))
    text = "hello \n<|end|> \nyou"
    segments = [Segment("hello", literal=True), Segment(" \n<|end|> \n"), Segment("you", True)]
    assert tokenizer.encode_segments(segments) == _plain(library, text)


def test_role_marks_that_are_not_flagged_special_are_control_tokens(tmp_path: Path) -> None:
    library = byte_level()
    library.add_tokens([AddedToken("<｜User｜>", special=False, normalized=False)])
    tokenizer = Tokenizer(saved(library, tmp_path))
    mark = id_of(library, "<｜User｜>")
    assert "<｜User｜>" in tokenizer.control_tokens
    assert "<think>" not in tokenizer.control_tokens
    assert tokenizer.encode_segments([Segment("<｜User｜>")]) == [mark]
    assert mark not in tokenizer.encode_segments([Segment("<｜User｜>", literal=True)])
    assert mark not in tokenizer.token_bytes.special_ids


def test_normalisation_does_not_make_control_tokens(tmp_path: Path) -> None:
    library = byte_level(())
    library.normalizer = normalizers.NFKC()
    library.add_special_tokens([AddedToken("<|im_end|>", normalized=True, special=True)])
    wide = "＜｜im_end｜＞"
    tokenizer = Tokenizer(saved(library, tmp_path))
    assert id_of(library, "<|im_end|>") not in tokenizer.encode(wide, add_bos=False)
    assert tokenizer.encode("<|im_end|>", add_bos=False) == [id_of(library, "<|im_end|>")]


def test_nothing_is_cut_padded_or_added(tmp_path: Path) -> None:
    library = byte_level()
    expected = _plain(library, "hello there " * 50)
    library.enable_truncation(8)
    library.enable_padding(length=5000)
    library.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
    )
    tokenizer = Tokenizer(saved(library, tmp_path))
    assert tokenizer.encode("hello there " * 50, add_bos=False) == expected
    segments = [Segment("hello there " * 50, literal=True)]
    assert tokenizer.encode_segments(segments) == expected


def test_threads_do_not_see_each_others_literals(tmp_path: Path) -> None:
    tokenizer = Tokenizer(saved(byte_level(), tmp_path))
    template, user = [Segment("<|im_end|>" * 50)], [Segment("<|im_end|>" * 50, literal=True)]
    with ThreadPoolExecutor(4) as threads:
        counts = list(
            threads.map(
                lambda segments: tokenizer.encode_segments(segments).count(IM_END),
                [template, user] * 100,
            )
        )
    assert counts == [50, 0] * 100


def test_lone_surrogates_are_the_requests_fault(chatml: Tokenizer) -> None:
    with pytest.raises(RequestError, match="lone surrogate"):
        chatml.encode("a\ud800", add_bos=False)
    with pytest.raises(RequestError, match="lone surrogate"):
        chatml.encode_segments([Segment("a\ud800", literal=True)])


def test_the_vocabulary_can_be_looked_up(tmp_path: Path) -> None:
    library = byte_level()
    tokenizer = Tokenizer(saved(library, tmp_path))
    assert tokenizer.vocab_size == library.get_vocab_size()
    assert tokenizer.token(IM_END) == "<|im_end|>"
    assert tokenizer.token(1_000_000) is None


@pytest.mark.parametrize("first_only", [True, False])
@pytest.mark.parametrize("text", ["hello world", "", "a\n\nb", "é 🙂"])
def test_tokens_become_the_text_that_they_came_from(
    tmp_path: Path, chatml: Tokenizer, first_only: bool, text: str
) -> None:
    pieces = Tokenizer(saved(sentencepiece(first_only=first_only), tmp_path))
    for tokenizer in (pieces, chatml):
        token_ids = tokenizer.encode(text, add_bos=False)
        assert tokenizer.decode(token_ids, at_text_start=True) == text


def test_tokens_in_the_middle_of_a_text_keep_their_space(tmp_path: Path) -> None:
    pieces = Tokenizer(saved(sentencepiece(first_only=False), tmp_path))
    assert pieces.decode(pieces.encode("hello", add_bos=False)) == " hello"


def test_special_tokens_are_written_out_and_unknown_ids_left_out(chatml: Tokenizer) -> None:
    token_ids = chatml.encode("<|im_start|>user", add_bos=False)
    assert chatml.decode([*token_ids, chatml.vocab_size]) == "<|im_start|>user"
    assert chatml.decode(chatml.encode("🙂", add_bos=False)[:1]) == "\ufffd"


@pytest.mark.parametrize("content", [None, "{}", '{"model": {"vocab": {}}}', "\udcff"])
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(PackageCorrupt, match="tokenizer"):
        Tokenizer(path)


def test_a_tokenizer_that_the_library_rejects_is_refused(tmp_path: Path) -> None:
    document = json.loads(byte_level().to_str())
    document["model"]["type"] = "Unheard"
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document))
    with pytest.raises(PackageCorrupt, match="cannot be loaded"):
        Tokenizer(path)


def test_many_control_tokens_in_a_users_text_do_not_cost_their_square(
    chatml: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copying the text so far for each of them once took minutes for a few megabytes."""
    segments = [Segment("x" * 20), Segment("<|im_end|>", literal=True)] * 2_000
    num_chars = sum(len(segment.text) for segment in segments)
    made = 0

    def counted(text: str, literal: bool = False) -> Segment:
        nonlocal made
        made += len(text)
        return Segment(text, literal)

    monkeypatch.setattr(service.text.tokenizer, "Segment", counted)
    chatml.encode_segments(segments)
    assert num_chars <= made < 4 * num_chars


def test_a_panic_of_the_library_at_a_text_is_an_error(tmp_path: Path) -> None:
    tokenizer = Tokenizer(saved(panicking(), tmp_path))
    for encode in (tokenizer.encode_plain, lambda text: tokenizer.encode(text, add_bos=False)):
        with pytest.raises(PackageCorrupt, match="fails at a text: the tokenizers library"):
            encode("word " * 200)


def test_a_panic_of_the_library_at_loading_is_an_error() -> None:
    document = json.loads(byte_level().to_str())
    document["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": ""}
    with pytest.raises(PackageCorrupt, match="cannot be loaded: the tokenizers library broke"):
        Tokenizer(json.dumps(document).encode())
