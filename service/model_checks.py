"""What a request may ask of a model's tokens."""

from __future__ import annotations

from collections.abc import Sequence

from service.errors import ContextLengthExceeded, RequestError
from service.options import GenerationOptions
from service.store.manifest import Manifest


def check_prompt(
    token_ids: Sequence[int], manifest: Manifest, context_length: int, *, param: str
) -> None:
    """Raises RequestError, naming `param`, for a prompt that is empty or holds tokens that the
    model has not, and ContextLengthExceeded for one that leaves no room for an answer."""
    if not token_ids:
        raise RequestError("The prompt is empty.", param=param)
    if len(token_ids) >= context_length:
        raise ContextLengthExceeded(len(token_ids), context_length, param=param)
    if not 0 <= min(token_ids) <= max(token_ids) < manifest.architecture.vocab_size:
        raise RequestError(
            "The prompt holds token ids outside the model's vocabulary.", param=param
        )


def check_tokens(options: GenerationOptions, manifest: Manifest) -> None:
    """Raises RequestError for options that name tokens which the model has not."""
    vocab_size = manifest.architecture.vocab_size
    biased = {token_id for token_id, _ in options.sampling.logit_bias}
    for param, token_ids in (
        ("logit_bias", biased),
        ("stop_token_ids", options.stop_token_ids),
    ):
        if token_ids and not 0 <= min(token_ids) <= max(token_ids) < vocab_size:
            raise RequestError(
                f"{param!r} names tokens outside the model's vocabulary of {vocab_size}.",
                param=param,
            )
