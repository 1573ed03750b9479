from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.store.names import ModelName

_ALPHABET = "abcxyz0189._-"
_PARTS = st.text(_ALPHABET, min_size=1, max_size=12)
_TEXTS = st.one_of(
    st.text(max_size=60),
    st.builds("/".join, st.lists(_PARTS, min_size=1, max_size=4)),
    st.builds("{}/{}:{}".format, _PARTS, _PARTS, _PARTS),
    st.builds("{}:{}/{}/{}".format, _PARTS, st.integers(0, 99_999), _PARTS, _PARTS),
    st.builds("library/{}".format, _PARTS),
)


@pytest.mark.parametrize(
    ("text", "path", "tag"),
    [
        ("smollm2", ("smollm2",), "latest"),
        ("smollm2:135m", ("smollm2",), "135m"),
        ("smollm2:latest", ("smollm2",), "latest"),
        ("Qwen/Qwen2.5-0.5B", ("qwen", "qwen2.5-0.5b"), "latest"),
        ("hf.co/Org/Repo:Q4_K_M", ("hf.co", "org", "repo"), "q4_k_m"),
        ("library/smollm2:135m", ("smollm2",), "135m"),
        ("registry.ollama.ai/library/smollm2", ("smollm2",), "latest"),
        ("registry.ollama.ai/org/model", ("registry.ollama.ai", "org", "model"), "latest"),
        ("localhost:5000/Org/model", ("localhost:5000", "org", "model"), "latest"),
        ("localhost:5000/org/model:v1", ("localhost:5000", "org", "model"), "v1"),
        ("_my_model_:v-", ("_my_model_",), "v-"),
    ],
)
def test_a_name_is_a_path_and_a_tag_in_lower_case(
    text: str, path: tuple[str, ...], tag: str
) -> None:
    assert ModelName.parse(text) == ModelName(path, tag)


def test_the_tag_latest_is_not_written() -> None:
    assert str(ModelName.parse("a/b:LATEST")) == "a/b"
    assert str(ModelName.parse("a/b:q4")) == "a/b:q4"


def test_upper_and_lower_case_name_the_same_folder() -> None:
    assert ModelName.parse("TinyLlama:Q8").folder == ModelName.parse("tinyllama:q8").folder
    assert ModelName.parse("tinyllama:q8").folder == Path("tinyllama", "q8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a:",
        ":a",
        "a:b:c",
        "/a",
        "a/",
        "a//b",
        "a/b/c/d",
        ".",
        "..",
        "../etc/passwd",
        "a/../b",
        "a:..",
        "a..b",
        ".hidden",
        "a:.staging",
        "a.",
        "-a",
        "a\\b",
        "c:/windows",
        "a b",
        "a\n",
        "a\0b",
        "ä",
        "模型",
        "a%2e",
        "a+b",
        "localhost:5000/model",
        "localhost:x/org/model",
        "localhost:123456/org/model",
        "a/b:1/c",
        "library/",
        "registry.ollama.ai/library/",
    ],
)
def test_what_is_no_safe_folder_on_any_system_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"model name"):
        ModelName.parse(text)


@pytest.mark.parametrize("part", ["con", "PRN", "aux.txt", "nul", "com1", "lpt9", "con.tar.gz"])
def test_names_that_windows_reserves_are_refused_in_every_place(part: str) -> None:
    for text in (part, f"org/{part}", f"{part}/model", f"model:{part}"):
        with pytest.raises(ValueError, match="reserved on Windows"):
            ModelName.parse(text)


@pytest.mark.parametrize("text", ["console", "com", "com10", "nula", "auxiliary:prn1"])
def test_names_that_only_resemble_reserved_ones_are_fine(text: str) -> None:
    assert str(ModelName.parse(text)) == text


def test_a_part_has_at_most_80_characters() -> None:
    assert ModelName.parse("a" * 80).path == ("a" * 80,)
    for text in ("a" * 81, f"b/{'a' * 81}", f"b:{'a' * 81}", "a" * 100_000):
        with pytest.raises(ValueError, match="at most 80") as refused:
            ModelName.parse(text)
        assert len(str(refused.value)) < 200


@given(_TEXTS)
def test_a_name_that_parses_survives_being_written_and_being_a_folder(text: str) -> None:
    try:
        name = ModelName.parse(text)
    except ValueError:
        return
    assert ModelName.parse(str(name)) == name
    assert ModelName.from_folder(PurePosixPath(*name.folder.parts)) == name


@given(_TEXTS)
def test_a_folder_never_leaves_the_store(text: str) -> None:
    try:
        folder = ModelName.parse(text).folder
    except ValueError:
        return
    assert not folder.is_absolute()
    assert len(folder.parts) >= 2
    assert not any(part.startswith(".") or part.endswith(".") for part in folder.parts)
    assert not any(character in part for part in folder.parts for character in '<>:"|?*\\ ')


@given(_TEXTS, _TEXTS)
def test_two_names_share_a_folder_only_if_they_are_the_same(one: str, other: str) -> None:
    try:
        first, second = ModelName.parse(one), ModelName.parse(other)
    except ValueError:
        return
    assert (first.folder == second.folder) == (first == second)


@pytest.mark.parametrize("folder", ["model", "a/b/c/d/e", "Model/latest", "a/.staging", "a:b/c"])
def test_a_folder_that_no_name_has_is_refused(folder: str) -> None:
    with pytest.raises(ValueError, match=r"folder|model name"):
        ModelName.from_folder(PurePosixPath(folder))


def test_a_host_of_the_hub_can_be_left_out() -> None:
    for host in ("hf.co", "huggingface.co"):
        assert str(ModelName.parse(f"{host}/org/repo:q4").without_hub) == "org/repo:q4"
    for text in ("org/repo", "other.host/org/repo", "repo"):
        assert ModelName.parse(text).without_hub == ModelName.parse(text)
