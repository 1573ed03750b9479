"""Which names share what is loaded: those over one package that want the same context."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.store.changes import copy_model, create_model
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
