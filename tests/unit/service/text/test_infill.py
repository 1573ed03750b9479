from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers

from service.errors import RequestError
from service.text.infill import KNOWN, InfillTokens, find_infill_tokens
from service.text.tokenizer import Tokenizer
from tests.unit.service.text.samples import byte_level


@pytest.mark.parametrize("known", KNOWN)
def test_a_model_is_known_by_its_tokens(known: InfillTokens) -> None:
    tokens = {known.before, known.between, known.behind}
    assert find_infill_tokens(tokens.__contains__) == known
    assert find_infill_tokens(lambda token: token == known.between) is None


def _tokenizer(folder: Path, tokens: list[str]) -> Tokenizer:
    tokenizer = byte_level()
    tokenizer.add_special_tokens([tokenizers.AddedToken(t, special=True) for t in tokens])
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return Tokenizer(path, bos_token_id=1)


def _spelled(tokenizer: Tokenizer, token_ids: list[int]) -> str:
    return b"".join(tokenizer.token_bytes.pieces[i] for i in token_ids).decode()


def test_the_texts_stand_between_the_models_own_marks(tmp_path: Path) -> None:
    marks = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
    tokenizer = _tokenizer(tmp_path, marks)
    ids = tokenizer.encode_infill("a = ", "<|fim_middle|>\n", add_bos=True)
    assert ids[0] == 1
    assert _spelled(tokenizer, ids[1:]) == (
        "<|fim_prefix|>a = <|fim_suffix|><|fim_middle|>\n<|fim_middle|>"
    )
    middle = tokenizer.encode("<|fim_middle|>", add_bos=False)
    assert ids.count(middle[0]) == 1, "the one in the text is text"


def test_where_the_suffix_comes_first(tmp_path: Path) -> None:
    tokenizer = _tokenizer(tmp_path, ["[SUFFIX]", "[PREFIX]"])
    ids = tokenizer.encode_infill("before", "after", add_bos=False)
    assert _spelled(tokenizer, ids) == "[SUFFIX]after[PREFIX]before"


def test_a_model_without_such_tokens_refuses(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as raised:
        _tokenizer(tmp_path, []).encode_infill("a", "b", add_bos=False)
    assert raised.value.param == "suffix"
