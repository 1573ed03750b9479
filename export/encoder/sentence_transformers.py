"""What the files of sentence-transformers say of a model: read, and never guessed.

    modules.json                        the steps from text to vector, in order
    sentence_bert_config.json           max_seq_length, do_lower_case
    N_Pooling/config.json               how token vectors become one
    config_sentence_transformers.json   prompts

Source: sentence_transformers' own `Transformer`, `Pooling` and `SentenceTransformer` modules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from export.checkpoints.base import JsonValue
from export.checkpoints.folder import ModelFolder
from export.checkpoints.json_file import one_line, read_bytes
from export.decoder.config import ConfigReader
from export.errors import ExportError
from service.store.manifest import Pooling

MODULES_FILE = "modules.json"

_MODE_KEYS: Mapping[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
}
_MODES: Mapping[str, Pooling] = {mode: mode for mode in _MODE_KEYS.values()}
_MODULE_FOLDER = re.compile(r"\w+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Module:
    """A step: the last part of its class' name, and the folder that its config lies in."""

    kind: str
    folder: str


@dataclass(frozen=True, slots=True)
class Sentences:
    """How a model makes vectors of texts."""

    pooling: Pooling
    normalized: bool
    max_seq_length: int | None
    lower_case: bool
    prompts: Mapping[str, str]
    default_prompt: str | None


def read_sentences(folder: ModelFolder) -> Sentences:
    """Raises ExportError for what cannot be done here: other modules and poolings, no files."""
    modules = _read_modules(folder)
    kinds = [module.kind for module in modules]
    normalized = kinds == ["Transformer", "Pooling", "Normalize"]
    if not normalized and kinds != ["Transformer", "Pooling"]:
        raise ExportError(
            f"{folder.path}: its modules are {', '.join(kinds) or 'none'}; supported are "
            "Transformer, Pooling and, behind them, Normalize"
        )
    if modules[0].folder:
        raise ExportError(f"{folder.path}: its Transformer lies in a folder of its own")
    bert = ConfigReader(folder.read_json("sentence_bert_config.json"), "sentence_bert_config")
    config = ConfigReader(
        folder.read_json("config_sentence_transformers.json"), "config_sentence_transformers"
    )
    has_limit = bert.values.get("max_seq_length") is not None
    return Sentences(
        pooling=_read_pooling(folder, modules[1]),
        normalized=normalized,
        max_seq_length=bert.integer("max_seq_length") if has_limit else None,
        lower_case=bert.flag("do_lower_case", False),
        prompts=_read_prompts(config),
        default_prompt=_read_default_prompt(config),
    )


def _read_modules(folder: ModelFolder) -> list[Module]:
    path = folder.find(MODULES_FILE)
    if path is None:
        raise ExportError(
            f"{folder.path}: there is no {MODULES_FILE}, so nothing says how its token vectors "
            "become the vector of a text; with sentence-transformers' files beside the weights it "
            "is an embedding model"
        )
    try:
        entries: JsonValue = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: not valid JSON ({one_line(str(error))})") from error
    if not isinstance(entries, list):
        raise ExportError(f"{path}: a list of modules is expected")
    readers = [
        ConfigReader(entry if isinstance(entry, dict) else {}, f"modules[{index}]")
        for index, entry in enumerate(entries)
    ]
    return [
        Module(reader.text("type").rpartition(".")[2], reader.text("path", ""))
        for reader in readers
    ]


def _read_pooling(folder: ModelFolder, module: Module) -> Pooling:
    if not _MODULE_FOLDER.fullmatch(module.folder):
        raise ExportError(f"{folder.path}: {one_line(module.folder)!r} is no module's folder")
    inner = folder.inner(module.folder)
    if inner.find("config.json") is None:
        raise ExportError(f"{inner.path}: there is no config.json, which says how to pool")
    config = ConfigReader(inner.read_json("config.json"), f"{module.folder}/config")
    if not config.flag("include_prompt", True):
        raise ExportError("a pooling that leaves the prompt out is not supported")
    modes = _modes(config)
    if len(modes) != 1 or modes[0] not in _MODES:
        raise ExportError(
            f"the pooling {' with '.join(modes) or 'none'} is not supported; supported is one of "
            f"{', '.join(_MODES)}"
        )
    return _MODES[modes[0]]


def _modes(config: ConfigReader) -> list[str]:
    """Newer files name the mode; older ones have a switch for each, and may set several."""
    if "pooling_mode" in config.values:
        return [config.text("pooling_mode")]
    switches = [key for key in config.values if key.startswith("pooling_mode_")]
    chosen = [key for key in switches if config.flag(key, False)]
    return [_MODE_KEYS.get(key, key.removeprefix("pooling_mode_")) for key in chosen]


def _read_prompts(config: ConfigReader) -> Mapping[str, str]:
    section = config.section("prompts")
    if section is None:
        return {}
    return {name: section.text(name) for name in section.values}


def _read_default_prompt(config: ConfigReader) -> str | None:
    if config.values.get("default_prompt_name") is None:
        return None
    return config.text("default_prompt_name")
