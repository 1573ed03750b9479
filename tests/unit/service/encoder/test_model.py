"""A loaded encoder computes what transformers does, and refuses what it cannot do."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from service.errors import (
    InputTooLong,
    Overloaded,
    PackageCorrupt,
    RequestError,
    ShuttingDown,
    WrongDevice,
    WrongModelKind,
)
from service.pool import ModelPool
from service.runtime.providers import CPU, CUDA, Device
from service.settings import Settings
from tests.unit.service.encoder.conftest import EMBEDDER, RANKER, STORE, Expected, cosines

pytestmark = pytest.mark.anyio


async def test_vectors_are_those_of_transformers(pool: ModelPool, expected: Expected) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    encoded = await model.embed(expected.texts)
    assert encoded.values.dtype == np.float32
    assert cosines(encoded.values, np.array(expected.vectors)).min() > 0.99999
    np.testing.assert_allclose(np.linalg.norm(encoded.values, axis=1), 1, atol=1e-6)


async def test_scores_are_those_of_transformers(pool: ModelPool, expected: Expected) -> None:
    model = (await pool.lease_encoder(RANKER)).model
    query = expected.pairs[0][0]
    encoded = await model.rank(query, [document for _, document in expected.pairs])
    np.testing.assert_allclose(encoded.values, expected.scores, atol=1e-5)
    assert np.ptp(expected.scores) > 0.01, "documents are told apart"


async def test_a_vector_does_not_depend_on_its_neighbours(
    pool: ModelPool, expected: Expected
) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    alone = [(await model.embed([text])).values[0] for text in expected.texts]
    batched, *others = await asyncio.gather(
        model.embed(expected.texts),
        *(model.embed(expected.texts[::-1]) for _ in range(3)),
    )
    assert cosines(np.stack(alone), batched.values).min() > 0.99999
    for other in others:
        assert cosines(np.stack(alone), other.values[::-1]).min() > 0.99999


async def test_tokens_are_read_as_they_are(pool: ModelPool, expected: Expected) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    text = expected.texts[1]
    token_ids = model._tokenizer.encode([text])[0].token_ids
    from_text, from_ids = await model.embed([text]), await model.embed([token_ids])
    np.testing.assert_array_equal(from_text.values, from_ids.values)
    assert from_ids.num_tokens == from_text.num_tokens == len(token_ids)
    bare = await model.embed([token_ids[1:-1]])
    assert cosines(bare.values, from_ids.values)[0] < 0.9999


async def test_a_prompt_is_put_before_each_text(pool: ModelPool, expected: Expected) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    encoded = await model.embed(expected.texts, prompt_name="query")
    assert cosines(encoded.values, np.array(expected.prompted)).min() > 0.99999
    plain = await model.embed(expected.texts, prompt_name="document")
    assert cosines(plain.values, np.array(expected.vectors)).min() > 0.99999
    with pytest.raises(RequestError, match="document, query") as refused:
        await model.embed(["a"], prompt_name="nothing")
    assert refused.value.param == "prompt_name"


async def test_a_default_prompt_is_put_before_texts_that_ask_for_none(
    tmp_path: Path, expected: Expected
) -> None:
    manifest = json.loads((STORE / EMBEDDER / "latest" / "manifest.json").read_text())
    embedding = manifest["embedding"] | {"default_prompt": "query"}
    _copied(tmp_path, EMBEDDER, embedding=embedding)
    pool = ModelPool(Settings(models_folder=tmp_path, device="cpu"), Device(CPU, "asked for"))
    try:
        model = (await pool.lease_encoder(EMBEDDER)).model
        asked = await model.embed(expected.texts)
        other = await model.embed(expected.texts, prompt_name="document")
    finally:
        await pool.close()
    assert cosines(asked.values, np.array(expected.prompted)).min() > 0.99999
    assert cosines(other.values, np.array(expected.vectors)).min() > 0.99999


@pytest.mark.parametrize("dimensions", [4, 8])
async def test_cut_vectors_have_length_one_again(
    pool: ModelPool, expected: Expected, dimensions: int
) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    whole = (await model.embed(expected.texts)).values
    cut = (await model.embed(expected.texts, dimensions=dimensions)).values
    assert cut.shape == (len(expected.texts), dimensions)
    np.testing.assert_allclose(np.linalg.norm(cut, axis=1), 1, atol=1e-6)
    assert cosines(cut, whole[:, :dimensions]).min() > 0.999999


async def test_dimensions_that_the_model_does_not_declare(pool: ModelPool) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    with pytest.raises(RequestError, match="cut to 4, 8") as refused:
        await model.embed(["a"], dimensions=5)
    assert refused.value.param == "dimensions"
    with pytest.raises(RequestError, match="16 dimensions, which is the most"):
        await model.embed(["a"], dimensions=17, any_dimensions=True)
    assert (await model.embed(["a"], dimensions=5, any_dimensions=True)).values.shape == (1, 5)
    assert (await model.embed(["a"], dimensions=16)).values.shape == (1, 16)


async def test_what_is_too_long_is_refused_unless_it_may_be_cut(pool: ModelPool) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    long = "what is glass " * 20
    with pytest.raises(InputTooLong, match=r"reads at most 48\.") as refused:
        await model.embed(["a", long])
    assert (refused.value.param, refused.value.code) == ("input[1]", "context_length_exceeded")
    cut = await model.embed(["a", long], truncate=True)
    assert cut.num_tokens == 3 + 48
    words = "what is glass " * 15 + "what"
    same = await model.embed([words])
    assert same.num_tokens == 48
    assert cosines(cut.values[1:], same.values)[0] > 0.99999


async def test_token_ids_are_cut_at_the_end(pool: ModelPool) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    token_ids = [2, *range(5, 90), 3]
    with pytest.raises(InputTooLong):
        await model.embed([token_ids])
    cut, short = (
        await model.embed([token_ids], truncate=True),
        await model.embed([token_ids[:48]]),
    )
    np.testing.assert_array_equal(cut.values, short.values)


async def test_a_pair_is_cut_where_it_is_longer(pool: ModelPool) -> None:
    model = (await pool.lease_encoder(RANKER)).model
    long = "what is glass " * 40
    with pytest.raises(InputTooLong) as refused:
        await model.rank("what", ["a", long])
    assert refused.value.param == "documents[1]"
    cut = await model.rank("what", ["a", long], truncate=True)
    assert cut.num_tokens == 5 + 64
    same = await model.rank("what", ["what is glass " * 20])
    assert same.num_tokens == 64
    assert cut.values[1] == pytest.approx(same.values[0], abs=1e-6)


@pytest.mark.parametrize("token_ids", [[128], [-1], [1, 2**31 - 1]])
async def test_tokens_that_the_model_does_not_have(pool: ModelPool, token_ids: list[int]) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    with pytest.raises(RequestError, match="vocabulary of 128") as refused:
        await model.embed([[5], token_ids])
    assert refused.value.param == "input[1]"


async def test_each_kind_of_model_does_its_own_work_only(pool: ModelPool) -> None:
    embedder = (await pool.lease_encoder(EMBEDDER)).model
    ranker = (await pool.lease_encoder(RANKER)).model
    with pytest.raises(WrongModelKind, match="is a reranker"):
        await ranker.embed(["a"])
    with pytest.raises(WrongModelKind, match="embeds texts"):
        await embedder.rank("a", ["b"])
    for name, what in ((EMBEDDER, "an embedding model"), (RANKER, "a reranker")):
        with pytest.raises(WrongModelKind, match=f"is {what}: it generates no text") as refused:
            await pool.lease(name)
        assert (refused.value.status, refused.value.param) == (400, "model")


async def test_at_most_slots_and_queue_requests_are_admitted(pool: ModelPool) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    running = [asyncio.create_task(model.embed(["a"] * 500)) for _ in range(4)]
    await asyncio.sleep(0)
    assert pool.health().models[0].num_running == 4
    with pytest.raises(Overloaded):
        await model.embed(["a"])
    await asyncio.gather(*running)
    assert (await model.embed(["a"])).num_tokens == 3


async def test_a_cancelled_request_leaves_the_queue(pool: ModelPool) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    gone = [asyncio.create_task(model.embed(["what is glass"] * 2000)) for _ in range(3)]
    await asyncio.sleep(0.05)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    assert model.engine.num_requests == 0
    await model.embed(["a"])
    assert not model.engine._batcher, "nothing of what was cancelled waits"


async def test_draining_refuses_new_work_and_closing_ends_the_old(pool: ModelPool) -> None:
    model = (await pool.lease_encoder(EMBEDDER)).model
    running = asyncio.create_task(model.embed(["what is glass"] * 2000))
    await asyncio.sleep(0.02)
    pool.drain()
    with pytest.raises(ShuttingDown):
        await model.embed(["a"])
    with pytest.raises(ShuttingDown):
        await pool.lease_encoder(RANKER)
    await pool.close()
    with pytest.raises(ShuttingDown):
        await running


async def test_first_requests_at_once_load_once(pool: ModelPool) -> None:
    leases = await asyncio.gather(*(pool.lease_encoder(EMBEDDER) for _ in range(4)))
    assert len({id(lease.model) for lease in leases}) == 1
    assert [health.name for health in pool.health().models] == [EMBEDDER]


def _copied(folder: Path, name: str, **changes: object) -> Path:
    shutil.copytree(STORE / name, folder / name)
    path = folder / name / "latest" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder / name / "latest"


async def _loaded(folder: Path, device: Device = Device(CPU, "asked for")) -> None:  # noqa: B008
    pool = ModelPool(Settings(models_folder=folder, device="cpu"), device)
    try:
        await pool.lease_encoder(EMBEDDER)
    finally:
        await pool.close()


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = _copied(tmp_path, EMBEDDER) / "model.onnx.data"
    content = path.read_bytes()
    path.write_bytes(content[::-1])
    with pytest.raises(PackageCorrupt, match=r"model\.onnx\.data has sha256"):
        await _loaded(tmp_path)
    path.write_bytes(content)
    await _loaded(tmp_path)


async def test_int8_is_for_processors(tmp_path: Path) -> None:
    _copied(tmp_path, EMBEDDER, precision="int8")
    with pytest.raises(WrongDevice, match="--precision fp32"):
        await _loaded(tmp_path, Device(CUDA, "a test says so"))


async def test_a_tokenizer_of_another_model(tmp_path: Path) -> None:
    architecture = {"family": "bert", "num_layers": 2, "hidden_size": 16, "vocab_size": 50}
    _copied(tmp_path, EMBEDDER, architecture=architecture)
    with pytest.raises(PackageCorrupt, match="tokenizer"):
        await _loaded(tmp_path)


async def test_a_graph_that_is_no_embedders(tmp_path: Path) -> None:
    folder = _copied(tmp_path, EMBEDDER)
    ranker = json.loads((STORE / RANKER / "latest" / "manifest.json").read_text())
    for file in ranker["files"]:
        shutil.copy(STORE / RANKER / "latest" / file, folder / file)
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": ranker["files"]}))
    with pytest.raises(PackageCorrupt, match=r"is no encoder: it goes from .* to logits"):
        await _loaded(tmp_path)
