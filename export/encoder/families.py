"""The encoders that were compared with transformers after an export, one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from export.decoder.families import FAMILIES

ENCODERS = frozenset(
    {
        "albert",
        "bert",
        "camembert",
        "deberta-v2",
        "distilbert",
        "electra",
        "modernbert",
        "mpnet",
        "roberta",
        "xlm-roberta",
    }
)
"""Values of `model_type` in a config.json that are no decoder's."""

EMBEDDING_DECODERS = frozenset(FAMILIES)
"""Decoders that embed too, where their folder has the files of sentence-transformers."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Under which keys a config tells what every encoder has.

    `positions_before_first`: RoBERTa numbers positions from behind its padding token's id on, so
    that the first ones of its table are never used.
    """

    num_layers: str = "num_hidden_layers"
    hidden_size: str = "hidden_size"
    positions_before_first: bool = False


_ROBERTA = Keys(positions_before_first=True)

_KEYS: Mapping[str, Keys] = {
    "camembert": _ROBERTA,
    "distilbert": Keys(num_layers="n_layers", hidden_size="dim"),
    "mpnet": _ROBERTA,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}


def keys_of(model_type: str) -> Keys:
    """The keys of that model type's configs."""
    return _KEYS.get(model_type, Keys())
