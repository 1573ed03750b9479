"""Checks our reading of a model against transformers', where that happens to be installed.

A package is verified against weights and config as we read them; only another program can tell
that we read them wrong.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Checkpoint
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from export.errors import ExportError

Floats = NDArray[np.float32]

_MAX_PARAMETERS = 1_000_000_000
"""transformers holds the model whole, in 4 bytes per parameter: larger ones are not compared."""

_TOLERANCE = 1e-2
"""The largest difference of two logits, in standard deviations of all logits."""


def verify_against_transformers(
    source: Path, spec: DecoderSpec, checkpoint: Checkpoint, prompt: list[int]
) -> None:
    """Compares the logits of `prompt`; does nothing where there is nothing to compare with:
    no torch and transformers, no folder with safetensors, too large a model, or weights that
    were quantised, which transformers reads with the help of further libraries alone.

    Raises ExportError if transformers computes something else, or cannot load the model.
    """
    if _is_comparable(source, spec, checkpoint):
        logits = _alike(spec, checkpoint, prompt).logits(prompt)
        check(_computed(source, prompt, "AutoModelForCausalLM"), logits)


def verify_vectors_against_transformers(
    source: Path, spec: DecoderSpec, checkpoint: Checkpoint, prompt: list[int]
) -> None:
    """As above, of the vectors that a model without a head gives of each token."""
    if _is_comparable(source, spec, checkpoint):
        vectors = _alike(spec, checkpoint, prompt).normed(prompt)
        check(_computed(source, prompt, "AutoModel"), vectors, "numbers")


def check(expected: Floats, actual: Floats, noun: str = "logits") -> None:
    """Raises ExportError if the logits `[S, vocab_size]`, or other numbers of each token, are not
    the same but for rounding."""
    if expected.shape != actual.shape:
        raise ExportError(
            f"transformers gives {expected.shape[-1]} {noun} per token for these weights, "
            f"{actual.shape[-1]} were expected"
        )
    difference = float(np.abs(expected - actual).max() / expected.std())
    if not difference <= _TOLERANCE:
        raise ExportError(
            f"transformers computes something else from these weights: {noun} differ by up to "
            f"{difference:.3g} standard deviations, {_TOLERANCE:g} were expected at most"
        )


def _is_comparable(source: Path, spec: DecoderSpec, checkpoint: Checkpoint) -> bool:
    if find_spec("torch") is None or find_spec("transformers") is None:
        return False
    if not source.is_dir() or spec.num_parameters > _MAX_PARAMETERS:
        return False
    return "quantization_config" not in checkpoint.config and any(source.glob("*.safetensors"))


def _alike(spec: DecoderSpec, checkpoint: Checkpoint, prompt: list[int]) -> Reference:
    """transformers chooses among the factors of a LongRoPE by the length of each sequence."""
    return Reference(replace(spec, context_length=len(prompt)), checkpoint)


def _computed(source: Path, token_ids: list[int], kind: str) -> Floats:
    """What transformers' class of that name gives first, of each token."""
    # Imported here, since an export has to work without these two and they take seconds to load.
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415
    from transformers.utils import logging  # noqa: PLC0415

    logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(
            source, local_files_only=True, trust_remote_code=False
        )
        _tell_older_versions(config)
        model = getattr(transformers, kind).from_pretrained(
            source,
            config=config,
            dtype=torch.float32,
            attn_implementation="eager",
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except Exception as error:  # whatever transformers raises says that it cannot load the model
        raise ExportError(
            f"transformers cannot load these weights ({type(error).__name__}); uninstall it to "
            "export without comparing"
        ) from error
    with torch.inference_mode():
        output: Floats = model.eval()(torch.tensor([token_ids]))[0][0].numpy()
    return output


def _tell_older_versions(config: Any) -> None:  # noqa: ANN401  transformers is not always there
    """Says in the words of transformers 4 what a config says in those of 5, which 4 ignores.

    optimum needs 4, so that it is what most have who export.
    """
    rope = getattr(config, "rope_parameters", None)
    if int(metadata.version("transformers").partition(".")[0]) >= 5 or not rope:
        return
    config.rope_theta = rope.get("rope_theta", getattr(config, "rope_theta", None))
    if rope.get("rope_type", "default") != "default":
        config.rope_scaling = {key: rope[key] for key in rope if key != "rope_theta"}
