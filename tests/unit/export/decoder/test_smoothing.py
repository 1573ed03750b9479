from __future__ import annotations

from itertools import product

import numpy as np

from export.checkpoints.open import open_checkpoint
from export.decoder.families import read_spec
from export.decoder.reference import Site
from export.decoder.smoothing import calibrate
from export.decoder.weights import Weights
from export.tokenizing import load_tokenizer
from tests.unit.export.golden_llama import TIED


def test_factors_cover_every_site_and_leave_the_scale_alone() -> None:
    checkpoint = open_checkpoint(TIED)
    spec = read_spec(checkpoint.config)
    smoothing = calibrate(
        Weights(spec, checkpoint), load_tokenizer(checkpoint.tokenizer().tokenizer_json)
    )
    sizes: dict[Site, int] = {
        "attention": spec.hidden_size,
        "mlp": spec.hidden_size,
        "down": spec.linears[-1].shape[1],
    }
    assert set(smoothing.factors) == set(product(range(spec.num_layers), sizes))
    for (_, site), factors in smoothing.factors.items():
        assert factors.shape == (sizes[site],)
        assert np.isfinite(factors).all()
        assert (factors > 0).all()
        np.testing.assert_allclose(np.log(factors).mean(), 0, atol=1e-4)


def test_channels_with_larger_activations_get_larger_factors() -> None:
    checkpoint = open_checkpoint(TIED)
    spec = read_spec(checkpoint.config)
    tokenizer = checkpoint.tokenizer().tokenizer_json
    smoothing = calibrate(Weights(spec, checkpoint), load_tokenizer(tokenizer))
    norm = checkpoint.tensor("model.layers.0.input_layernorm.weight").data.astype(np.float64)
    columns = np.max(
        [
            np.abs(checkpoint.tensor(f"{linear.name.format(i=0)}.weight").data).max(0)
            for linear in spec.attention.inputs
        ],
        axis=0,
    ).astype(np.float64)
    tendency = np.abs(norm) ** 0.7 / columns**0.3
    assert np.corrcoef(np.log(tendency), np.log(smoothing.at(0, "attention")))[0, 1] > 0.5
