"""Writes the packages in `tiny_encoders`, and what transformers makes of the same weights.

    python -m tests.golden.make_tiny_encoders

needs the `export` extra, which the tests do not: they serve these packages and compare with the
vectors and scores written here. `tiny-embedder` pools by mean, normalises, declares Matryoshka and
has a prompt; `tiny-ranker` is a cross-encoder that knows token types.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, BertConfig

from export.pipeline import run
from export.progress import Progress
from export.recipe import Job
from tests.tiny_encoders import (
    SHAPE,
    random_model,
    write_bert_tokenizer,
    write_sentence_transformers,
)

STORE = Path(__file__).parent / "tiny_encoders"
PROMPT = "query: "

TEXTS = [
    "a",
    "What is glass?",
    "The history of glass begins with sand and fire.",
    "water",
    "a glass of water, and the rest",
    "query: what is the use of it",
]
PAIRS = [("what is glass?", text) for text in TEXTS]


def main() -> None:
    expected: dict[str, object] = {"texts": TEXTS, "pairs": PAIRS, "prompt": PROMPT}
    with tempfile.TemporaryDirectory() as temporary:
        embedder = _source(Path(temporary) / "embedder")
        config = BertConfig(**SHAPE, max_position_embeddings=64)
        config.is_matryoshka, config.matryoshka_dimensions = True, [4, 8]
        model = random_model(config, embedder)
        write_sentence_transformers(
            embedder, max_seq_length=48, prompts={"query": PROMPT, "document": ""}
        )
        expected["vectors"] = _vectors(model, embedder, TEXTS)
        expected["prompted"] = _vectors(model, embedder, [PROMPT + text for text in TEXTS])
        _export(embedder, "tiny-embedder")
        ranker = _source(Path(temporary) / "ranker")
        config = BertConfig(**SHAPE, max_position_embeddings=64, num_labels=1)
        model = random_model(config, ranker, seed=1, width=1.0)
        expected["scores"] = _scores(model, ranker)
        _export(ranker, "tiny-ranker")
    (STORE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def _source(folder: Path) -> Path:
    folder.mkdir()
    write_bert_tokenizer(folder)
    return folder


def _export(folder: Path, name: str) -> None:
    shutil.rmtree(STORE / name, ignore_errors=True)
    run(Job(str(folder), STORE, name=name), Progress.on(sys.stderr))
    shutil.rmtree(STORE / ".staging")


def _vectors(model: Any, folder: Path, texts: list[str]) -> list[list[float]]:  # noqa: ANN401
    """One text at a time, pooled as sentence-transformers pools by mean."""
    vectors = []
    for text in texts:
        hidden = model(**_inputs(folder, text)).last_hidden_state[0]
        vectors.append(torch.nn.functional.normalize(hidden.mean(0), dim=0).tolist())
    return vectors


def _scores(model: Any, folder: Path) -> list[float]:  # noqa: ANN401
    logits = [model(**_inputs(folder, *pair)).logits.item() for pair in PAIRS]
    return [float(score) for score in 1 / (1 + np.exp(-np.array(logits)))]


def _inputs(folder: Path, *texts: str) -> Any:  # noqa: ANN401

    return AutoTokenizer.from_pretrained(folder)(*texts, return_tensors="pt")


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
