"""Which files of a model repository an export needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from export.errors import ExportError
from export.sources.genai_files import (
    GENAI_CONFIG,
    files_of,
    genai_folders,
    named,
    named_folders,
    only_folder,
)

_SIDE_FILES = frozenset(
    {
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "tokenizer.model",
        "special_tokens_map.json",
        "chat_template.jinja",
        "chat_template.json",
        "modules.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    }
)
_VOCABULARY_FILES = frozenset({"vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model"})
"""What encoders' tokenizers are made from where there is no tokenizer.json."""

_MODULE_CONFIG = re.compile(r"[0-9]{1,2}_[A-Za-z]+/config\.json")
"""Of one of sentence-transformers' modules, each of which has a folder."""
_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_SPLIT_GGUF = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


def select_files(names: Iterable[str], repo: str, wanted: str | None) -> tuple[str, ...]:
    """The files to download, by their paths in the repository.

    `wanted` is what stands behind the colon of `org/repo:wanted`: a GGUF file, a quantisation, or
    a folder with an ONNX model in onnxruntime-genai's layout. Without it, safetensors win over
    GGUF, and GGUF over ONNX. The result is one GGUF file, a `config.json` with its safetensors, or
    a `genai_config.json` with its graph. Raises ExportError, listing what there is, where there is
    no such choice or more than one.
    """
    # These two lead to other folders, drives or streams where a system gives them a meaning.
    present = sorted(name for name in names if not set(name) & set("\\:"))
    # A projector for images is no language model, whatever quantisation it is named after.
    ggufs = [
        name
        for name in present
        if name.lower().endswith(".gguf") and not _basename(name).lower().startswith("mmproj")
    ]
    folders = genai_folders(present)
    if wanted is not None:
        if matches := named_folders(folders, wanted):
            return files_of(only_folder(matches, repo), present)
        if folders and not ggufs:
            raise ExportError(f"{repo} has no ONNX model {wanted}; it has {named(repo, folders)}")
        return (_pick_gguf(ggufs, repo, wanted),)
    weights = _safetensors(present)
    if weights:
        if "config.json" not in present:
            raise ExportError(f"{repo} has safetensors but no config.json")
        wanted_files = _SIDE_FILES
        if "tokenizer.json" not in present:
            wanted_files |= _VOCABULARY_FILES
        return (
            *(name for name in present if name in wanted_files or _MODULE_CONFIG.fullmatch(name)),
            *weights,
        )
    if len(ggufs) == 1:
        return (_whole(ggufs[0], repo),)
    if ggufs:
        raise ExportError(f"{repo} has several GGUF files, name one: {_choices(repo, ggufs)}")
    if folders:
        return files_of(only_folder(folders, repo), present)
    raise ExportError(f"{repo} {_what_is_wrong(present)}")


def _what_is_wrong(present: Sequence[str]) -> str:
    others = [name for name in present if name.endswith(".safetensors")]
    if not others and any(name.endswith(".onnx") for name in present):
        return f"has ONNX graphs without a {GENAI_CONFIG}, which says what they need: not read"
    if not others:
        return "has neither safetensors nor GGUF weights: other kinds are not read"
    more = f" and {len(others) - 4} more" if len(others) > 4 else ""
    return (
        f"has {', '.join(others[:4])}{more}, but only {_SINGLE}, or {_INDEX} with the shards that "
        "belong to it, is read"
    )


def _safetensors(present: Sequence[str]) -> list[str]:
    """What the reader reads, and once: many repositories also carry another layout."""
    if _SINGLE in present:
        return [_SINGLE]
    shards = [name for name in present if _SHARD.fullmatch(name)]
    return [_INDEX, *shards] if shards and _INDEX in present else []


def _pick_gguf(ggufs: Sequence[str], repo: str, wanted: str) -> str:
    if not ggufs:
        raise ExportError(f"{repo} has no GGUF file, so nothing is called {wanted} in it")
    if wanted in ggufs:
        return _whole(wanted, repo)
    matches = [name for name in ggufs if _matches(name.lower(), wanted.lower())]
    if len(matches) == 1:
        return _whole(matches[0], repo)
    if matches:
        raise ExportError(
            f"{wanted} means several files of {repo}, name one: {_choices(repo, matches)}"
        )
    raise ExportError(f"{repo} has no GGUF file {wanted}; it has {_choices(repo, ggufs)}")


def _matches(name: str, wanted: str) -> bool:
    if wanted in (name, _basename(name)):
        return True
    stem = name.removesuffix(".gguf")
    unsharded = re.sub(r"-\d{5}-of-\d{5}$", "", stem)
    return any(
        candidate == wanted or candidate.endswith(tuple(f"{mark}{wanted}" for mark in "-._/"))
        for candidate in (stem, unsharded)
    )


def _whole(name: str, repo: str) -> str:
    if _SPLIT_GGUF.search(name):
        raise ExportError(f"{name} of {repo} is one part of a split GGUF file, which is not read")
    return name


def _choices(repo: str, names: Sequence[str]) -> str:
    return ", ".join(f"{repo}:{name}" for name in names)


def _basename(name: str) -> str:
    return name.rpartition("/")[2]
