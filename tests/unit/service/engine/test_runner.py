"""The real model, bit by bit: how a request is computed must not show in its logits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from service.engine.kv_cache import Copy, Swap
from service.engine.request import Request
from service.engine.runner import Runner
from service.engine.scheduler import chunk_size
from service.errors import PackageCorrupt
from service.runtime.providers import CPU
from service.store.packages import Package
from tests.unit.service.engine.conftest import SLOT_LENGTH
from tests.unit.service.engine.requests import make_request

Logits = NDArray[np.float32]


def _prefilled(
    runner: Runner, slot: int, prompt: Sequence[int], cuts: Sequence[int] = ()
) -> Request:
    request = make_request(prompt)
    request.slot = slot
    for start, end in pairwise([0, *cuts, request.num_prefill_tokens]):
        runner.prefill(slot, start, prompt[start:end])
    request.num_computed_tokens = request.num_prefill_tokens
    return request


def _logits(runner: Runner, requests: list[Request]) -> Logits:
    return runner.decode(requests).copy()


def _alone(runner: Runner, request: Request) -> Logits:
    (row,) = _logits(runner, [request])
    logits: Logits = row
    return logits


def test_a_row_is_the_same_alone_and_in_any_batch(
    runner: Runner, text_token_ids: list[int]
) -> None:
    rows = [
        _prefilled(runner, slot, text_token_ids[5 * slot :][: length + 1])
        for slot, length in enumerate((3, 150, 40, 2, 77, 12, 64, 100))
    ]
    alone = [_alone(runner, row) for row in rows]
    for first in range(8):
        for last in range(first + 1, 8):
            together = _logits(runner, rows[first : last + 1])
            np.testing.assert_array_equal(together, alone[first : last + 1])


def test_a_slot_is_as_good_as_another(runner: Runner, text_token_ids: list[int]) -> None:
    first, *others = [
        _alone(runner, _prefilled(runner, slot, text_token_ids[:50])) for slot in range(8)
    ]
    assert np.isfinite(first).all()
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_a_prefill_can_be_cut_anywhere(runner: Runner, text_token_ids: list[int]) -> None:
    prompt = text_token_ids[:261]
    whole = _alone(runner, _prefilled(runner, 0, prompt))
    for cuts in ([2], [4, 6, 9], [64, 128], [127, 129], [133], [256], [258]):
        in_pieces = _prefilled(runner, 5, prompt, cuts)
        np.testing.assert_array_equal(_alone(runner, in_pieces), whole, err_msg=str(cuts))


@pytest.mark.parametrize("num_tokens", [34, 130, 194, 258])
def test_the_schedulers_cuts_do_not_show(
    runner: Runner, text_token_ids: list[int], num_tokens: int
) -> None:
    """However busy the engine is: prompts whose last token would be in a tile of its own, too."""
    prompt = text_token_ids[:num_tokens]
    # 32 tokens at a time are in one tile whatever the processor.
    expected = _alone(runner, _prefilled(runner, 0, prompt, range(30, num_tokens - 2, 30)))
    for limit in (128, 256):
        cuts, left = [], num_tokens - 1
        while left > (size := chunk_size(left, limit)):
            left -= size
            cuts.append(num_tokens - 1 - left)
        cut = _prefilled(runner, 1, prompt, cuts)
        np.testing.assert_array_equal(_alone(runner, cut), expected, err_msg=str(cuts))


def test_a_copied_beginning_is_as_good_as_a_prefilled_one(
    runner: Runner, text_token_ids: list[int]
) -> None:
    whole = _alone(runner, _prefilled(runner, 0, text_token_ids[:90]))
    _prefilled(runner, 3, text_token_ids[:61])
    _prefilled(runner, 6, text_token_ids[100:350])
    runner.move(Copy(3, 6, 60))
    request = make_request(text_token_ids[:90])
    request.slot = 6
    runner.prefill(6, 60, text_token_ids[60:89])
    request.num_computed_tokens = 89
    np.testing.assert_array_equal(_alone(runner, request), whole)


def test_swapped_rows_go_on_as_if_nothing_had_been(
    runner: Runner, text_token_ids: list[int]
) -> None:
    one = _prefilled(runner, 1, text_token_ids[:90])
    other = _prefilled(runner, 4, text_token_ids[30:50])
    before = [_alone(runner, one), _alone(runner, other)]
    runner.move(Swap(1, 4, 90))
    one.slot, other.slot = 4, 1
    np.testing.assert_array_equal([_alone(runner, one), _alone(runner, other)], before)


def test_the_last_place_of_a_slot_ends_at_its_neighbour(
    runner: Runner, text_token_ids: list[int]
) -> None:
    neighbour = _prefilled(runner, 3, text_token_ids[:60])
    before = _alone(runner, neighbour)
    full = _prefilled(runner, 2, text_token_ids[:SLOT_LENGTH])
    assert np.isfinite(_alone(runner, full)).all()
    np.testing.assert_array_equal(_alone(runner, neighbour), before)
    with pytest.raises(AssertionError):
        runner.prefill(2, SLOT_LENGTH - 1, text_token_ids[:2])


def test_float32_hardly_notices_what_was_decoded(
    fp32_runner: Runner, text_token_ids: list[int]
) -> None:
    """Prefilled or decoded: other kernels, the same mathematics."""
    prompt = text_token_ids[:40]
    expected = _alone(fp32_runner, _prefilled(fp32_runner, 0, prompt))
    decoded = _prefilled(fp32_runner, 1, prompt[:21])
    for token_id in prompt[21:]:
        fp32_runner.decode([decoded])
        decoded.num_computed_tokens += 1
        decoded.output_token_ids.append(token_id)
    np.testing.assert_allclose(_alone(fp32_runner, decoded), expected, atol=1e-3)


def test_the_package_is_near_its_float32_self(
    runner: Runner, fp32_runner: Runner, text_token_ids: list[int]
) -> None:
    """Nothing above compares with the truth; this does, if coarsely."""
    expected = _alone(fp32_runner, _prefilled(fp32_runner, 0, text_token_ids[:80]))
    actual = _alone(runner, _prefilled(runner, 0, text_token_ids[:80]))
    assert actual.argmax() == expected.argmax()
    assert np.corrcoef(actual, expected)[0, 1] > 0.99


def test_a_graph_that_is_none_is_refused_by_name(smollm2_package: Package, tmp_path: Path) -> None:
    manifest = smollm2_package.manifest
    (tmp_path / manifest.graphs.decoder).write_bytes(b"not a graph")
    graphs = msgspec.structs.replace(manifest.graphs, prefill=None)
    manifest = msgspec.structs.replace(manifest, graphs=graphs)
    with pytest.raises(PackageCorrupt, match=manifest.graphs.decoder) as caught:
        Runner(tmp_path, manifest, CPU, num_slots=1, slot_length=64)
    assert str(tmp_path) not in caught.value.message
