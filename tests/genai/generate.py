"""A program around onnxruntime-genai: reads a job as JSON, writes what it generates as JSON.

    {"model": folder, "texts": [text], "prompts": [[token id]], "max_length": tokens in all}

It is a process of its own, since the tests load ONNX Runtime in theirs.
"""

from __future__ import annotations

import json
import sys

import onnxruntime_genai


def generate(model: onnxruntime_genai.Model, prompt: list[int], max_length: int) -> list[int]:
    params = onnxruntime_genai.GeneratorParams(model)
    params.set_search_options(max_length=max_length, do_sample=False)
    generator = onnxruntime_genai.Generator(model, params)
    generator.append_tokens(prompt)
    while not generator.is_done():
        generator.generate_next_token()
    return [int(token_id) for token_id in generator.get_sequence(0)][len(prompt) :]


def main() -> None:
    job = json.load(sys.stdin)
    model = onnxruntime_genai.Model(job["model"])
    tokenizer = onnxruntime_genai.Tokenizer(model)
    result = {
        "token_ids": [[int(i) for i in tokenizer.encode(text)] for text in job["texts"]],
        "output": [generate(model, prompt, job["max_length"]) for prompt in job["prompts"]],
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
