"""The tokenizer of a Hugging Face folder, gathered from the files its parts are spread over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from export.checkpoints.base import JsonValue, TokenizerFiles
from export.checkpoints.folder import ModelFolder
from export.checkpoints.json_file import is_count, optional_string, parse_json_object, read_bytes
from export.checkpoints.tokenizer_json import TokenIds, leading_special_token
from export.errors import ExportError

_TEMPLATE_FILE = "chat_template.jinja"
_JSON_TEMPLATE_FILE = "chat_template.json"
_CONFIG_FILE = "tokenizer_config.json"
_MAP_FILE = "special_tokens_map.json"


def read_folder_tokenizer(
    folder: ModelFolder,
    config: Mapping[str, JsonValue],
    generation_config: Mapping[str, JsonValue],
) -> TokenizerFiles:
    """The tokenizer. Raises ExportError where tokenizer.json is missing or a file is wrong.

    A text is to be encoded without the special tokens that tokenizer.json would add, and then
    begun with `bos_token_id` if `add_bos_token` says so. That flag is True where tokenizer.json's
    own post-processor begins a text with a special token (which then is the `bos_token_id`), and
    else what tokenizer_config.json says.
    """
    content = _read_tokenizer_json(folder)
    document = parse_json_object(content, str(folder.path / "tokenizer.json"))
    ids = TokenIds(document)
    settings = folder.read_json(_CONFIG_FILE)
    special = {**folder.read_json(_MAP_FILE), **settings}
    leading = leading_special_token(document)
    bos = leading or _token(folder, special, "bos_token")
    bos_id = None if bos is None else ids.get(bos)
    eos_id = ids.get(_token(folder, special, "eos_token"))
    template, template_path = _read_chat_template(folder, settings)
    adds_bos = leading is not None or settings.get("add_bos_token") is True
    return TokenizerFiles(
        tokenizer_json=content,
        chat_template=template,
        bos_token_id=bos_id,
        eos_token_ids=_read_eos_ids(folder, config, generation_config, special, ids),
        pad_token_id=ids.get(_token(folder, special, "pad_token")),
        add_bos_token=adds_bos and bos_id is not None,
        closing_token_id=eos_id if settings.get("add_eos_token") is True else None,
        template_origin=str(template_path),
    )


def _read_tokenizer_json(folder: ModelFolder) -> bytes:
    path = folder.find("tokenizer.json")
    if path is not None:
        return read_bytes(path)
    others = [
        name
        for name in ("tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
        if folder.find(name) is not None
    ]
    found = f"; {', '.join(others)} cannot be used in its place" if others else ""
    raise ExportError(
        f"{folder.path}: there is no tokenizer.json{found}; transformers writes one with "
        "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
    )


def _read_chat_template(
    folder: ModelFolder, settings: Mapping[str, JsonValue]
) -> tuple[str | None, Path]:
    """The default template and where it is from; a file of its own takes precedence, as in
    transformers.

    chat_template.json is written for models with more inputs than text, and asked last.
    """
    path = folder.find(_TEMPLATE_FILE)
    if path is not None:
        try:
            return read_bytes(path).decode("utf-8"), path
        except UnicodeDecodeError as error:
            raise ExportError(f"{path}: not valid UTF-8") from error
    if settings.get("chat_template") is None:
        path = folder.path / _JSON_TEMPLATE_FILE
        return optional_string(folder.read_json(path.name), "chat_template", str(path)), path
    origin = folder.path / _CONFIG_FILE
    return _template_in(settings, origin), origin


def _template_in(settings: Mapping[str, JsonValue], origin: Path) -> str | None:
    template = settings.get("chat_template")
    if isinstance(template, str):
        return template
    if not isinstance(template, list):
        raise ExportError(f"{origin}: 'chat_template' is neither a string nor a list")
    for named in template:
        if not isinstance(named, dict):
            raise ExportError(f"{origin}: 'chat_template' lists something that has no name")
        if named.get("name") == "default":
            return optional_string(named, "template", str(origin))
    return None


def _token(folder: ModelFolder, special: Mapping[str, JsonValue], key: str) -> str | None:
    """A special token's text, given as a string or as an object with `content`."""
    value = special.get(key)
    if isinstance(value, dict):
        return optional_string(value, "content", str(folder.path / _CONFIG_FILE))
    return optional_string(special, key, str(folder.path / _CONFIG_FILE))


def _read_eos_ids(
    folder: ModelFolder,
    config: Mapping[str, JsonValue],
    generation_config: Mapping[str, JsonValue],
    special: Mapping[str, JsonValue],
    ids: TokenIds,
) -> tuple[int, ...]:
    """All that ends a turn: generation_config's, else config's, then the tokenizer's own."""
    value = generation_config.get("eos_token_id", config.get("eos_token_id"))
    listed = value if isinstance(value, list) else [] if value is None else [value]
    eos_ids = [item for item in listed if isinstance(item, int) and is_count(item)]
    if len(eos_ids) != len(listed):
        raise ExportError(f"{folder.path}: 'eos_token_id' is neither a token id nor a list of them")
    own = ids.get(_token(folder, special, "eos_token"))
    return tuple(dict.fromkeys(eos_ids if own is None else [*eos_ids, own]))
