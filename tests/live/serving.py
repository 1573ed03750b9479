"""The service's answers, from a process of its own: it shares ONNX Runtime's threads, and an
export in the same process would not be let to open a session any more."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.encoder.model import LoadedEncoder
from service.pool import ModelPool
from service.runtime.providers import CPU, Device
from service.settings import Settings

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Service:
    """Answers as the service would, from packages that it loads anew each time."""

    process: ProcessPoolExecutor

    def embed(self, models: Path, name: str, texts: list[str]) -> Floats:
        """All texts in one request: `[N, D]`."""
        return self.process.submit(partial(_embed, models, name, [texts])).result(60)[0]

    def embed_each(self, models: Path, name: str, texts: list[str]) -> list[Floats]:
        """Each text in a request of its own, one after the other: `[D]` each."""
        requests = [[text] for text in texts]
        vectors = self.process.submit(partial(_embed, models, name, requests)).result(60)
        return [each[0] for each in vectors]

    def rank(self, models: Path, name: str, query: str, documents: list[str]) -> Floats:
        return self.process.submit(_rank, models, name, query, documents).result(60)


@contextmanager
def service() -> Iterator[Service]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        yield Service(process)


def _embed(models: Path, name: str, requests: list[list[str]]) -> list[Floats]:
    async def answered() -> list[Floats]:
        pool = _pool(models)
        try:
            model: LoadedEncoder = (await pool.lease_encoder(name)).model
            return [(await model.embed(texts)).values for texts in requests]
        finally:
            await pool.close()

    return asyncio.run(answered())


def _rank(models: Path, name: str, query: str, documents: list[str]) -> Floats:
    async def answered() -> Floats:
        pool = _pool(models)
        try:
            return (await (await pool.lease_encoder(name)).model.rank(query, documents)).values
        finally:
            await pool.close()

    return asyncio.run(answered())


def _pool(models: Path) -> ModelPool:
    return ModelPool(Settings(models_folder=models, device="cpu"), Device(CPU, "asked for"))
