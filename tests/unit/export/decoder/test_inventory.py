from __future__ import annotations

import numpy as np
import pytest

from export.checkpoints.base import Encoding
from export.checkpoints.ggml.table import BLOCK_ENCODINGS
from export.decoder.appending import append_offsets
from export.decoder.blocks import BlockWeight, Weight, carry, densify, quantize
from export.decoder.inventory import Inventory, form_of, is_lossless
from export.decoder.widening import widen
from tests.unit.export.checkpoints.ggml.golden_blocks import golden_tensor, random_tensor
from tests.unit.export.decoder.weights import block_tensor, dense_tensor


@pytest.mark.parametrize("encoding", list(BLOCK_ENCODINGS))
def test_what_is_carried_loses_nothing(encoding: Encoding) -> None:
    tensor = golden_tensor(encoding)
    assert is_lossless(tensor, carry(tensor))
    assert is_lossless(tensor, densify(tensor, np.float32))


@pytest.mark.parametrize("encoding", [Encoding.Q6_K, Encoding.Q4_0])
def test_what_is_rounded_loses(encoding: Encoding) -> None:
    tensor = random_tensor(encoding, (8, 512))
    assert not is_lossless(tensor, quantize(tensor, 4, 64))


def test_a_zero_that_was_moved_is_a_loss() -> None:
    tensor = block_tensor(Encoding.Q4_1, (8, 512))
    weight = carry(tensor)
    assert isinstance(weight, BlockWeight)
    widened = widen(weight)
    assert widened.bits == 8
    assert not is_lossless(tensor, widened)


def test_offsets_in_eight_bits_are_a_loss_with_a_name() -> None:
    tensor = block_tensor(Encoding.Q4_1, (8, 512))
    weight = carry(tensor)
    assert isinstance(weight, BlockWeight)
    appended = append_offsets(weight)
    assert appended is not None
    assert form_of(appended) == "4-bit blocks of 32 with offsets in 8 bits"
    assert not is_lossless(tensor, appended)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (carry(golden_tensor(Encoding.Q6_K)), "8-bit blocks of 16"),
        (carry(golden_tensor(Encoding.Q4_K)), "4-bit blocks of 32 with offsets"),
        (carry(dense_tensor((4, 32), Encoding.BF16)), "bfloat16"),
        (densify(dense_tensor((4, 32)), np.float16), "float16"),
    ],
)
def test_forms_have_names(weight: Weight, expected: str) -> None:
    assert form_of(weight) == expected


def test_matrices_that_went_the_same_way_are_counted_together() -> None:
    inventory = Inventory()
    for encoding in (Encoding.Q6_K, Encoding.Q4_0, Encoding.Q6_K):
        tensor = random_tensor(encoding, (8, 512))
        inventory.add(tensor, carry(tensor))
    inventory.add(tensor, quantize(tensor, 4, 32))
    assert inventory.for_people() == (
        "2 matrices of Q6_K in 8-bit blocks of 16, without loss; "
        "1 matrix of Q4_0 in 4-bit blocks of 32, without loss; "
        "1 matrix of Q6_K in 4-bit blocks of 32, rounded"
    )
    first = inventory.for_manifest()[0]
    assert (first.encoding, first.tensors, first.lossless) == ("Q6_K", 2, True)
