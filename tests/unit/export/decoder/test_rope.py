"""Tables against the formulas of the papers, written down once more and evaluated in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from export.checkpoints.base import JsonValue
from export.decoder.config import ConfigReader
from export.decoder.parts import RopeSpec
from export.decoder.rope import inverse_frequencies, read_rope, rope_tables
from export.errors import ExportError

HEAD_DIM = 64
LLAMA3: dict[str, JsonValue] = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def _read(config: dict[str, JsonValue], head_dim: int = HEAD_DIM) -> RopeSpec:
    return read_rope(ConfigReader(config), head_dim)


@pytest.mark.parametrize("theta", [10000.0, 500000.0])
def test_unscaled_tables_are_the_papers_angles(theta: float) -> None:
    cos, sin = rope_tables(RopeSpec(theta, HEAD_DIM), 300, 300)
    assert cos.shape == sin.shape == (300, HEAD_DIM // 2)
    assert cos.dtype == sin.dtype == np.float32
    for position in (0, 1, 2, 17, 299):
        for pair in (0, 1, 15, 31):
            angle = position / theta ** (2 * pair / HEAD_DIM)
            # float32 resolves an angle of 300 to 3e-5.
            assert cos[position, pair] == pytest.approx(math.cos(angle), abs=4e-5)
            assert sin[position, pair] == pytest.approx(math.sin(angle), abs=4e-5)


def test_every_pair_turns_by_a_rotation() -> None:
    cos, sin = rope_tables(RopeSpec(10000.0, HEAD_DIM), 1000, 1000)
    np.testing.assert_allclose(cos**2 + sin**2, 1, atol=1e-6)


def test_factors_slow_each_pair_by_itself() -> None:
    factors = tuple(float(i + 1) for i in range(HEAD_DIM // 2))
    slowed, _ = rope_tables(RopeSpec(10000.0, HEAD_DIM, factors), 8, 8)
    angles = 7 * inverse_frequencies(10000.0, HEAD_DIM) / np.array(factors)
    np.testing.assert_allclose(slowed[7], np.cos(angles), atol=1e-6)


def test_linear_scaling_stretches_positions() -> None:
    spec = _read({"rope_scaling": {"type": "linear", "factor": 4.0}})
    stretched, _ = rope_tables(spec, 33, 33)
    plain, _ = rope_tables(RopeSpec(10000.0, HEAD_DIM), 9, 9)
    np.testing.assert_allclose(stretched[::4], plain, atol=1e-6)


def test_llama3_keeps_short_waves_slows_long_ones_and_blends_between() -> None:
    spec = _read({"rope_theta": 500000.0, "rope_scaling": LLAMA3})
    wavelengths = 2 * np.pi / inverse_frequencies(500000.0, HEAD_DIM)
    factors = np.array(spec.factors)
    short, long = wavelengths < 8192 / 4, wavelengths > 8192
    between = ~(short | long)
    assert short.any()
    assert long.any()
    assert between.any()
    assert (factors[short] == 1).all()
    assert (factors[long] == 32).all()
    smooth = (8192 / wavelengths[between] - 1) / (4 - 1)
    np.testing.assert_allclose(1 / factors[between], (1 - smooth) / 32 + smooth, rtol=1e-12)


def test_both_layouts_of_the_config_mean_the_same() -> None:
    earlier = _read({"rope_theta": 500000.0, "rope_scaling": LLAMA3})
    later = _read({"rope_parameters": LLAMA3 | {"rope_theta": 500000.0}})
    assert earlier == later
    assert earlier.theta == 500000.0


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"rope_scaling": None},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
        {"rope_scaling": {"type": "default"}},
    ],
    ids=str,
)
def test_without_scaling_there_are_no_factors(config: dict[str, JsonValue]) -> None:
    assert _read(config) == RopeSpec(10000.0, HEAD_DIM)


def test_given_factors_are_taken() -> None:
    section: JsonValue = {"rope_type": "factors", "factors": [1.0, 2.0, 4, 8]}
    assert _read({"rope_parameters": section}, 8).factors == (1.0, 2.0, 4.0, 8.0)


@pytest.mark.parametrize("rule", ["ntk", "dynamic", "\n"])
def test_another_rule_is_refused_naming_those_supported(rule: str) -> None:
    with pytest.raises(
        ExportError, match="supported are default, linear, llama3, longrope and yarn"
    ) as refused:
        _read({"rope_scaling": {"rope_type": rule, "factor": 2.0}})
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"rope_theta": 0}, r"config\.rope_theta is 0"),
        ({"rope_theta": -1.0}, r"config\.rope_theta is -1\.0"),
        ({"rope_scaling": []}, r"config\.rope_scaling is \[\], expected an object"),
        ({"rope_scaling": {"type": "linear"}}, r"config\.rope_scaling lacks 'factor'"),
        ({"rope_scaling": {"type": "linear", "factor": 0}}, "factor is 0"),
        ({"rope_scaling": {"type": 3}}, "type is 3, expected a string"),
        ({"rope_scaling": LLAMA3 | {"factor": 0.0}}, "factor is 0"),
        ({"rope_scaling": LLAMA3 | {"low_freq_factor": 0}}, "low_freq_factor is 0"),
        ({"rope_scaling": LLAMA3 | {"high_freq_factor": 1.0}}, "has to be above"),
        ({"rope_parameters": {"rope_type": "factors", "factors": [1.0]}}, "a list of 32 numbers"),
        (
            {"rope_parameters": {"rope_type": "factors", "factors": [1.0] * 31 + [0]}},
            "0.001 or more",
        ),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(config: dict[str, JsonValue], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        _read(config)


def test_yarn_keeps_short_waves_stretches_long_ones_and_turns_louder() -> None:
    section: dict[str, JsonValue] = {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 4096,
    }
    spec = _read({"rope_scaling": section, "max_position_embeddings": 16384})
    factors = np.array(spec.factors)
    turns = 4096 * inverse_frequencies(10000.0, HEAD_DIM) / (2 * np.pi)
    # The ramp between begins and ends at whole pairs.
    assert (factors[turns > 40] == 1).all()
    assert (factors[turns < 0.7] == 4).all()
    between = factors[(turns > 1.5) & (turns < 25)]
    assert len(between) > 2
    assert ((between > 1) & (between < 4)).all()
    assert (np.diff(factors) >= 0).all()
    assert spec.magnitude == pytest.approx(0.1 * math.log(4) + 1)


@pytest.mark.parametrize(
    ("extra", "magnitude"),
    [
        ({"attention_factor": 1.5}, 1.5),
        ({"mscale": 1.0, "mscale_all_dim": 1.0}, 1.0),
        ({"factor": 1.0}, 1.0),
    ],
)
def test_yarns_magnitude_may_be_given(extra: dict[str, JsonValue], magnitude: float) -> None:
    section: dict[str, JsonValue] = {"rope_type": "yarn", "factor": 4.0}
    spec = _read({"rope_scaling": section | extra, "max_position_embeddings": 4096})
    assert spec.magnitude == pytest.approx(magnitude)
    cos, sin = rope_tables(spec, 5, 5)
    np.testing.assert_allclose(np.hypot(cos, sin), magnitude, rtol=1e-6)


LONG: dict[str, JsonValue] = {
    "type": "longrope",
    "short_factor": [1.0] * 32,
    "long_factor": [float(i + 1) for i in range(32)],
}


def test_longrope_has_a_list_for_each_side_of_the_length_trained_first() -> None:
    config: dict[str, JsonValue] = {
        "rope_scaling": LONG,
        "max_position_embeddings": 131072,
        "original_max_position_embeddings": 4096,
    }
    spec = _read(config)
    assert spec.long is not None
    assert (spec.long.beyond, len(spec.factors), len(spec.long.factors)) == (4096, 32, 32)
    assert spec.magnitude == pytest.approx(math.sqrt(1 + math.log(32) / math.log(4096)))
    short, long = (rope_tables(spec, 4, context)[0] for context in (4096, 4097))
    assert not np.allclose(short, long)
    assert _read({**config, "rope_scaling": {**LONG, "type": "su"}}) == spec


def test_longrope_lists_of_another_length_are_refused() -> None:
    with pytest.raises(ExportError, match="a list of 32 numbers"):
        _read({"rope_scaling": LONG | {"long_factor": [1.0]}, "max_position_embeddings": 64})


_YARN: dict[str, JsonValue] = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 4096,
}
_LONG: dict[str, JsonValue] = {
    "rope_type": "longrope",
    "long_factor": [1.0] * (HEAD_DIM // 2),
    "short_factor": [1.0] * (HEAD_DIM // 2),
}


@pytest.mark.parametrize(
    ("rule", "change", "named"),
    [
        (_YARN, {"rope_theta": 1.0}, "rope_theta"),
        (_YARN, {"rope_theta": 1e-300}, "rope_theta"),
        (_YARN, {"factor": 1e300}, "factor"),
        (_YARN, {"factor": 3.4e38}, "factor"),
        (_YARN, {"beta_fast": 1e308}, "beta_fast"),
        (_YARN, {"beta_fast": 5e-324}, "beta_fast"),
        (_YARN, {"beta_slow": 3e38}, "beta_slow"),
        (_YARN, {"original_max_position_embeddings": 10**400}, "original_max_position_embeddings"),
        (_YARN, {"mscale": -4.0, "mscale_all_dim": -7.2134752044}, "mscale"),
        (_YARN, {"attention_factor": 1e300}, "attention_factor"),
        (_LONG, {"original_max_position_embeddings": 10**400}, "original_max_position_embeddings"),
        (_LONG, {"short_factor": [5e-324] * (HEAD_DIM // 2)}, "short_factor"),
        ({"rope_type": "linear"}, {"factor": 1e-300}, "factor"),
        (LLAMA3, {"factor": 1e300}, "factor"),
    ],
)
def test_parameters_beyond_what_they_can_mean_are_named(
    rule: dict[str, JsonValue], change: dict[str, JsonValue], named: str
) -> None:
    config: dict[str, JsonValue] = {"max_position_embeddings": 8192, "rope_scaling": rule | change}
    with pytest.raises(ExportError, match=rf"config\.rope_scaling.*{named}") as refused:
        _read(config)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("beta", [1e-6, 32.0, 1e9])
@pytest.mark.parametrize("theta", [math.nextafter(1, 2), 1e4, 1e30])
def test_the_ends_of_what_is_allowed_are_numbers(factor: float, beta: float, theta: float) -> None:
    change: dict[str, JsonValue] = {"factor": factor, "beta_fast": beta, "rope_theta": theta}
    spec = _read({"max_position_embeddings": 1 << 24, "rope_scaling": _YARN | change})
    cos, sin = rope_tables(spec, 9, 9)
    assert np.isfinite(cos).all()
    assert np.isfinite(sin).all()
