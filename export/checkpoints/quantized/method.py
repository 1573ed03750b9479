"""Which layout a model's config says its weights are in; what is not read is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from export.checkpoints.base import JsonValue
from export.checkpoints.json_file import one_line
from export.checkpoints.quantized.awq import AwqLayout
from export.checkpoints.quantized.compressed import Int8Layout, PackedLayout
from export.checkpoints.quantized.fp8 import Fp8Layout
from export.checkpoints.quantized.gptq import GptqLayout
from export.checkpoints.quantized.packing import Bits
from export.checkpoints.quantized.raw import Layout
from export.checkpoints.quantized.stacked_experts import StackedExperts
from export.errors import ExportError

Section = Mapping[str, JsonValue]

_PICKED = ("dynamic", "modules_to_quantize", "sparsity_config", "transform_config")
"""What would make layers differ from what the rest of the section says."""


def read_layouts(config: Section, origin: str) -> tuple[Layout, ...]:
    """The layouts that weights may be stored in, besides plain numbers.

    Raises ExportError naming `origin` and a method, format or number of bits that is not
    supported.
    """
    try:
        return _layouts(config)
    except ExportError as error:
        raise ExportError(f"{origin}: {error}") from error


def _layouts(config: Section) -> tuple[Layout, ...]:
    section = config.get("quantization_config", config.get("compression_config"))
    if section is None:
        return (Fp8Layout(), StackedExperts())
    if not isinstance(section, dict):
        raise ExportError("config.quantization_config is not an object")
    method = section.get("quant_method")
    read = _METHODS.get(method) if isinstance(method, str) else None
    if read is None:
        raise ExportError(
            f"weights quantised by {one_line(str(method))!r} are not supported; supported: "
            f"{', '.join(_METHODS)}"
        )
    for key in _PICKED:
        if not _is_absent(section.get(key)):
            raise ExportError(f"config.quantization_config.{key} is not supported")
    return read(section)


def _is_absent(value: JsonValue) -> bool:
    return not value or (isinstance(value, dict) and value.get("format") == "dense")


def _gptq(section: Section) -> tuple[Layout, ...]:
    form = section.get("checkpoint_format") or "gptq"
    _require(section, "checkpoint_format", form, ("gptq", "gptq_v2"))
    return (GptqLayout(_bits(section, "bits"), form == "gptq"),)


def _awq(section: Section) -> tuple[Layout, ...]:
    version = str(section.get("version") or "gemm").lower()
    _require(section, "version", version, ("gemm",))
    _require(section, "bits", section.get("bits", section.get("w_bit")), (4,))
    return (AwqLayout(),)


def _fp8(section: Section) -> tuple[Layout, ...]:
    block = section.get("weight_block_size")
    return (Fp8Layout(None if block is None else _block(block)),)


def _compressed(section: Section) -> tuple[Layout, ...]:
    form = section.get("format")
    _require(
        section,
        "format",
        form,
        ("pack-quantized", "int-quantized", "naive-quantized", "float-quantized"),
    )
    weights = _weights(section)
    if form == "pack-quantized":
        return (PackedLayout(_bits(weights, "num_bits")),)
    block = weights.get("block_structure")
    return (Int8Layout(), Fp8Layout(None if block is None else _block(block)))


def _weights(section: Section) -> Section:
    """How weights are quantised: in all groups of layers alike, or the model is refused."""
    groups = section.get("config_groups")
    found = [
        group.get("weights") if isinstance(group, dict) else None
        for group in (groups.values() if isinstance(groups, dict) else ())
    ]
    weights = found[0] if found else None
    if not isinstance(weights, dict) or any(other != weights for other in found):
        raise ExportError(
            "config.quantization_config.config_groups do not quantise all weights alike, which "
            "is not supported"
        )
    return weights


def _bits(section: Section, key: str) -> Bits:
    bits = section.get(key)
    _require(section, key, bits, (4, 8))
    return 4 if bits == 4 else 8


def _block(value: JsonValue) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2:
        height, width = value
        if isinstance(height, int) and isinstance(width, int) and min(height, width) > 0:
            return height, width
    raise ExportError(
        f"config.quantization_config: {one_line(str(value))!r} is not the size of a block"
    )


def _require(
    section: Section, key: str, value: JsonValue, supported: tuple[JsonValue, ...]
) -> None:
    if value not in supported:
        method = section.get("quant_method", "compressed-tensors")
        raise ExportError(
            f"{one_line(str(method))} weights with {key} {one_line(str(value))!r} are not "
            f"supported; supported: {', '.join(map(str, supported))}"
        )


def _mxfp4(_: Section) -> tuple[Layout, ...]:
    return (StackedExperts(),)


_METHODS: Mapping[str, Callable[[Section], tuple[Layout, ...]]] = {
    "gptq": _gptq,
    "awq": _awq,
    "fp8": _fp8,
    "fbgemm_fp8": _fp8,
    "compressed-tensors": _compressed,
    "mxfp4": _mxfp4,
}
