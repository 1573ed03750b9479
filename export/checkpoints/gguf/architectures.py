"""The architectures that GGUF files are read for, one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.json_file import one_line
from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class Architecture:
    """How one of llama.cpp's architectures is called and laid out in transformers.

    `name` prefixes the metadata keys. `has_permuted_rope` says that the rows of Q and K are
    stored in the order that rotates neighbours instead of halves.
    """

    name: str
    model_type: str
    class_name: str
    has_permuted_rope: bool


ARCHITECTURES: Mapping[str, Architecture] = {
    row.name: row for row in (Architecture("llama", "llama", "LlamaForCausalLM", True),)
}


def read_architecture(metadata: Metadata) -> Architecture:
    """The file's architecture. Raises ExportError for one that is not supported."""
    name = metadata.text("general.architecture")
    architecture = ARCHITECTURES.get(name)
    if architecture is None:
        raise ExportError(
            f"{metadata.path}: the architecture {one_line(name)!r} is not supported in GGUF files; "
            f"supported: {', '.join(sorted(ARCHITECTURES))}"
        )
    if metadata.integer(f"{name}.expert_count", 0) > 0:
        raise ExportError(f"{metadata.path}: mixtures of experts are not supported")
    return architecture
