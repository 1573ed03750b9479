"""What the catalogue knows of an embedding model, where its own files are silent."""

from __future__ import annotations

from msgspec.structs import replace

from export.catalog import Entry
from service.store.manifest import Embedding

QUERY, DOCUMENT = "query", "document"
"""The names that sentence-transformers gives to prompts."""


def complete(embedding: Embedding, entry: Entry | None) -> Embedding:
    """`embedding` with the prompts and the shorter lengths of `entry`, if it has none itself.

    None of those prompts is put before a text that asks for none.
    """
    known = entry.embedding if entry else None
    if known is None:
        return embedding
    prompts = {QUERY: known.query, DOCUMENT: known.document}
    if not embedding.prompts:
        given = {name: text for name, text in prompts.items() if text is not None}
        embedding = replace(embedding, prompts=given)
    if known.matryoshka and not embedding.matryoshka:
        lengths = _lengths(known.matryoshka, embedding.dimensions)
        embedding = replace(embedding, matryoshka=True, matryoshka_dimensions=lengths)
    return embedding


def _lengths(known: tuple[int, ...] | bool, dimensions: int) -> tuple[int, ...]:
    """In order, the whole one last; none if any will do."""
    if isinstance(known, bool):
        return ()
    return (*sorted(size for size in known if size < dimensions), dimensions)
