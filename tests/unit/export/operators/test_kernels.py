"""The table of kernels against what the installed runtime says of itself."""

from __future__ import annotations

import onnx
import onnxruntime as ort
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as state

from export.decoder.builder import OPSET
from export.operators.kernels import Kernels, ProviderName, Row, signature
from export.operators.value_types import NAMES

KERNELS = Kernels.load()
TYPES = {"float": "f32", "float16": "f16", "bfloat16": "bf16", "bool": "bool"} | {
    f"{sign}int{bits}": f"{sign[:1] or 'i'}{bits}" for sign in ("", "u") for bits in (8, 32, 64)
}


def _kernels_of(name: str, version: int, provider: str) -> list[dict[str, set[str]]]:
    """The runtime's own kernels: by ONNX Runtime's rule an open range serves its first version."""
    domain, _, op = name.rpartition(".")
    found = []
    for kernel in state.get_all_opkernel_def():
        first, last = kernel.version_range
        is_open = last == 2**31 - 1
        serves = first == version or (first < version <= last and not is_open)
        is_it = (kernel.domain or "ai.onnx", kernel.op_name, kernel.provider) == (
            *(domain, op),
            provider,
        )
        if is_it and serves:
            constraints = kernel.type_constraints.items()
            found.append({letter: _types(names) for letter, names in constraints})
    return found


def _listed() -> list[tuple[ProviderName, str]]:
    """The providers whose kernels the installed runtime lists; one built for CUDA lists its too."""
    listed = {kernel.provider for kernel in state.get_all_opkernel_def()}
    names: list[tuple[ProviderName, str]] = [
        ("cpu", "CPUExecutionProvider"),
        ("cuda", "CUDAExecutionProvider"),
    ]
    return [each for each in names if each[1] in listed]


def _types(names: list[str]) -> set[str]:
    return {TYPES[name[7:-1]] for name in names if name[7:-1] in TYPES} & set(NAMES.values())


@pytest.mark.parametrize("name", sorted(KERNELS.operators))
@pytest.mark.parametrize(("device", "provider"), _listed())
def test_the_rows_are_the_installed_runtimes_own(
    name: str, device: ProviderName, provider: str
) -> None:
    """No row is wrong; and with the very version that the table is of, none is missing."""
    if _numbers(ort.__version__) < _numbers(KERNELS.onnxruntime):
        pytest.skip("this runtime is older than the table")
    operator = KERNELS.operators[name]
    actual = _kernels_of(name, operator.version, provider)
    for row in operator.rows(device):
        for combination in _combinations(row):
            assert any(_takes(kernel, combination) for kernel in actual), combination
    rows = [
        {letter: set(types.split()) for letter, types in row.items()}
        for row in operator.rows(device)
    ]
    if ort.__version__ != KERNELS.onnxruntime:
        return  # which may well have more
    for kernel in actual:
        if all(kernel.values()):  # else it is for types that the table does not mention
            assert any(_within(kernel, row) for row in rows), kernel


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:3]))


def _combinations(row: Row) -> list[dict[str, str]]:
    combinations: list[dict[str, str]] = [{}]
    for letter, types in row.items():
        combinations = [{**known, letter: name} for known in combinations for name in types.split()]
    return combinations


def _takes(kernel: dict[str, set[str]], combination: dict[str, str]) -> bool:
    return all(
        letter not in kernel or name in kernel[letter] for letter, name in combination.items()
    )


def _within(kernel: dict[str, set[str]], row: dict[str, set[str]]) -> bool:
    return all(types <= row.get(letter, types) for letter, types in kernel.items())


@pytest.mark.parametrize("name", sorted(KERNELS.operators))
def test_versions_are_those_of_the_opset_that_graphs_are_written_in(name: str) -> None:
    domain, _, op = name.rpartition(".")
    if domain == "ai.onnx" and onnx.defs.has(op, ""):
        assert KERNELS.operators[name].version == onnx.defs.get_schema(op, OPSET, "").since_version


@pytest.mark.parametrize("name", sorted(KERNELS.operators))
def test_all_words_are_types_or_letters_of_the_signature(name: str) -> None:
    operator = KERNELS.operators[name]
    letters = {word.removesuffix("...") for word in f"{operator.inputs} {operator.outputs}".split()}
    for row in (*operator.cpu, *operator.cuda, *operator.directml):
        assert all(set(types.split()) <= set(NAMES.values()) for types in row.values())
    for row in (*operator.cuda, *operator.directml):
        assert set(row) <= letters


def test_limits_are_of_operators_in_the_table() -> None:
    assert {limit.operator for limit in KERNELS.limits} <= set(KERNELS.operators)


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [("T I", 1, ["T"]), ("T I", 3, ["T", "I"]), ("T...", 3, ["T", "T", "T"]), ("", 2, [])],
)
def test_signatures_are_cut_to_what_there_is(text: str, count: int, expected: list[str]) -> None:
    assert signature(text, count) == expected
