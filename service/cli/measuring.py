"""The rates of one model in this process, without HTTP."""

from __future__ import annotations

import dataclasses
from random import Random
from statistics import median
from time import perf_counter

from service.cli.rates import Rates, Work
from service.model import LoadedModel
from service.options import GenerationOptions
from service.pool import ModelPool
from service.runtime.providers import choose_device
from service.settings import Settings

_SEED = 7


async def measured(settings: Settings, work: Work) -> Rates:
    """Loads the model alone. Raises StartupError, and as the pool and the engine do."""
    length = work.prompt_tokens + work.output_tokens
    device = choose_device(settings.device)
    pool = ModelPool(dataclasses.replace(settings, context_length=length, slots=1), device)
    begun_s = perf_counter()
    try:
        lease = await pool.lease(work.model)
        load_s = perf_counter() - begun_s
        draw = Random(_SEED)
        rounds = [await _round(lease.model, work, draw) for _ in range(work.rounds + 1)]
    finally:
        await pool.close()
    # The first round warms up what the others find ready.
    prefills_s, decodes_s = zip(*rounds[1:], strict=True)
    return Rates(
        model=work.model,
        device=device.provider.device,
        load_s=load_s,
        prompt_tokens=work.prompt_tokens,
        prefill_tokens_per_s=work.prompt_tokens / median(prefills_s),
        output_tokens=work.output_tokens,
        decode_tokens_per_s=(work.output_tokens - 1) / median(decodes_s),
        rounds=work.rounds,
    )


async def _round(model: LoadedModel, work: Work, draw: Random) -> tuple[float, float]:
    """Seconds for a prompt and a token, and for all further tokens."""
    options = GenerationOptions(max_tokens=work.output_tokens, ignore_eos=True, continues_text=True)
    (generation,) = model.generate([_prompt(model, work, draw)], options)
    async for _ in generation:
        pass
    return generation.prefill_s, generation.decode_s


def _prompt(model: LoadedModel, work: Work, draw: Random) -> list[int]:
    """No two begin alike, so that none is found in the cache."""
    vocab_size = model.manifest.architecture.vocab_size
    return [draw.randrange(vocab_size) for _ in range(work.prompt_tokens)]
