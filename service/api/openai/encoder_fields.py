"""The request fields of the endpoints that encoders serve, as `fields` has those of the others."""

from __future__ import annotations

from collections.abc import Mapping

from service.api.keep_alive import NOTE as KEEP_ALIVE
from service.api.openai.fields import AnyValue, Honoured, OneOf, Treatment

EMBEDDING: Mapping[str, Treatment] = {
    "model": Honoured("a package that embeds; the answer repeats the name as it was given"),
    "input": Honoured("a text, token ids, or up to 2048 of either; token ids are read as they are"),
    "encoding_format": Honoured("`float`, or `base64` of float32s, lowest byte first"),
    "dimensions": Honoured("of models that declare Matryoshka; cut, then normalised"),
    "truncate": Honoured("extension; true reads the beginning of what is too long"),
    "allow_any_dimensions": Honoured("extension; true cuts vectors of any model"),
    "prompt_name": Honoured("extension; one of the model's own prompts, put before each text"),
    "keep_alive": Honoured(KEEP_ALIVE),
    "user": AnyValue(),
}

RERANK: Mapping[str, Treatment] = {
    "model": Honoured("a package that ranks; the answer repeats the name as it was given"),
    "query": Honoured(),
    "documents": Honoured("up to 2048 texts, or objects with a `text`"),
    "top_n": Honoured("without it, all"),
    "return_documents": Honoured(),
    "truncate": Honoured("true cuts the longer of a pair that is too long"),
    "max_chunks_per_doc": OneOf((1,)),
    "max_tokens_per_doc": OneOf(),
    "rank_fields": OneOf((["text"],)),
    "keep_alive": Honoured(KEEP_ALIVE),
    "user": AnyValue(),
}
