"""The memory of a device, on the one device that is everywhere: the same code, ORT's own copies."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engine.kv_cache import Copy, Swap
from service.engine.request import Request
from service.engine.runner import Runner
from service.runtime.device_kv import DeviceKv
from service.runtime.kv_memory import allocate_kv
from service.runtime.providers import CPU
from service.runtime.sessions import physical_cores, share_threads
from service.store.packages import Package

DEVICE = replace(CPU, host_memory=False)
SHAPE = (4, 3, 2, 8, 4)
ARRAYS, SLOTS, HEADS, LENGTH, DIM = SHAPE


@pytest.fixture(autouse=True)
def _threads() -> None:
    share_threads(physical_cores())


def _slot(memory: DeviceKv, array: int, slot: int) -> NDArray[np.uint16]:
    pointer = ctypes.cast(memory.address(array, slot), ctypes.POINTER(ctypes.c_uint16))
    return np.ctypeslib.as_array(pointer, (HEADS, LENGTH, DIM))


def _filled() -> tuple[DeviceKv, NDArray[np.uint16]]:
    memory = allocate_kv(DEVICE, SHAPE, "float16")
    assert isinstance(memory, DeviceKv)
    values = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
    for array in range(ARRAYS):
        for slot in range(SLOTS):
            assert not _slot(memory, array, slot).any()
            _slot(memory, array, slot)[...] = values[array, slot]
    return memory, values


def _held(memory: DeviceKv) -> NDArray[np.uint16]:
    return np.array(
        [[_slot(memory, array, slot) for slot in range(SLOTS)] for array in range(ARRAYS)]
    )


def test_a_copy_leaves_the_source_and_all_other_slots_alone() -> None:
    memory, values = _filled()
    memory.copy(2, 0, LENGTH)
    values[:, 0] = values[:, 2]
    np.testing.assert_array_equal(_held(memory), values)


def test_a_swap_exchanges_two_slots_in_all_arrays() -> None:
    memory, values = _filled()
    memory.swap(2, 0, LENGTH)
    values[:, [0, 2]] = values[:, [2, 0]]
    np.testing.assert_array_equal(_held(memory), values)


def _runner(package: Package, *, on_device: bool) -> Runner:
    provider = DEVICE if on_device else CPU
    return Runner(package.folder, package.manifest, provider, num_slots=3, slot_length=64)


def test_a_model_computes_the_same_in_either_memory(smollm2_package: Package) -> None:
    rows = []
    for on_device in (False, True):
        runner = _runner(smollm2_package, on_device=on_device)
        prompt = list(range(100, 140))
        runner.prefill(0, 0, prompt[:-1])
        runner.move(Copy(0, 1, 39))
        runner.move(Swap(1, 2, 39))
        request = Request(0, prompt, 8, frozenset(), num_computed_tokens=39, slot=2)
        rows.append(runner.decode([request]).copy())
    np.testing.assert_array_equal(rows[0], rows[1])
