"""No part of a graph is left to the processor without a word.

The stand-in for a device is a provider that every build of ONNX Runtime has and that runs none of
our nodes.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from service.errors import PackageCorrupt
from service.runtime.placement import left_to_processor, listed
from service.runtime.providers import CPU, CUDA, IDENTITY
from service.runtime.sessions import open_session, physical_cores, share_threads

DEVICE = replace(CUDA, name="AzureExecutionProvider", options={})


@pytest.fixture(autouse=True)
def _shared_threads() -> None:
    share_threads(physical_cores())


def _write(folder: Path, num_nodes: int) -> Path:
    values = [f"v{index}" for index in range(num_nodes + 1)]
    nodes = [
        helper.make_node("Tanh", [values[index]], [values[index + 1]], name=f"node {index}")
        for index in range(num_nodes)
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"])
        for name in (values[0], values[-1])
    ]
    graph = helper.make_graph(nodes, "test", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 21)]
    path = folder / "graph.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def test_a_graph_that_would_fall_back_is_refused_by_the_names_of_its_nodes(
    tmp_path: Path,
) -> None:
    with pytest.raises(PackageCorrupt) as caught:
        open_session(_write(tmp_path, 6), DEVICE)
    message = caught.value.message
    assert message.startswith("ONNX Runtime cannot load graph.onnx on cuda: it has no kernels for ")
    assert "node 0 (Tanh), node 1 (Tanh), node 2 (Tanh), node 3 (Tanh) and 2 more" in message


def test_where_it_is_allowed_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        open_session(_write(tmp_path, 1), DEVICE, shapes_on_cpu=True)
    assert caplog.messages == ["left to the processor by cuda: node 0 (Tanh)"]


def test_the_processors_own_graphs_are_not_worth_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        open_session(_write(tmp_path, 1), CPU)
    assert not caplog.messages


def test_nodes_without_a_name_count_too() -> None:
    assert left_to_processor(IDENTITY, DEVICE) == "a node (Identity)"


def test_what_does_not_load_has_nothing_to_name() -> None:
    assert left_to_processor(b"no graph", DEVICE) == ""


@pytest.mark.parametrize(
    ("nodes", "text"),
    [([], ""), (["a"], "a"), (["a", "b", "c", "d", "e"], "a, b, c, d and 1 more")],
)
def test_a_long_list_is_cut_and_counted(nodes: list[str], text: str) -> None:
    assert listed(nodes) == text
