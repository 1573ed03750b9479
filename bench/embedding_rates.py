"""all-MiniLM-L6-v2 in float32: our encoder beside sentence-transformers, and through HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import islice

from bench.child import Child, child
from bench.embedding_load import EmbeddingPlan, measure_embedding_load
from bench.pausing import Paused, paused
from bench.prompts import ENGLISH, sentences
from bench.report import Measurement, Reach, Rival
from bench.retort_encoder import RetortEncoder
from bench.rivals.sentence_transformers import SentenceTransformersEncoder
from bench.service_process import Service, running_service
from bench.setup import CLIENTS, Setup, SetupError, Variant

VARIANTS = (Variant.EMBEDDER,)

RIVAL = "sentence-transformers fp32"
OURSELVES = "ours, in process"

_TEXTS = {1: 96, 32: 512}
"""Texts per round, by how many go into a request: some seconds of work."""

_REACH = {1: 2.5, 32: 2.0}
_HTTP_REACH = 0.8


@dataclass(frozen=True, slots=True)
class _Contestants:
    """All three warm, and paused but while they are asked."""

    ours: Child[RetortEncoder]
    theirs: Child[SentenceTransformersEncoder]
    service: Service
    awake: Paused
    model: str

    def round(self, texts: Sequence[str], batch_size: int) -> tuple[float, float, float]:
        """Texts per second on the same texts: ours, theirs, ours over HTTP."""
        ours = self.ours.call(RetortEncoder.rate, texts, batch_size)
        theirs = self.theirs.call(SentenceTransformersEncoder.rate, texts, batch_size)
        requests = [list(texts[i : i + batch_size]) for i in range(0, len(texts), batch_size)]
        with self.awake.awake():
            plan = EmbeddingPlan(self.service.url, self.model, requests, CLIENTS)
            return ours, theirs, measure_embedding_load(plan).rate


def measure(setup: Setup) -> list[Measurement]:
    """All rates once per round, on the same texts, after a round that is not counted."""
    if find_spec("sentence_transformers") is None:
        raise SetupError("sentence-transformers is missing: pip install 'retort[bench-embeddings]'")
    texts = sentences(ENGLISH.read_text("utf-8"))
    measured = []
    with ExitStack() as stack:
        contestants = _start(setup, stack)
        for batch_size, num_texts in _TEXTS.items():
            rounds = [
                contestants.round(list(islice(texts, num_texts)), batch_size)
                for _ in range(setup.rounds + 1)
            ]
            measured += _measurements(batch_size, rounds[1:])
    return measured


def _start(setup: Setup, stack: ExitStack) -> _Contestants:
    package = setup.encoder(Variant.EMBEDDER)
    service = stack.enter_context(running_service(setup.models, setup.threads))
    model = str(package.name)
    # The first request loads the model.
    measure_embedding_load(EmbeddingPlan(service.url, model, [["warm"]], 1))
    weights = setup.weights(Variant.EMBEDDER)
    return _Contestants(
        awake=stack.enter_context(paused(service.pid)),
        ours=stack.enter_context(child(partial(RetortEncoder, package, setup.threads))),
        theirs=stack.enter_context(
            child(partial(SentenceTransformersEncoder, weights, setup.threads))
        ),
        service=service,
        model=model,
    )


def _measurements(
    batch_size: int, rounds: Sequence[tuple[float, float, float]]
) -> list[Measurement]:
    ours, theirs, http = zip(*rounds, strict=True)
    what = "1 text" if batch_size == 1 else f"{batch_size} texts"
    return [
        Measurement(
            f"embedding, {what} per request",
            "texts/s",
            ours,
            Rival(RIVAL, theirs),
            Reach("ratio_at_least", _REACH[batch_size]),
        ),
        Measurement(
            f"embedding over HTTP, {CLIENTS} clients, {what} per request",
            "texts/s",
            http,
            Rival(OURSELVES, ours),
            Reach("ratio_at_least", _HTTP_REACH),
        ),
    ]
