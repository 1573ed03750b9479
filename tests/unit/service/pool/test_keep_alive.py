"""How long models stay, who may make room for others, and what unloading waits for."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from service.errors import ModelLoading, ModelNotFound, NotEnoughMemory, StartupError
from service.pool import ModelPool
from service.settings.values import ModelKeepAlive
from tests.unit.service.pool.stores import loaded_names, opened, pool_of, tiny_size, tiny_store

pytestmark = pytest.mark.anyio


async def use(pool: ModelPool, name: str, keep_alive_s: float | None = None) -> None:
    (await pool.lease_encoder(name, keep_alive_s)).release()


async def until_loaded_are(pool: ModelPool, *names: str) -> None:
    async with asyncio.timeout(20):
        while loaded_names(pool) != set(names):
            await asyncio.sleep(0.01)


async def test_a_model_stays_for_its_time_and_no_longer(tmp_path: Path) -> None:
    async with opened(tiny_store(tmp_path, "a"), keep_alive_s=0.3) as pool:
        lease = await pool.lease_encoder("a")
        await asyncio.sleep(0.5)
        assert loaded_names(pool) == {"a"}, "it is in use"
        lease.release()
        lease.release()
        await asyncio.sleep(0.05)
        assert loaded_names(pool) == {"a"}
        await until_loaded_are(pool)


async def test_each_use_begins_the_time_anew(tmp_path: Path) -> None:
    async with opened(tiny_store(tmp_path, "a"), keep_alive_s=0.6) as pool:
        for _ in range(5):
            await use(pool, "a")
            await asyncio.sleep(0.2)
        assert loaded_names(pool) == {"a"}


async def test_the_last_request_that_says_how_long_decides(tmp_path: Path) -> None:
    async with opened(tiny_store(tmp_path, "a"), keep_alive_s=0.0) as pool:
        await use(pool, "a", 600)
        await use(pool, "a")
        (health,) = pool.health().models
        assert health.expires_at is not None
        await use(pool, "a", math.inf)
        (health,) = pool.health().models
        assert health.expires_at is None
        await use(pool, "a", 0)
        await until_loaded_are(pool)


async def test_a_model_may_have_a_time_of_its_own(tmp_path: Path) -> None:
    own = (ModelKeepAlive("A:latest", 600.0),)
    models = tiny_store(tmp_path, "a", "b")
    async with opened(models, keep_alive_s=0.0, model_keep_alive=own) as pool:
        await use(pool, "a")
        await use(pool, "b")
        await until_loaded_are(pool, "a")


async def test_the_least_recently_used_makes_room(tmp_path: Path) -> None:
    models = tiny_store(tmp_path, "a", "b", "c")
    limit = tiny_size(models, "a") * 5 // 2
    async with opened(models, memory_limit_bytes=limit) as pool:
        for name in ("a", "b", "a", "c"):
            await use(pool, name)
        assert loaded_names(pool) == {"a", "c"}
        health = pool.health()
        assert health.memory_limit == limit
        assert health.memory_reserved == sum(model.size for model in health.models)


async def test_what_is_in_use_never_goes(tmp_path: Path) -> None:
    models = tiny_store(tmp_path, "a", "b")
    async with opened(models, memory_limit_bytes=tiny_size(models, "a")) as pool:
        lease = await pool.lease_encoder("a")
        running = asyncio.create_task(lease.model.embed(["what is glass"] * 50))
        with pytest.raises(NotEnoughMemory, match="in use or pinned: a") as refused:
            await pool.lease_encoder("b")
        assert refused.value.retry_after_s is not None
        assert len((await running).values) == 50
        lease.release()
        await use(pool, "b")
        assert loaded_names(pool) == {"b"}


async def test_what_can_never_fit_is_refused_with_need_and_have(tmp_path: Path) -> None:
    models = tiny_store(tmp_path, "a")
    async with opened(models, memory_limit_bytes=10_000_000) as pool:
        with pytest.raises(NotEnoughMemory) as refused:
            await pool.lease_encoder("a")
    assert "needs 0.13 GB (weights" in refused.value.message
    assert "there are 0.01 GB" in refused.value.message
    assert refused.value.retry_after_s is None


async def test_a_refusal_unloads_nobody(tmp_path: Path) -> None:
    models = tiny_store(tmp_path, "a", "b", "c")
    limit = tiny_size(models, "a") * 2
    async with opened(models, memory_limit_bytes=limit, max_loaded_models=2) as pool:
        await use(pool, "a")
        await use(pool, "b")
        leases = [await pool.lease_encoder(name) for name in ("a", "b")]
        with pytest.raises(NotEnoughMemory):
            await pool.lease_encoder("c")
        assert loaded_names(pool) == {"a", "b"}
        for lease in leases:
            assert len((await lease.model.embed(["a"])).values) == 1


async def test_pinned_models_stay_and_others_kept_for_ever_go(tmp_path: Path) -> None:
    models = tiny_store(tmp_path, "a", "b", "c")
    async with opened(models, max_loaded_models=2, keep_alive_s=math.inf) as pool:
        await use(pool, "a", math.inf)
        await use(pool, "b")
        await use(pool, "c")
        assert loaded_names(pool) == {"a", "c"}
        await use(pool, "c", math.inf)
        with pytest.raises(NotEnoughMemory, match="2 models may be loaded at once"):
            await use(pool, "b")
        await pool.unload("a")
        await use(pool, "b")
        assert loaded_names(pool) == {"b", "c"}


async def test_unloading_waits_for_who_uses_it_and_the_next_one_loads_anew(tmp_path: Path) -> None:
    async with opened(tiny_store(tmp_path, "a")) as pool:
        lease = await pool.lease_encoder("a")
        unloading = asyncio.create_task(pool.unload("a"))
        await asyncio.sleep(0.05)
        assert [model.status for model in pool.health().models] == ["unloading"]
        next_one = asyncio.create_task(pool.lease_encoder("a"))
        await asyncio.sleep(0.05)
        assert not unloading.done()
        assert not next_one.done()
        assert len((await lease.model.embed(["a"])).values) == 1
        lease.release()
        await unloading
        assert (await next_one).model is not lease.model
        assert [model.status for model in pool.health().models] == ["ready"]


async def test_unloading_what_is_not_loaded_is_no_error(tmp_path: Path) -> None:
    async with opened(tiny_store(tmp_path, "a")) as pool:
        await pool.unload("a")
        with pytest.raises(ModelNotFound):
            await pool.unload("b")


async def test_a_load_shows_and_who_waits_too_long_is_told(tmp_path: Path) -> None:
    async with opened(tiny_store(tmp_path, "a"), load_timeout_s=1e-6) as pool:
        with pytest.raises(ModelLoading) as refused:
            await pool.lease_encoder("a")
        assert (refused.value.status, refused.value.code) == (503, "loading")
        assert refused.value.retry_after_s
        (health,) = pool.health().models
        assert (health.name, health.status) == ("a", "loading")
        assert health.size > 0
        async with asyncio.timeout(20):
            while pool.health().models[0].status == "loading":
                await asyncio.sleep(0.01)


async def test_models_are_loaded_before_they_are_asked_for(tmp_path: Path) -> None:
    async with opened(tiny_store(tmp_path, "a", "b"), preload=("a",)) as pool:
        pool.preload()
        async with asyncio.timeout(20):
            while [model.status for model in pool.health().models] != ["ready"]:
                await asyncio.sleep(0.01)
        assert loaded_names(pool) == {"a"}
    pool = pool_of(tmp_path, preload=("nothing",))
    with pytest.raises(StartupError, match="cannot preload 'nothing'"):
        pool.preload()
    await pool.close()


async def test_many_who_come_and_go_leave_the_count_right(tmp_path: Path) -> None:
    """Uses, refusals, cancellations and unloads at once, on room for two of three."""
    models = tiny_store(tmp_path, "a", "b", "c")
    async with opened(models, max_loaded_models=2, keep_alive_s=0.02) as pool:

        async def come_and_go(number: int) -> None:
            name = "abc"[number % 3]
            try:
                async with asyncio.timeout(0.01 if number % 5 == 0 else 20):
                    with await pool.lease_encoder(name) as model:
                        assert len((await model.embed([name])).values) == 1
                if number % 7 == 0:
                    await pool.unload(name)
            except (NotEnoughMemory, TimeoutError):
                pass

        for _ in range(4):
            await asyncio.gather(*(come_and_go(number) for number in range(30)))
        await until_loaded_are(pool)
        assert pool.health().memory_reserved == 0
