"""Loads and unloads a model again and again, and prints what is resident after each, in bytes.

python -m tests.unit.service.pool.cycles STORE NAME CYCLES
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from service.constraints.spec import OutputKind, OutputSpec
from service.engine.request import SamplingParams
from service.options import GenerationOptions, OutputForm
from service.pool import ModelPool
from service.runtime.providers import CPU, Device
from service.settings import Settings

PROMPT = [*range(100, 400)]


async def main(store: str, name: str, num_cycles: int) -> None:
    settings = Settings(models_folder=Path(store), device="cpu", slots=2, context_length=1024)
    pool = ModelPool(settings, Device(CPU, "asked for"))
    for _ in range(num_cycles):
        with await pool.lease(name) as model:
            spec = OutputSpec(OutputKind.REGEX, "[a-z ]{5,40}", param="regex")
            options = GenerationOptions(
                max_tokens=8,
                sampling=SamplingParams(temperature=0),
                form=OutputForm(await model.compile(spec)),
            )
            (generation,) = model.generate([PROMPT], options)
            async for _delta in generation:
                pass
        await pool.unload(name)
        print(_resident_bytes(), flush=True)  # noqa: T201
    await pool.close()


def _resident_bytes() -> int:
    """Linux alone tells it without help."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
