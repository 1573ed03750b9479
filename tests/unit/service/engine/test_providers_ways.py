"""What CUDA and DirectML want of the runner, on the one device that is everywhere.

Their graphs run on the processor too, so that the tokens can be compared with its own: device
memory, inputs that stay in place, a constant total length, prompts that go in whole. What only
their kernels could get wrong does not show here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from export.decoder.graph import build_decoder
from export.decoder.precision import Precision
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from service.engine.engine import Engine
from service.engine.kv_cache import Copy
from service.engine.request import Request
from service.engine.runner import Runner
from service.runtime.providers import CPU, CUDA, DIRECTML, Provider
from service.runtime.sessions import physical_cores, share_threads
from service.store.manifest import Architecture, FileRecord, Graphs, Manifest, Source, Tokens
from tests.unit.export.decoder.tiny import SPEC, random_checkpoint
from tests.unit.service.engine.requests import make_request

GRAPH = "model.onnx"
SLOT_LENGTH = 64

# Of the seeds tried, the one that leaves the most between the likeliest token and the next.
PROMPT = [int(token) for token in np.random.default_rng(3).integers(0, SPEC.vocab_size, 40)]


def _as_on(provider: Provider, target: Target) -> tuple[Provider, Target]:
    """The processor, with all that the runner does for `provider`."""
    row = replace(
        CPU,
        host_memory=False,
        slot_views=provider.slot_views,
        memory_pattern=provider.memory_pattern,
        prefills_behind=provider.prefills_behind,
        constant_total=provider.constant_total,
        captures=provider.captures,
    )
    return row, target


WAYS = {
    "cuda": _as_on(CUDA, Target.CUDA),
    "directml": _as_on(DIRECTML, Target.DIRECTML),
    "directml's graph as cuda runs it": _as_on(CUDA, Target.DIRECTML),
}


@dataclass(frozen=True)
class Case:
    runner: Runner
    reference: Runner


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


def _runner(folder: Path, provider: Provider, target: Target, num_slots: int) -> Runner:
    share_threads(physical_cores())
    place = folder / target.value
    if not place.exists():
        place.mkdir()
        with TensorFile(place / f"{GRAPH}.data") as tensors:
            weights = Weights(SPEC, random_checkpoint())
            onnx.save(build_decoder(weights, Precision.FP16, target, tensors), place / GRAPH)
    return Runner(place, _manifest(target), provider, num_slots=num_slots, slot_length=SLOT_LENGTH)


def _manifest(target: Target) -> Manifest:
    return Manifest(
        name="tiny",
        created=0,
        source=Source(kind="test", location="nowhere"),
        precision="fp16",
        context_length=SPEC.context_length,
        architecture=Architecture(
            family=SPEC.family,
            num_layers=SPEC.num_layers,
            num_kv_heads=SPEC.attention.num_kv_heads,
            head_dim=SPEC.attention.head_dim,
            vocab_size=SPEC.vocab_size,
            kv_dtype=target.kv_dtype,
        ),
        tokens=Tokens(),
        graphs=Graphs(decoder=GRAPH, devices=(target.value,)),
        files={GRAPH: FileRecord(size=1, sha256="0" * 64)},
    )


@pytest.fixture(params=WAYS)
def case(request: pytest.FixtureRequest, folder: Path) -> Case:
    provider, target = WAYS[request.param]
    num_slots = 3 if provider.slot_views else 1
    return Case(
        _runner(folder, provider, target, num_slots), _runner(folder, CPU, Target.CPU, num_slots)
    )


def _greedy(runner: Runner, prompt: Sequence[int], max_tokens: int) -> list[int]:
    request = make_request(prompt, max_tokens=max_tokens)
    engine = Engine(runner)
    engine.add(request)
    while engine.has_work:
        engine.step()
    engine.close()
    return list(request.output_token_ids)


def _prefilled(runner: Runner, prompt: Sequence[int], slot: int = 0) -> Request:
    request = make_request(prompt)
    request.slot = slot
    runner.prefill(slot, 0, prompt[:-1])
    request.num_computed_tokens = len(prompt) - 1
    return request


def _close(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    assert np.abs(actual - expected).mean() < 0.03 * expected.std()


def test_the_tokens_are_the_processors(case: Case) -> None:
    for length in (1, 2, 9, 40):
        expected = _greedy(case.reference, PROMPT[:length], 8)
        assert _greedy(case.runner, PROMPT[:length], 8) == expected, length


def test_a_prompt_behind_others_gives_what_it_gives_at_once(case: Case) -> None:
    expected = case.runner.decode([_prefilled(case.runner, PROMPT)]).copy()
    request = _prefilled(case.runner, PROMPT[:21])
    case.runner.prefill(0, 20, PROMPT[20:-1])
    request = make_request(PROMPT)
    request.slot, request.num_computed_tokens = 0, len(PROMPT) - 1
    _close(case.runner.decode([request]), expected)


def test_logits_of_a_prompt_are_the_processors(case: Case) -> None:
    expected = case.reference.prefill_with_logits(0, 0, PROMPT)
    _close(case.runner.prefill_with_logits(0, 0, PROMPT), expected)
    _close(case.runner.prefill_with_logits(0, 30, PROMPT[30:]), expected[30:])


def test_rows_of_other_lengths_decode_together(folder: Path) -> None:
    runner = _runner(folder, *WAYS["cuda"], 3)
    lengths = [5, 31, 12]
    alone = []
    for length in lengths:
        (row,) = runner.decode([_prefilled(runner, PROMPT[:length])])
        alone.append(row.copy())
    rows = [_prefilled(runner, PROMPT[:length], slot) for slot, length in enumerate(lengths)]
    for _ in range(2):  # a second time with what was bound, as a captured step is replayed
        for row, expected in zip(runner.decode(rows), alone, strict=True):
            _close(row, expected)


def test_a_slot_that_was_copied_goes_on_as_the_other(folder: Path) -> None:
    runner = _runner(folder, *WAYS["cuda"], 3)
    request = _prefilled(runner, PROMPT, 1)
    expected = runner.decode([request]).copy()
    runner.move(Copy(1, 2, len(PROMPT)))
    request.slot = 2
    np.testing.assert_array_equal(runner.decode([request]), expected)


def test_tokens_behind_others_go_one_by_one_where_the_kernel_would_forget_those(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = _runner(folder, *WAYS["directml"], 1)
    runs: list[tuple[int, int]] = []
    original = runner._prefill_feeds

    def noted(start: int, token_ids: Sequence[int]) -> dict[str, NDArray[np.generic]]:
        runs.append((start, len(token_ids)))
        feeds = original(start, token_ids)
        assert feeds["total_sequence_length"] == SLOT_LENGTH
        return feeds

    monkeypatch.setattr(runner, "_prefill_feeds", noted)
    runner.prefill(0, 0, PROMPT[:20])
    runner.prefill(0, 20, PROMPT[20:23])
    assert runs == [(0, 20), (20, 1), (21, 1), (22, 1)]


def test_every_decode_over_other_rows_is_a_captured_graph_of_its_own(folder: Path) -> None:
    runner = _runner(folder, *WAYS["cuda"], 3)
    rows = [_prefilled(runner, PROMPT[:9], slot) for slot in range(3)]
    for requests in (rows[:1], rows, rows[1:], rows[:1]):
        runner.decode(requests)
    options = [decoding.options for decoding in runner._decoding.values()]
    assert [each and each.get_run_config_entry("gpu_graph_id") for each in options] == [
        *("1", "2", "3")
    ]


def test_a_graph_that_wants_positions_is_told_them(folder: Path) -> None:
    session_inputs = {
        target: {value.name for value in _runner(folder, CPU, target, 1)._decoder.get_inputs()}
        for target in Target
    }
    assert [("position_ids" in session_inputs[target]) for target in Target] == [
        False,
        False,
        True,
    ]


def test_manifests_that_name_no_devices_are_read_as_before() -> None:
    for target, expected in ((Target.CPU, ("cpu",)), (Target.CUDA, ("cuda",))):
        manifest = _manifest(target)
        graphs = msgspec.structs.replace(manifest.graphs, devices=())
        assert msgspec.structs.replace(manifest, graphs=graphs).devices == expected
