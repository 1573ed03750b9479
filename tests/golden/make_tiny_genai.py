"""Writes `tiny_genai`, the llama `tiny_llama_a` as onnxruntime-genai's own builder exports it.

    python tests/golden/make_tiny_genai.py

needs onnxruntime-genai, torch, transformers and onnx-ir, which the tests do not: they compare with
the tokens that onnxruntime-genai generates here and `expected.json` keeps.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import onnxruntime_genai

HERE = Path(__file__).parent
SOURCE, TARGET = HERE / "tiny_llama_a", HERE / "tiny_genai"
PROMPTS = ("hello", "a retort is", "x")
MAX_LENGTH = 48


def build() -> None:
    """int4 weights for the CPU, embedded tokens in blocks, the head tied to them."""
    shutil.rmtree(TARGET, ignore_errors=True)
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "onnxruntime_genai.models.builder"]
        command += ["-i", str(SOURCE), "-o", str(TARGET), "-p", "int4", "-e", "cpu", "-c", cache]
        subprocess.run(command, check=True)


def generate(model: onnxruntime_genai.Model, token_ids: list[int]) -> list[int]:
    """What follows greedily, up to MAX_LENGTH tokens in all."""
    params = onnxruntime_genai.GeneratorParams(model)
    params.set_search_options(max_length=MAX_LENGTH, do_sample=False)
    generator = onnxruntime_genai.Generator(model, params)
    generator.append_tokens(token_ids)
    while not generator.is_done():
        generator.generate_next_token()
    return [int(token_id) for token_id in generator.get_sequence(0)][len(token_ids) :]


def main() -> None:
    build()
    model = onnxruntime_genai.Model(str(TARGET))
    tokenizer = onnxruntime_genai.Tokenizer(model)
    prompts = [[int(token_id) for token_id in tokenizer.encode(text)] for text in PROMPTS]
    generated = [{"prompt": ids, "output": generate(model, ids)} for ids in prompts]
    document = {"onnxruntime_genai": onnxruntime_genai.__version__, "greedy": generated}
    (TARGET / "expected.json").write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
