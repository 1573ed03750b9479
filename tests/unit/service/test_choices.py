"""Several answers to one prompt, from the real model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from service.engine.request import SamplingParams
from service.engine.runner import Runner
from service.generation import Generation
from service.model import LoadedModel
from service.options import GenerationOptions
from service.runtime.providers import CPU
from service.runtime.sessions import physical_cores, share_threads
from service.settings import Settings
from service.store.packages import Package

pytestmark = pytest.mark.anyio

NUM_CHOICES = 4


@pytest.fixture(scope="module", params=[2, 4], ids=lambda slots: f"{slots} slots")
async def model(
    smollm2_package: Package, request: pytest.FixtureRequest
) -> AsyncIterator[LoadedModel]:
    """With a slot for each choice, and with fewer, so that choices take turns."""
    share_threads(physical_cores())
    settings = Settings(slots=request.param, context_length=256)
    loop = asyncio.get_running_loop()
    model = await asyncio.to_thread(LoadedModel, smollm2_package, CPU, settings, loop)
    yield model
    await model.engine.close()


@pytest.fixture
def prefilled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gathers the tokens that are computed as parts of prompts."""
    token_ids: list[int] = []
    prefill = Runner.prefill

    def noting(self: Runner, slot: int, start: int, chunk: Sequence[int]) -> None:
        token_ids.extend(chunk)
        prefill(self, slot, start, chunk)

    monkeypatch.setattr(Runner, "prefill", noting)
    return token_ids


async def answers(model: LoadedModel, prompt: list[int], seed: int | None) -> list[str]:
    options = GenerationOptions(
        max_tokens=8,
        num_choices=NUM_CHOICES,
        sampling=SamplingParams(temperature=1.5, seed=seed),
        continues_text=True,
    )
    return await asyncio.gather(*map(_text, model.generate([prompt], options)))


async def _text(generation: Generation) -> str:
    return "".join([delta.text async for delta in generation])


@pytest.mark.parametrize("seed", [None, 7])
async def test_a_prompt_is_computed_once_whatever_the_choices(
    model: LoadedModel, prefilled: list[int], seed: int | None
) -> None:
    prompt = model.encode_text(f"Seed {seed}: once upon a time there was a fox who")
    texts = await answers(model, prompt, seed)
    assert prefilled == prompt[:-1]
    assert len({*texts}) == NUM_CHOICES


async def test_a_seed_gives_the_same_choices_in_the_same_order(model: LoadedModel) -> None:
    prompt = model.encode_text("The fox said")
    first = await answers(model, prompt, 3)
    await answers(model, model.encode_text("Something else takes all slots"), None)
    assert await answers(model, prompt, 3) == first
    assert await answers(model, prompt, 4) != first
