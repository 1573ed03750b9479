"""sentence-transformers on torch, in float32."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path


class SentenceTransformersEncoder:
    """`encode` on one request after another."""

    def __init__(self, source: Path, threads: int) -> None:
        # Here since the near end of the child, which has no use for them, imports this module too.
        import torch  # noqa: PLC0415
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415

        torch.set_num_threads(threads)
        self._model = SentenceTransformer(str(source), device="cpu", local_files_only=True)

    def rate(self, texts: Sequence[str], batch_size: int) -> float:
        """Texts per second, `batch_size` of them in each call."""
        batches = [list(texts[i : i + batch_size]) for i in range(0, len(texts), batch_size)]
        started = time.perf_counter()
        for batch in batches:
            self._model.encode(batch, batch_size=batch_size, show_progress_bar=False)
        return len(texts) / (time.perf_counter() - started)
