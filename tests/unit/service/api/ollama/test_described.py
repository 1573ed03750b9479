from __future__ import annotations

import pytest

from service.api.ollama.described import details_of, rounded, shown
from service.modelfile.modelfile import read_modelfile
from service.store.deriving import derived
from service.store.overrides import Overrides, Parameters
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


def test_parameters_are_told_in_lines_that_clients_read(smollm2_package: Package) -> None:
    said = Overrides(parameters=Parameters(stop=("<|im_end|>", "\n\n")))
    told = shown(derived(smollm2_package, said))
    stops = [line for line in told.parameters.splitlines() if line.startswith("stop")]
    assert stops == [f'{"stop":<30} "<|im_end|>"', f'{"stop":<30} "\\n\\n"']
    assert read_modelfile(told.modelfile).overrides.parameters.stop == said.parameters.stop


def test_a_text_that_no_modelfile_holds_is_missed_by_name(smollm2_package: Package) -> None:
    said = Overrides(system='a\n"""\nb', parameters=Parameters(top_k=3))
    told = shown(derived(smollm2_package, said))
    assert told.system == said.system
    assert "# SYSTEM cannot be put in a Modelfile" in told.modelfile
    read = read_modelfile(told.modelfile).overrides
    assert (read.system, read.parameters.top_k, read.template) == (None, 3, told.template)
