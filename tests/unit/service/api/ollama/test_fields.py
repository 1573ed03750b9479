"""Every field of the official client's types is accounted for."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from ollama import _types as types
from pydantic import BaseModel

from service.api.ollama import fields
from service.api.openai.fields import Treatment
from service.errors import RetortError
from service.modelfile.parameters import Given, parameters_from


@pytest.mark.parametrize(
    ("specified", "accounted"),
    [
        (types.GenerateRequest, fields.GENERATE),
        (types.ChatRequest, fields.CHAT),
        (types.EmbedRequest, fields.EMBED),
        (types.EmbeddingsRequest, fields.EMBEDDINGS),
        (types.ShowRequest, fields.SHOW),
        (types.DeleteRequest, fields.DELETE),
        (types.CopyRequest, fields.COPY),
        (types.PullRequest, fields.PULL),
        (types.CreateRequest, fields.CREATE),
    ],
)
def test_every_field_of_the_specification_is_accounted_for(
    specified: type[BaseModel], accounted: Mapping[str, Treatment]
) -> None:
    names = {name.rstrip("_") for name in specified.model_fields}
    assert names <= set(accounted)


VALUES = (1, 1.0, True, False, 0, ["x"])
REFUSED = {"num_gpu", "main_gpu", "num_thread", "f16_kv", "mirostat_tau", "mirostat_eta"}


@pytest.mark.parametrize("name", sorted(types.Options.model_fields))
def test_every_option_is_honoured_or_refused_by_name(name: str) -> None:
    refusals = list(filter(None, (_refusal(name, value) for value in VALUES)))
    assert {error.param for error in refusals} <= {f"options.{name}"}
    assert "unknown_parameter" not in {error.code for error in refusals}
    assert (len(refusals) == len(VALUES)) is (name in REFUSED)


def _refusal(name: str, value: Given) -> RetortError | None:
    try:
        parameters_from({name: value}, param="options")
    except RetortError as error:
        return error
    return None
