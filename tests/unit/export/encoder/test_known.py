"""What the catalogue adds to an embedding model's own files."""

from __future__ import annotations

from export.catalog import Entry, load_catalog
from export.encoder.known import complete
from service.store.manifest import Embedding

OWN = Embedding(dimensions=1024, pooling="cls", normalized=True)


def _entry(name: str) -> Entry:
    entry = load_catalog().find(name)
    assert entry is not None
    return entry


def test_prompts_and_lengths_are_added_where_there_are_none() -> None:
    embedding = complete(OWN, _entry("mxbai-embed-large"))
    assert embedding.prompts == {
        "query": "Represent this sentence for searching relevant passages: "
    }
    assert embedding.default_prompt is None
    assert embedding.matryoshka_dimensions == (64, 128, 256, 512, 1024)


def test_the_models_own_word_counts() -> None:
    own = Embedding(
        dimensions=1024,
        pooling="cls",
        normalized=True,
        matryoshka=True,
        prompts={"query": "q: "},
        default_prompt="query",
    )
    assert complete(own, _entry("mxbai-embed-large")) == own


def test_models_of_nobodys_knowledge_stay_as_they_are() -> None:
    assert complete(OWN, None) == OWN
    assert complete(OWN, _entry("llama3.2")) == OWN
    assert complete(OWN, _entry("bge-m3")) == OWN
