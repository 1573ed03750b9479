"""Log-probabilities of tokens, from the logits as the model gave them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from service.engine.likeliest import likeliest
from service.engine.request import Logprobs


def logprobs_of(logits: NDArray[np.float32], token_id: int, num_top: int) -> Logprobs:
    """The log-softmax of `logits` `[vocab_size]` at `token_id` and at the `num_top` likeliest.

    Raw logits, as OpenAI's and vLLM's: neither temperature nor penalties nor masks count.
    """
    peak = logits.max()
    # Summed pairwise by numpy, so float32 keeps six digits of it.
    log_sum = float(peak) + math.log(np.exp(logits - peak).sum())
    top = likeliest(logits, num_top) if num_top else ()
    return Logprobs(
        token_id,
        float(logits[token_id]) - log_sum,
        tuple((int(index), float(logits[index]) - log_sum) for index in top),
    )
