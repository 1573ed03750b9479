from __future__ import annotations

import json
from pathlib import Path

import pytest

from export.checkpoints.base import JsonValue, TokenizerFiles
from export.checkpoints.folder import ModelFolder
from export.checkpoints.folder_tokenizer import read_folder_tokenizer
from export.errors import ExportError

Json = dict[str, JsonValue]
TOKENIZER: Json = {
    "added_tokens": [{"id": 9, "content": "<s>"}, {"id": 8, "content": "</s>"}],
    "model": {"type": "BPE", "vocab": {"a": 0, "<|end|>": 1, "<pad>": 2}, "merges": []},
}
ADDS_S: Json = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A"}}],
}
ADDS_NOTHING: Json = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}]}
BYTE_LEVEL: Json = {"type": "ByteLevel"}


def put(folder: Path, name: str, content: object) -> None:
    (folder / name).write_text(json.dumps(content))


def read(
    folder: Path,
    settings: Json | None = None,
    *,
    tokenizer: Json = TOKENIZER,
    config: Json | None = None,
    generation_config: Json | None = None,
) -> TokenizerFiles:
    put(folder, "tokenizer.json", tokenizer)
    if settings is not None:
        put(folder, "tokenizer_config.json", settings)
    return read_folder_tokenizer(ModelFolder(folder), config or {}, generation_config or {})


def test_the_least_a_folder_can_hold(tmp_path: Path) -> None:
    files = read(tmp_path)
    assert json.loads(files.tokenizer_json) == TOKENIZER
    assert files == TokenizerFiles(files.tokenizer_json, None, None, (), None, False)


def test_tokens_may_be_strings_or_objects(tmp_path: Path) -> None:
    settings: Json = {
        "bos_token": {"content": "<s>", "lstrip": False},
        "eos_token": "<|end|>",
        "pad_token": "<pad>",
    }
    files = read(tmp_path, settings)
    assert (files.bos_token_id, files.eos_token_ids, files.pad_token_id) == (9, (1,), 2)


def test_the_special_tokens_map_fills_what_the_settings_leave_out(tmp_path: Path) -> None:
    put(tmp_path, "special_tokens_map.json", {"bos_token": "<s>", "eos_token": {"content": "</s>"}})
    assert read(tmp_path, {}).eos_token_ids == (8,)
    assert read(tmp_path, {"bos_token": None}).bos_token_id is None


def test_unigram_vocabularies_are_lists(tmp_path: Path) -> None:
    tokenizer: Json = {"model": {"type": "Unigram", "vocab": [["<unk>", 0], ["</s>", -1.5]]}}
    assert read(tmp_path, {"eos_token": "</s>"}, tokenizer=tokenizer).eos_token_ids == (1,)


@pytest.mark.parametrize(
    ("config", "generation_config", "expected"),
    [
        ({}, {}, (8,)),
        ({"eos_token_id": 3}, {}, (3, 8)),
        ({"eos_token_id": 3}, {"eos_token_id": 4}, (4, 8)),
        ({}, {"eos_token_id": [5, 8, 6]}, (5, 8, 6)),
        ({"eos_token_id": None}, {}, (8,)),
    ],
)
def test_all_that_ends_a_turn_is_gathered(
    tmp_path: Path, config: Json, generation_config: Json, expected: tuple[int, ...]
) -> None:
    files = read(
        tmp_path, {"eos_token": "</s>"}, config=config, generation_config=generation_config
    )
    assert files.eos_token_ids == expected


@pytest.mark.parametrize("wrong", ["2", 1.5, True, -1, [1, "2"], [True], {}])
def test_an_eos_that_is_no_id_is_refused(tmp_path: Path, wrong: JsonValue) -> None:
    with pytest.raises(ExportError, match="'eos_token_id' is neither"):
        read(tmp_path, generation_config={"eos_token_id": wrong})


