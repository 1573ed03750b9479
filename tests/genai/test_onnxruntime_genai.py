"""onnxruntime-genai loads our packages, and we serve its models: the same tokens both ways."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import pytest
from tokenizers import Tokenizer

from export.genai.config import read_genai_config
from export.verify_run import run_greedily
from service.store.packages import Package, Store
from tests.e2e.export_command import export
from tests.unit.export.genai.tiny import TINY, expected
from tests.unit.export.golden_llama import BIASED, TIED

pytest.importorskip("onnxruntime_genai")

PROGRAM = Path(__file__).with_name("generate.py")
TEXTS = (
    "A retort is a glass vessel with a long neck.",
    "Ein Fluß, 1234567 Wörter -- 'tis I'll   indent\n\n\tdef f(x): return x**2",
    "東京は日本の首都です。 Привет, мир! नमस्ते 😀",
)


class Generated(TypedDict):
    token_ids: list[list[int]]
    output: list[list[int]]


def _genai(
    folder: Path, prompts: list[list[int]], max_length: int, texts: tuple[str, ...] = ()
) -> Generated:
    job = {"model": str(folder), "texts": texts, "prompts": prompts, "max_length": max_length}
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: Generated = json.loads(done.stdout)
    return result


def test_the_default_model_reads_and_says_the_same(smollm2_package: Package) -> None:
    folder = smollm2_package.folder
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = [tokenizer.encode(text).ids for text in TEXTS]
    theirs = _genai(folder, ids, 64, TEXTS)
    assert theirs["token_ids"] == ids
    for prompt, output in zip(ids, theirs["output"], strict=True):
        ours, _ = run_greedily(folder / "model.onnx", prompt, len(output))
        assert output == ours[len(prompt) :]


@pytest.mark.parametrize("source", [TIED, BIASED])
@pytest.mark.parametrize("precision", ["int4", "int8", "fp32"])
def test_tiny_packages_of_every_precision(tmp_path: Path, source: Path, precision: str) -> None:
    assert export(tmp_path, source, "--precision", precision).returncode == 0
    folder = Store(tmp_path).decoder(source.name).folder
    prompts = [each.prompt for each in expected()]
    theirs = _genai(folder, prompts, 48)
    for prompt, output in zip(prompts, theirs["output"], strict=True):
        ours, _ = run_greedily(folder / "model.onnx", prompt, len(output))
        assert output == ours[len(prompt) :]


def test_an_imported_model_is_still_one_for_onnxruntime_genai(tmp_path: Path) -> None:
    """And the tokens kept for tests without it are those of this version."""
    assert export(tmp_path, TINY).returncode == 0
    folder = Store(tmp_path).decoder("tiny_genai").folder
    assert read_genai_config(folder) == read_genai_config(TINY)
    theirs = _genai(folder, [each.prompt for each in expected()], 48)
    assert theirs["output"] == [each.output for each in expected()]
