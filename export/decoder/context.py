"""How long the sequences are that a package serves."""

from __future__ import annotations

from dataclasses import replace

from export.decoder.parts import AttentionLayer
from export.decoder.spec import DecoderSpec
from export.errors import ExportError
from export.progress import Progress


def with_context(spec: DecoderSpec, context_length: int | None) -> DecoderSpec:
    """`spec` for sequences of up to `context_length` tokens; a window that none of them leaves is
    none.

    Without a length it is the longest there is. But a model that rotates by other factors beyond
    some length (LongRoPE) gets that length: which factors hold depends on how long a sequence
    becomes, its keys are rotated when that is not yet known, and so a package takes one list for
    all that it serves. Up to that length the result is the model's own; a package of more takes
    the factors for long sequences for short ones too.

    Raises ExportError for a longer context than the model has.
    """
    longest = spec.context_length
    if context_length is None:
        context_length = min([longest, *_lengths_of_first_factors(spec)])
    if not 0 < context_length <= longest:
        raise ExportError(
            f"a context of {context_length} tokens is not supported; this model has {longest}"
        )
    layers = tuple(_seen(layer, context_length) for layer in spec.attention.layers)
    attention = replace(spec.attention, layers=layers)
    return replace(spec, context_length=context_length, attention=attention)


def warn_of_long_context(trained: DecoderSpec, served: DecoderSpec, progress: Progress) -> None:
    """Says so if less is served than the model was trained for."""
    if served.context_length < trained.context_length:
        progress.warn(
            f"this package serves up to {served.context_length} of the {trained.context_length} "
            "tokens that the model was trained for, since it rotates by other factors beyond; "
            f"--context {trained.context_length} makes one that takes those for all"
        )


def _lengths_of_first_factors(spec: DecoderSpec) -> list[int]:
    ropes = [layer.rope for layer in spec.attention.layers]
    return [rope.long.beyond for rope in ropes if rope is not None and rope.long is not None]


def _seen(layer: AttentionLayer, context_length: int) -> AttentionLayer:
    if layer.window is None or layer.window < context_length:
        return layer
    return replace(layer, window=None)
