"""Derived models from a pool: one package in memory, spoken to in several ways."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator

import pytest

from service.dialogue.message import Message
from service.errors import ContextLengthExceeded, PackageCorrupt
from service.model import LoadedModel
from service.options import GenerationOptions
from service.pool import ModelPool
from service.runtime.providers import choose_device
from service.settings import Settings
from service.store.changes import copy_model, create_model, remove_model
from service.store.names import ModelName
from service.store.overrides import Overrides, Parameters, Turn
from service.store.packages import Package, Store
from tests.unit.service.engine.requests import GREEDY

pytestmark = pytest.mark.anyio

BASE = "smollm2:135m"
HI = [Message("user", "Hi")]


@pytest.fixture(scope="module")
def store(smollm2_package: Package, tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("models")
    folder = root / ModelName.parse(BASE).folder
    folder.parent.mkdir(parents=True)
    shutil.copytree(smollm2_package.folder, folder, copy_function=_linked)
    return Store(root)


def _linked(source: str, target: str) -> None:
    """Ninety megabytes need not be copied to be read."""
    os.link(source, target)


@pytest.fixture(scope="module")
async def pool(store: Store) -> AsyncIterator[ModelPool]:
    settings = Settings(models_folder=store.root, slots=2, context_length=256, device="cpu")
    pool = ModelPool(settings, choose_device("cpu"))
    yield pool
    await pool.close()


async def _model(pool: ModelPool, name: str) -> LoadedModel:
    return (await pool.lease(name)).model


def _prompt(model: LoadedModel, messages: list[Message]) -> str:
    return model.decode(model.encode_chat(messages).token_ids)


async def _answer(model: LoadedModel, messages: list[Message]) -> str:
    options = GenerationOptions(max_tokens=8, sampling=GREEDY)
    (generation,) = model.generate([model.encode_chat(messages).token_ids], options)
    return "".join([delta.text async for delta in generation])


async def test_a_copy_answers_as_its_original_from_the_same_memory(
    pool: ModelPool, store: Store
) -> None:
    """`ollama cp llama3.2 gpt-3.5-turbo`, while the service runs."""
    original = await _model(pool, BASE)
    copy_model(store, BASE, "gpt-3.5-turbo")
    copied = await _model(pool, "gpt-3.5-turbo")
    assert copied.engine is original.engine
    assert copied.system_fingerprint == original.system_fingerprint
    assert await _answer(copied, HI) == await _answer(original, HI)


async def test_a_system_prompt_and_messages_are_said_first(pool: ModelPool, store: Store) -> None:
    shots = (Turn("user", "2+2?"), Turn("assistant", "4"))
    create_model(store, "brief", BASE, Overrides(system="Be brief.", messages=shots))
    base, brief = await _model(pool, BASE), await _model(pool, "brief")
    assert brief.engine is base.engine
    said = [Message("system", "Be brief."), Message("user", "2+2?"), Message("assistant", "4")]
    assert _prompt(brief, HI) == _prompt(base, [*said, *HI])
    own = Message("system", "Be long.")
    assert _prompt(brief, [own, *HI]) == _prompt(base, [own, *said[1:], *HI])
    assert brief.system_fingerprint != base.system_fingerprint


async def test_a_template_is_used_in_place_of_the_packages(pool: ModelPool, store: Store) -> None:
    template = "{% for message in messages %}<{{ message.content }}>{% endfor %}"
    create_model(store, "plain", BASE, Overrides(template=template))
    assert _prompt(await _model(pool, "plain"), HI) == "<Hi>"
    assert "<|im_start|>" in _prompt(await _model(pool, BASE), HI)


async def test_an_empty_template_leaves_the_packages(pool: ModelPool, store: Store) -> None:
    create_model(store, "empty", BASE, Overrides(template=""))
    assert _prompt(await _model(pool, "empty"), HI) == _prompt(await _model(pool, BASE), HI)


async def test_a_template_that_is_none_is_refused(pool: ModelPool, store: Store) -> None:
    create_model(store, "broken", BASE, Overrides(template="{% for %}"))
    with pytest.raises(PackageCorrupt, match="does not compile"):
        await _model(pool, "broken")


async def test_parameters_are_the_models_defaults(pool: ModelPool, store: Store) -> None:
    create_model(
        store, "warm", BASE, Overrides(parameters=Parameters(temperature=1.5, stop=("x",)))
    )
    warm, base = await _model(pool, "warm"), await _model(pool, BASE)
    assert (warm.defaults.temperature, warm.defaults.stop) == (1.5, ("x",))
    assert warm.defaults.top_p == base.defaults.top_p == 0.9
    assert base.defaults.temperature == 0.2


@pytest.mark.parametrize("num_ctx", [64, 300])
async def test_a_context_is_exactly_what_was_asked_for(
    pool: ModelPool, store: Store, num_ctx: int
) -> None:
    """Less than the service's own, or more."""
    create_model(store, "mymodel", BASE, Overrides(parameters=Parameters(num_ctx=num_ctx)))
    model = await _model(pool, "mymodel")
    assert model.context_length == num_ctx
    with pytest.raises(ContextLengthExceeded, match=str(num_ctx)):
        model.generate([[5] * num_ctx], GenerationOptions())
    (generation,) = model.generate([[5] * (num_ctx - 1)], GenerationOptions(max_tokens=9))
    assert [delta.finish_reason async for delta in generation][-1] in ("length", "stop")
    assert generation.num_output_tokens == 1
    assert (await _model(pool, BASE)).context_length == 256


async def test_a_model_whose_files_were_removed_goes_on_answering(
    pool: ModelPool, store: Store
) -> None:
    copy_model(store, BASE, "kept")
    model = await _model(pool, BASE)
    before = await _answer(model, HI)
    remove_model(store, BASE)
    try:
        assert await _answer(model, HI) == before
        assert (await _model(pool, "kept")).engine is model.engine
    finally:
        copy_model(store, "kept", BASE)
