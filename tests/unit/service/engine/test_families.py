"""The engine with decoders whose layers see windows, are capped or send tokens to experts.

Slots keep whole sequences whatever a layer sees of them, so chunks of prompts, rows decoded
together and reused beginnings have to give what the model gives of each sequence alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from export.decoder.families import read_spec
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from service.engine.engine import Engine
from service.engine.request import Request
from service.engine.runner import Runner
from service.runtime.providers import CPU
from service.runtime.sessions import physical_cores, share_threads
from service.store.manifest import Architecture, FileRecord, Graphs, Manifest, Source, Tokens
from tests.tiny_decoders import CONFIGS
from tests.unit.export.decoder.tiny import build, random_checkpoint
from tests.unit.service.engine.requests import make_request

NUM_TOKENS = 8
PROMPTS = [
    [int(token) for token in np.random.default_rng(seed).integers(0, 80, length)]
    for seed, length in ((1, 40), (2, 9), (3, 23))
]


@pytest.fixture(params=["mistral", "gemma2", "gemma3", "phi4-mini", "mixtral"])
def spec(request: pytest.FixtureRequest) -> DecoderSpec:
    return read_spec(CONFIGS[request.param])


def _engine(folder: Path, spec: DecoderSpec) -> Engine:
    share_threads(physical_cores())
    path = build(folder, spec, random_checkpoint(spec))
    manifest = Manifest(
        name="tiny",
        created=0,
        source=Source(kind="test", location="nowhere"),
        precision="fp32",
        context_length=spec.context_length,
        architecture=Architecture(
            family=spec.family,
            num_layers=spec.num_layers,
            num_kv_heads=spec.attention.num_kv_heads,
            head_dim=spec.attention.head_dim,
            vocab_size=spec.vocab_size,
        ),
        tokens=Tokens(),
        graphs=Graphs(decoder=path.name),
        capabilities=("completion",),
        files={path.name: FileRecord(size=1, sha256="0" * 64)},
    )
    return Engine(Runner(folder, manifest, CPU, num_slots=3, slot_length=64))


def _run(engine: Engine, *prompts: Sequence[int]) -> list[Request]:
    requests = [make_request(prompt, max_tokens=NUM_TOKENS) for prompt in prompts]
    for request in requests:
        engine.add(request)
    while engine.has_work:
        engine.step()
    return requests


def _is_greedy(spec: DecoderSpec, request: Request) -> bool:
    """Whether each token is the likeliest behind those before it, or as good as that."""
    tokens = [*request.prompt_token_ids, *request.output_token_ids]
    start = len(request.prompt_token_ids) - 1
    logits = Reference(spec, random_checkpoint(spec)).logits(tokens[:-1])[start:]
    chosen = logits[np.arange(len(logits)), request.output_token_ids]
    return bool((logits.max(-1) - chosen < 1e-3).all())


def test_rows_together_and_reused_beginnings_give_what_the_model_does(
    tmp_path: Path, spec: DecoderSpec
) -> None:
    engine = _engine(tmp_path, spec)
    together = _run(engine, *PROMPTS)
    behind = _run(engine, [*PROMPTS[0][:30], *PROMPTS[1]])
    engine.close()
    assert behind[0].num_cached_tokens >= 29
    for request in together + behind:
        assert len(request.output_token_ids) == NUM_TOKENS
        assert _is_greedy(spec, request)