@pytest.mark.parametrize(
    ("post_processor", "setting", "expected"),
    [
        (None, None, False),
        (None, False, False),
        (None, True, True),
        (BYTE_LEVEL, True, True),
        (ADDS_NOTHING, None, False),
        (ADDS_S, None, True),
        (ADDS_S, False, True),
        ({"type": "Sequence", "processors": [BYTE_LEVEL, ADDS_S]}, None, True),
        ({"type": "Sequence", "processors": [BYTE_LEVEL, ADDS_NOTHING]}, None, False),
    ],
)
def test_whether_a_text_begins_with_bos(
    tmp_path: Path, post_processor: JsonValue, setting: bool | None, expected: bool
) -> None:
    settings: Json = {"bos_token": "<s>"}
    if setting is not None:
        settings["add_bos_token"] = setting
    files = read(tmp_path, settings, tokenizer=TOKENIZER | {"post_processor": post_processor})
    assert (files.add_bos_token, files.bos_token_id) == (expected, 9)


def test_the_post_processor_names_the_token_where_nothing_else_does(tmp_path: Path) -> None:
    files = read(tmp_path, tokenizer=TOKENIZER | {"post_processor": ADDS_S})
    assert (files.add_bos_token, files.bos_token_id) == (True, 9)


def test_there_is_no_bos_to_add_without_a_token(tmp_path: Path) -> None:
    assert not read(tmp_path, {"add_bos_token": True}).add_bos_token


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ a }}", "{{ a }}"),
        (None, None),
        ([{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}], "d"),
        ([{"name": "rag", "template": "r"}], None),
    ],
)
def test_the_chat_template_of_the_settings(
    tmp_path: Path, template: JsonValue, expected: str | None
) -> None:
    assert read(tmp_path, {"chat_template": template}).chat_template == expected


def test_a_template_file_comes_first(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes("naïve\r\n".encode())
    assert read(tmp_path, {"chat_template": "other"}).chat_template == "naïve\r\n"


def test_a_template_in_json_comes_last(tmp_path: Path) -> None:
    (tmp_path / "chat_template.json").write_text('{"chat_template": "last"}')
    assert read(tmp_path, {}).chat_template == "last"
    assert read(tmp_path, {"chat_template": "first"}).chat_template == "first"


def test_a_template_in_json_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chat_template.json").write_text('{"chat_template": 5}')
    with pytest.raises(ExportError, match=r"chat_template\.json: 'chat_template' is not a string"):
        read(tmp_path, {})


@pytest.mark.parametrize("template", [5, {}, ["x"], [{"name": "default", "template": 3}]])
def test_a_template_of_another_kind_is_refused(tmp_path: Path, template: JsonValue) -> None:
    with pytest.raises(ExportError, match=r"tokenizer_config\.json: '(chat_)?template'"):
        read(tmp_path, {"chat_template": template})


def test_a_template_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(ExportError, match="not valid UTF-8"):
        read(tmp_path)


def test_a_missing_tokenizer_json_is_named_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"x")
    with pytest.raises(ExportError, match=r"no tokenizer\.json; tokenizer\.model cannot be used"):
        read_folder_tokenizer(ModelFolder(tmp_path), {}, {})


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_a_damaged_tokenizer_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ExportError, match=r"tokenizer\.json: "):
        read_folder_tokenizer(ModelFolder(tmp_path), {}, {})


@pytest.mark.parametrize(
    "tokenizer",
    [
        {"added_tokens": 5, "model": 5, "post_processor": 5},
        {"added_tokens": [5, {}], "model": {"vocab": 5}, "post_processor": {"processors": [3]}},
        {"model": {"vocab": [5, [], ["</s>"]]}, "post_processor": {"type": "TemplateProcessing"}},
        {"model": {"vocab": {"</s>": "2"}}, "post_processor": ADDS_NOTHING | {"single": [[]]}},
    ],
)
def test_oddities_inside_tokenizer_json_are_left_to_its_reader(
    tmp_path: Path, tokenizer: Json
) -> None:
    assert not read(tmp_path, {"eos_token": "</s>"}, tokenizer=tokenizer).add_bos_token


@pytest.mark.parametrize("token", [5, ["<s>"], {"content": 5}])
def test_a_token_that_is_no_text_is_refused(tmp_path: Path, token: JsonValue) -> None:
    with pytest.raises(ExportError, match="is not a string"):
        read(tmp_path, {"bos_token": token})
