"""Which layers see a window of the latest tokens only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from export.checkpoints.json_file import one_line
from export.decoder.config import ConfigReader
from export.decoder.spec import DecoderSpec
from export.errors import ExportError

_SLIDES = {"sliding_attention": True, "full_attention": False}


def read_windows(
    config: ConfigReader, num_layers: int, size: int | None, slides: Callable[[int], bool]
) -> list[int | None]:
    """The window of each layer, None for one that sees all; `size` is that of all which slide.

    Which do is said by `layer_types`, where a config has it, else by `slides`. Raises ExportError
    for a type of layer that is not supported.
    """
    types = config.texts("layer_types", length=num_layers)
    if types is None:
        return [size if slides(layer) else None for layer in range(num_layers)]
    for kind in types:
        if kind not in _SLIDES:
            raise ExportError(
                f"layers of type {one_line(kind)!r} are not supported; supported: "
                f"{', '.join(sorted(_SLIDES))}"
            )
    return [size if _SLIDES[kind] else None for kind in types]


def with_windows(spec: DecoderSpec, windows: Sequence[int | None]) -> DecoderSpec:
    """`spec` with the window of each layer."""
    layers = tuple(
        replace(layer, window=window)
        for layer, window in zip(spec.attention.layers, windows, strict=True)
    )
    return replace(spec, attention=replace(spec.attention, layers=layers))
