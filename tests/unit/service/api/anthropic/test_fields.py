"""Every field of the official client's types is accounted for."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from anthropic.types import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase

from service.api.anthropic.fields import COUNT_TOKENS, MESSAGES
from service.api.openai.fields import Treatment

OLDER = {"temperature", "top_k", "top_p"}
"""Fields that the specification has had and that clients go on sending."""


@pytest.mark.parametrize(
    ("specified", "fields", "added"),
    [
        (MessageCreateParamsBase, MESSAGES, {"stream"} | OLDER),
        (MessageCountTokensParams, COUNT_TOKENS, set[str]()),
    ],
)
def test_every_field_of_the_specification_is_accounted_for(
    specified: type, fields: Mapping[str, Treatment], added: set[str]
) -> None:
    assert {*specified.__annotations__, *added} <= set(fields)
