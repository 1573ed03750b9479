"""Graphs that onnxruntime-genai's builder wrote, served: tokens are those of onnxruntime-genai."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from service.engine.engine import Engine
from service.engine.runner import Runner
from service.runtime.providers import CPU
from service.store.packages import Store
from tests.e2e.export_command import export
from tests.unit.export.genai.tiny import TINY, altered, attentions, expected
from tests.unit.service.engine.requests import make_request
from tests.unit.service.engine.workload import run_to_end


def _add_positions(model: onnx.ModelProto) -> None:
    """Rotates by positions that the graph is fed, in 32 bits, as some exporters write it."""
    graph = model.graph
    graph.input.append(
        helper.make_tensor_value_info("where", TensorProto.INT32, ["batch", "sequence"])
    )
    graph.node.insert(0, helper.make_node("Cast", ["where"], ["where.64"], to=TensorProto.INT64))
    for node in attentions(model):
        node.input[9] = "where.64"


def _rename_and_narrow(model: onnx.ModelProto) -> None:
    """Other names, and a head whose logits are scaled and of 16 bits."""
    graph = model.graph
    graph.node[-1].output[0] = "unscaled"
    graph.initializer.append(helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]))
    graph.node.append(helper.make_node("Mul", ["unscaled", "one"], ["scaled"]))
    graph.node.append(helper.make_node("Cast", ["scaled"], ["scores"], to=TensorProto.FLOAT16))
    logits = next(value for value in graph.output if value.name == "logits")
    logits.name, logits.type.tensor_type.elem_type = "scores", TensorProto.FLOAT16
    for node in attentions(model):
        node.input[3:5] = [name.replace("past_key_values", "cache") for name in node.input[3:5]]
    for value in graph.input:
        value.name = value.name.replace("past_key_values", "cache")


def _edit_config(folder: Path, **decoder: object) -> None:
    path = folder / "genai_config.json"
    document = json.loads(path.read_text())
    document["model"]["decoder"].update(decoder)
    path.write_text(json.dumps(document))


def _generate(models: Path, folder: Path) -> list[list[int]]:
    """All prompts at once, so that rows of different lengths decode together.

    The export is a process of its own, since sessions share their threads in this one.
    """
    finished = export(models, folder, "--name", "imported")
    assert finished.returncode == 0, finished.stderr
    package = Store(models).decoder("imported")
    runner = Runner(package.folder, package.manifest, CPU, num_slots=4, slot_length=64)
    requests = [
        make_request(each.prompt, max_tokens=len(each.output), stop=frozenset({257}))
        for each in expected()
    ]
    run_to_end(Engine(runner), requests)
    return [request.output_token_ids for request in requests]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_greedy_tokens_are_those_of_onnxruntime_genai(models: Path, shared_threads: None) -> None:
    assert _generate(models, TINY) == [each.output for each in expected()]


def test_positions_and_other_names_are_fed_too(
    models: Path, tmp_path: Path, shared_threads: None
) -> None:
    folder = altered(tmp_path / "positions", _add_positions)
    _edit_config(folder, inputs={"position_ids": "where"})
    assert _generate(models, folder) == [each.output for each in expected()]


def test_a_head_that_does_more_than_multiply(
    models: Path, tmp_path: Path, shared_threads: None
) -> None:
    folder = altered(tmp_path / "renamed", _rename_and_narrow)
    _edit_config(
        folder,
        inputs={"past_key_names": "cache.%d.key", "past_value_names": "cache.%d.value"},
        outputs={"logits": "scores"},
    )
    first = [tokens[:4] for tokens in _generate(models, folder)]
    assert first == [each.output[:4] for each in expected()]
