from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import service.pool.loading
from service.errors import ModelNotFound, PackageCorrupt, ShuttingDown
from service.model import LoadedModel
from service.options import GenerationOptions
from service.runtime.providers import Provider
from service.settings import Settings
from service.store.packages import Package
from tests.unit.service.engine.requests import GREEDY
from tests.unit.service.pool.stores import NAME, opened, pool_of

pytestmark = pytest.mark.anyio

FOUR_TOKENS = GenerationOptions(max_tokens=4, sampling=GREEDY)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models that were loaded from now on, each time they were."""
    names: list[str] = []

    class Counted(LoadedModel):
        def __init__(
            self,
            package: Package,
            provider: Provider,
            settings: Settings,
            loop: asyncio.AbstractEventLoop,
        ) -> None:
            names.append(str(package.name))
            super().__init__(package, provider, settings, loop)

    monkeypatch.setattr(service.pool.loading, "LoadedModel", Counted)
    return names


async def test_first_requests_at_once_load_once(
    damageable_package: Package, tmp_path: Path, loads: list[str]
) -> None:
    async with opened(tmp_path) as pool:
        assert pool.health().models == ()
        leases = await asyncio.gather(*(pool.lease(NAME) for _ in range(5)))
        assert (await pool.lease(NAME)).model is leases[0].model
        assert len({id(lease.model) for lease in leases}) == 1
        assert loads == [NAME]
        (health,) = pool.health().models
        assert (health.name, health.context_length) == (NAME, 128)


async def test_other_spellings_are_the_same_model(
    damageable_package: Package, tmp_path: Path, loads: list[str]
) -> None:
    async with opened(tmp_path) as pool:
        assert (await pool.lease("SmolLM2:135M")).model is (await pool.lease(NAME)).model
    assert loads == [NAME]


async def test_a_request_that_goes_away_does_not_take_the_load_along(
    damageable_package: Package, tmp_path: Path, loads: list[str]
) -> None:
    async with opened(tmp_path) as pool:
        gone = asyncio.create_task(pool.lease(NAME))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        await pool.lease(NAME)
    assert loads == [NAME]


@pytest.mark.parametrize("name", ["", "nothing", "smollm2:1b", "../smollm2", "a" * 5000])
async def test_what_is_not_there_is_not_found(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path) as pool:
        assert pool.installed() == []
        with pytest.raises(ModelNotFound):
            await pool.lease(name)


async def test_a_repaired_package_loads(damageable_package: Package, tmp_path: Path) -> None:
    path = damageable_package.folder / "chat_template.jinja"
    content = path.read_bytes()
    path.write_bytes(content[::-1])
    async with opened(tmp_path) as pool:
        asked = [pool.lease(NAME) for _ in range(3)]
        failures = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(failure, PackageCorrupt) for failure in failures)
        assert "chat_template.jinja" in str(failures[0])
        path.write_bytes(content)
        assert (await pool.lease(NAME)).model.manifest.name == NAME


async def test_a_failure_nobody_waited_for_does_not_meet_the_next(
    damageable_package: Package, tmp_path: Path
) -> None:
    path = damageable_package.folder / "chat_template.jinja"
    content = path.read_bytes()
    path.write_bytes(content[::-1])
    async with opened(tmp_path) as pool:
        gone = asyncio.create_task(pool.lease(NAME))
        await asyncio.sleep(0)
        gone.cancel()
        (resident,) = pool._residents.values()
        await asyncio.wait([resident.loading])
        path.write_bytes(content)
        assert (await pool.lease(NAME)).model.manifest.name == NAME


async def test_draining_refuses_new_work_and_lets_the_old_finish(
    damageable_package: Package, tmp_path: Path
) -> None:
    async with opened(tmp_path) as pool:
        model = (await pool.lease(NAME)).model
        (generation,) = model.generate([[5, 6, 7]], FOUR_TOKENS)
        pool.drain()
        assert pool.health().status == "draining"
        with pytest.raises(ShuttingDown):
            await pool.lease(NAME)
        with pytest.raises(ShuttingDown):
            model.generate([[5]], FOUR_TOKENS)
        deltas = [delta async for delta in generation]
        assert deltas[-1].finish_reason == "length"


async def test_draining_in_the_midst_of_a_load(damageable_package: Package, tmp_path: Path) -> None:
    async with opened(tmp_path) as pool:
        loading = asyncio.create_task(pool.lease(NAME))
        await asyncio.sleep(0)
        pool.drain()
        model = (await loading).model
        with pytest.raises(ShuttingDown):
            model.generate([[5]], FOUR_TOKENS)


async def test_closing_ends_what_runs_and_may_be_repeated(
    damageable_package: Package, tmp_path: Path
) -> None:
    pool = pool_of(tmp_path)
    model = (await pool.lease(NAME)).model
    options = GenerationOptions(max_tokens=100, sampling=GREEDY)
    generations = [model.generate([[5, index]], options)[0] for index in range(3)]
    assert pool.health().models[0].num_running == 2
    assert pool.health().models[0].num_waiting == 1
    closing = asyncio.create_task(pool.close())
    for generation in generations:
        with pytest.raises(ShuttingDown):
            async for _delta in generation:
                pass
    await closing
    await pool.close()
    with pytest.raises(ShuttingDown):
        await pool.lease(NAME)


async def test_closing_waits_for_a_load(damageable_package: Package, tmp_path: Path) -> None:
    pool = pool_of(tmp_path)
    loading = asyncio.create_task(pool.lease(NAME))
    await asyncio.sleep(0)
    await pool.close()
    model = (await loading).model
    with pytest.raises(ShuttingDown):
        model.generate([[5]], FOUR_TOKENS)
