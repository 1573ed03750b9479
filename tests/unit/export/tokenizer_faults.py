"""tokenizer.json files that the tokenizers library panics at, which is written in Rust."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from tests.unit.export.golden_llama import TIED

_SPECIAL = {"SpecialToken": {"id": "Q", "type_id": 0}}
_TEXT = {"Sequence": {"id": "A", "type_id": 0}}
_REGEX = {"Regex": "([A-z ]+)+\\d\\d\\d"}

CHANGES: Mapping[str, dict[str, object]] = {
    "a stride above the length": {
        "truncation": {
            "max_length": 4,
            "strategy": "LongestFirst",
            "stride": 9,
            "direction": "Right",
        }
    },
    "an empty map of characters": {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": ""}
    },
    "a special token that is none": {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [_SPECIAL, _TEXT],
            "pair": [],
            "special_tokens": {},
        }
    },
    "an expression without end": {
        "pre_tokenizer": {
            "type": "Split",
            "pattern": _REGEX,
            "behavior": "Isolated",
            "invert": False,
        }
    },
    "a prefix cut within a character": {},
}


def changed(change: Callable[[dict[str, object]], None]) -> bytes:
    """The tokenizer of the tiny llama, changed."""
    document = json.loads((TIED / "tokenizer.json").read_text())
    change(document)
    return json.dumps(document).encode()


def faulty(name: str) -> bytes:
    def change(document: dict[str, object]) -> None:
        document.update(CHANGES[name])
        model = document["model"]
        assert isinstance(model, dict)
        if not CHANGES[name]:
            model["continuing_subword_prefix"] = "ééé"
            model["merges"] = [["e", "r"]]

    return changed(change)
