from __future__ import annotations

import pytest

from service.api.ollama.described import details_of, rounded
from service.store.packages import Package


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (999, "999"),
        (22_000, "22K"),
        (134_515_008, "134.52M"),
        (7_000_000, "7M"),
        (3_212_749_888, "3.2B"),
        (70_000_000_000, "70B"),
    ],
)
def test_counts_are_written_as_ollama_writes_them(count: int, shown: str) -> None:
    assert rounded(count) == shown


def test_a_package_tells_how_large_its_model_is(smollm2_package: Package) -> None:
    assert details_of(smollm2_package).parameter_size == "134.48M"
