from __future__ import annotations

import ctypes

import numpy as np
import pytest
from numpy.typing import NDArray

from service.runtime.kv_memory import HostKv, allocate_kv
from service.runtime.providers import CPU

SHAPE = (4, 3, 2, 8, 5)
ARRAYS, SLOTS, HEADS, LENGTH, DIM = SHAPE


def _slot(memory: HostKv, array: int, slot: int) -> NDArray[np.float32]:
    """What a graph sees that is bound to `address`: `[HEADS, LENGTH, DIM]`, writable."""
    pointer = ctypes.cast(memory.address(array, slot), ctypes.POINTER(ctypes.c_float))
    return np.ctypeslib.as_array(pointer, (HEADS, LENGTH, DIM))


def _filled() -> tuple[HostKv, NDArray[np.float32]]:
    """Memory in which every number differs, and a copy of what it holds."""
    memory = HostKv(SHAPE, np.dtype("float32"))
    values = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    for array in range(ARRAYS):
        for slot in range(SLOTS):
            _slot(memory, array, slot)[...] = values[array, slot]
    return memory, values


def _held(memory: HostKv) -> NDArray[np.float32]:
    return np.array(
        [[_slot(memory, array, slot) for slot in range(SLOTS)] for array in range(ARRAYS)]
    )


def test_it_starts_with_zeros() -> None:
    """Stale NaNs behind a row's end would poison attention that multiplies them by zero."""
    assert not _held(HostKv(SHAPE, np.dtype("float32"))).any()


def test_slots_of_an_array_follow_each_other() -> None:
    memory, values = _filled()
    np.testing.assert_array_equal(_held(memory), values)
    slot_bytes = HEADS * LENGTH * DIM * 4
    assert memory.address(2, 2) - memory.address(2, 1) == slot_bytes
    assert memory.address(3, 0) - memory.address(2, 0) == SLOTS * slot_bytes


@pytest.mark.parametrize("num_tokens", [0, 1, 5, LENGTH])
def test_a_copy_takes_the_first_tokens_of_every_head_and_layer(num_tokens: int) -> None:
    memory, values = _filled()
    memory.copy(2, 0, num_tokens)
    values[:, 0, :, :num_tokens] = values[:, 2, :, :num_tokens]
    np.testing.assert_array_equal(_held(memory), values)


@pytest.mark.parametrize("num_tokens", [0, 1, 5, LENGTH])
def test_a_swap_exchanges_the_first_tokens_of_every_head_and_layer(num_tokens: int) -> None:
    memory, values = _filled()
    memory.swap(2, 0, num_tokens)
    values[:, [0, 2], :, :num_tokens] = values[:, [2, 0], :, :num_tokens]
    np.testing.assert_array_equal(_held(memory), values)


def test_swapping_twice_changes_nothing() -> None:
    memory, values = _filled()
    memory.swap(1, 2, LENGTH)
    memory.swap(2, 1, LENGTH)
    np.testing.assert_array_equal(_held(memory), values)


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float16", 2)])
def test_the_processors_memory_is_in_main_memory(dtype: str, size: int) -> None:
    memory = allocate_kv(CPU, SHAPE, dtype)
    assert isinstance(memory, HostKv)
    assert memory.shape == SHAPE
    assert memory.address(0, 1) - memory.address(0, 0) == HEADS * LENGTH * DIM * size
