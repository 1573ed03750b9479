"""Which names share what is loaded: those over one package that want the same context."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.pool import ModelPool
from service.settings.values import FOREVER
from service.store.changes import copy_model, create_model, remove_model
from service.store.overrides import Overrides, Parameters
from service.store.packages import Package, Store
from tests.unit.service.pool.stores import NAME, opened, tiny_store

pytestmark = pytest.mark.anyio


async def test_a_copy_shares_what_is_loaded(damageable_package: Package, tmp_path: Path) -> None:
    copy_model(Store(tmp_path), NAME, "gpt-3.5-turbo")
    async with opened(tmp_path) as pool:
        with await pool.lease(NAME) as model, await pool.lease("gpt-3.5-turbo") as copy:
            assert copy.engine is model.engine
        (health,) = pool.health().models
        assert health.names == (NAME, "gpt-3.5-turbo")
        await pool.unload("gpt-3.5-turbo")
        assert pool.health().models == ()


async def test_a_context_of_its_own_is_honoured_exactly(
    damageable_package: Package, tmp_path: Path
) -> None:
    """Longer than the settings give others, too: it was asked for by name."""
    longer = Overrides(parameters=Parameters(num_ctx=160))
    create_model(Store(tmp_path), "mymodel", NAME, longer)
    async with opened(tmp_path, context_length=128) as pool:
        with await pool.lease(NAME) as model, await pool.lease("mymodel") as derived:
            assert (model.context_length, derived.context_length) == (128, 160)
            assert derived.engine is not model.engine
        assert [model.context_length for model in pool.health().models] == [128, 160]


async def test_a_package_made_again_is_served_at_the_next_request(tmp_path: Path) -> None:
    async with opened(tiny_store(tmp_path, "a")) as pool:
        first = await pool.lease_encoder("a")
        manifest = tmp_path / "a" / "latest" / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"created": ', '"created": 1'))
        with await pool.lease_encoder("a") as second:
            assert second is not first.model
        assert len((await first.model.embed(["a"])).values) == 1


def _of_context(num_ctx: int) -> Overrides:
    return Overrides(parameters=Parameters(num_ctx=num_ctx))


def _contexts(pool: ModelPool) -> list[int]:
    """Of the models that stay loaded."""
    return [each.context_length for each in pool.health().models if each.status == "ready"]


@pytest.fixture
def derived_store(tmp_path: Path) -> Path:
    """The encoder `a`, and `b`, which is the same with a context of 32."""
    tiny_store(tmp_path, "a")
    create_model(Store(tmp_path), "b", "a", _of_context(32))
    return tmp_path


async def test_unloading_a_model_leaves_what_others_have_loaded_of_its_weights(
    derived_store: Path,
) -> None:
    async with opened(derived_store, context_length=40) as pool:
        await pool.load("a", FOREVER)
        await pool.load("b", FOREVER)
        await pool.load("b", FOREVER, _of_context(16))
        await pool.unload("b")
        assert _contexts(pool) == [40]


async def test_what_no_name_stands_for_any_more_is_unloaded_though_it_was_pinned(
    derived_store: Path,
) -> None:
    async with opened(derived_store, context_length=40) as pool:
        await pool.load("a", FOREVER)
        await pool.load("b", FOREVER)
        await pool.load("b", FOREVER, _of_context(16))
        pool.drop_stale_names()
        assert _contexts(pool) == [40, 32, 16]
        create_model(Store(derived_store), "b", "a", _of_context(24))
        pool.drop_stale_names()
        assert _contexts(pool) == [40]
        await pool.load("b", FOREVER)
        remove_model(Store(derived_store), "b")
        pool.drop_stale_names()
        assert _contexts(pool) == [40]


async def test_a_load_makes_room_of_what_has_lost_its_name(derived_store: Path) -> None:
    async with opened(derived_store, context_length=40, max_loaded_models=1) as pool:
        await pool.load("b", FOREVER)
        remove_model(Store(derived_store), "b")
        await pool.load("a")
        assert _contexts(pool) == [40]


async def test_one_of_two_names_is_enough_to_stay(derived_store: Path) -> None:
    copy_model(Store(derived_store), "b", "c")
    async with opened(derived_store, context_length=40) as pool:
        await pool.load("b")
        await pool.load("c")
        remove_model(Store(derived_store), "b")
        pool.drop_stale_names()
        (health,) = pool.health().models
        assert (health.names, health.status) == (("c",), "ready")


async def test_what_cannot_be_read_now_stays_loaded(derived_store: Path) -> None:
    async with opened(derived_store, context_length=40) as pool:
        await pool.load("a")
        (derived_store / "a" / "latest" / "manifest.json").write_text("{")
        pool.drop_stale_names()
        assert _contexts(pool) == [40]
