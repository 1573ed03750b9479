"""Our encoder by itself: tokenizing, batching, the graph and pooling, nothing around them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from service.encoder.model import LoadedEncoder
from service.runtime.providers import CPU
from service.runtime.sessions import share_threads
from service.settings import Settings
from service.store.packages import EncoderPackage


class RetortEncoder:
    """One request after another, each waited for, as sentence-transformers is called."""

    def __init__(self, package: EncoderPackage, threads: int) -> None:
        share_threads(threads)
        self._runner = asyncio.Runner()
        self._model = LoadedEncoder(package, CPU, Settings(), self._runner.get_loop())

    def rate(self, texts: Sequence[str], batch_size: int) -> float:
        """Texts per second, `batch_size` of them in each request."""
        batches = [texts[i : i + batch_size] for i in range(0, len(texts), batch_size)]
        started = time.perf_counter()
        self._runner.run(self._embed(batches))
        return len(texts) / (time.perf_counter() - started)

    async def _embed(self, batches: Sequence[Sequence[str]]) -> None:
        for batch in batches:
            await self._model.embed(batch)
