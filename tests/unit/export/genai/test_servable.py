"""Graphs that our runner cannot serve are refused, with the part that stands in the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from export.errors import ExportError
from export.genai.config import read_genai_config
from export.genai.servable import require_servable
from tests.unit.export.genai.tiny import TINY, attentions


def _check(change: Callable[[onnx.ModelProto], None]) -> str:
    model = onnx.load(TINY / "model.onnx", load_external_data=False)
    change(model)
    with pytest.raises(ExportError) as caught:
        require_servable(model, read_genai_config(TINY).model.decoder, "model.onnx")
    message = str(caught.value)
    assert message.startswith("model.onnx cannot be served: ")
    assert "\n" not in message
    return message


def _add_input(name: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]))

    return change


def _input(model: onnx.ModelProto, name: str) -> onnx.ValueInfoProto:
    return next(value for value in model.graph.input if value.name == name)


def test_the_tiny_model_is_servable() -> None:
    model = onnx.load(TINY / "model.onnx", load_external_data=False)
    require_servable(model, read_genai_config(TINY).model.decoder, "model.onnx")


def test_attention_that_does_not_write_in_place() -> None:
    def change(model: onnx.ModelProto) -> None:
        attentions(model)[1].op_type = "MultiHeadAttention"

    message = _check(change)
    assert "'past_key_values.1.key' goes into 'MultiHeadAttention'" in message
    assert "only GroupQueryAttention writes new keys and values in place" in message


def test_inputs_that_nobody_feeds() -> None:
    assert "the input 'past_key_values.0.key_scale'" in _check(
        _add_input("past_key_values.0.key_scale")
    )

    def embeds(model: onnx.ModelProto) -> None:
        _input(model, "input_ids").name = "inputs_embeds"

    assert "the input 'inputs_embeds', which nothing is known to feed" in _check(embeds)


def test_types_that_are_not_supported() -> None:
    def cache(model: onnx.ModelProto) -> None:
        for value in model.graph.input:
            if value.name.startswith("past"):
                value.type.tensor_type.elem_type = TensorProto.BFLOAT16

    assert "keys and values are of bfloat16" in _check(cache)

    def mask(model: onnx.ModelProto) -> None:
        _input(model, "attention_mask").type.tensor_type.elem_type = TensorProto.FLOAT

    assert "'attention_mask' is neither int32 nor int64" in _check(mask)


def test_layers_of_different_sizes() -> None:
    def change(model: onnx.ModelProto) -> None:
        dims = _input(model, "past_key_values.1.value").type.tensor_type.shape.dim
        dims[1].dim_value, dims[3].dim_value = 1, 32

    assert "'past_key_values.1.value' is for 1 heads of 32" in _check(change)


def test_outputs_that_are_missing_or_mixed_up() -> None:
    def no_logits(model: onnx.ModelProto) -> None:
        model.graph.output[0].name = "hidden_states"

    assert "no output 'logits'" in _check(no_logits)

    def swapped(model: onnx.ModelProto) -> None:
        first, second = attentions(model)
        first.output[1], second.output[1] = second.output[1], first.output[1]

    assert "'present.0.key' is not what 'past_key_values.0.key' becomes" in _check(swapped)


def test_weights_outside_the_folder() -> None:
    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../../etc/passwd"

    assert "its weights are in '../../etc/passwd', outside its folder" in _check(change)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("vision", {"filename": "v.onnx"}, "has a part 'vision' beside its decoder"),
        ("speech", {}, "has a part 'speech' beside its decoder"),
        ("decoder.pipeline", [{}], "is a pipeline of several graphs"),
        ("decoder.filename", "../model.onnx", "filename"),
        ("decoder.num_hidden_layers", 0, "num_hidden_layers"),
        ("context_length", "long", "context_length"),
        ("decoder.inputs", {"past_key_names": "past"}, "past_key_names"),
    ],
)
def test_configs_that_are_refused(tmp_path: Path, place: str, value: object, message: str) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(TINY, folder)
    document = json.loads((folder / "genai_config.json").read_text())
    *outer, last = place.split(".")
    target = document["model"]
    for key in outer:
        target = target[key]
    target[last] = value
    (folder / "genai_config.json").write_text(json.dumps(document))
    with pytest.raises(ExportError) as caught:
        read_genai_config(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
