"""Retort as a model of outlines: every kind of output type, with the real default model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from typing import Literal

import outlines
import pytest
from outlines.inputs import Chat
from outlines.types import JsonSchema
from pydantic import BaseModel

from service.errors import ModelNotFound, UnsupportedSchema
from service.outlines_model import Retort, from_retort
from service.settings import Settings
from service.store.packages import Package
from tests.conftest import CACHE, MODEL

SETTINGS = Settings(models_folder=CACHE, slots=2, context_length=512)


class Friend(BaseModel):
    name: str
    age: int


class Friends(BaseModel):
    friends: list[Friend]


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@pytest.fixture(scope="module")
def model(smollm2_package: Package) -> Iterator[Retort]:
    with from_retort(MODEL, SETTINGS) as model:
        yield model


def test_a_pydantic_model(model: Retort) -> None:
    text = model("My friends are Ann (22) and Bo (23). As JSON:", Friends, max_tokens=200, seed=1)
    assert Friends.model_validate_json(text).friends


def test_a_generator_and_its_batch(model: Retort) -> None:
    generator = outlines.Generator(model, Literal["yes", "no"])
    assert generator("Is water wet?", seed=1) in ("yes", "no")
    answers = generator.batch(["Is fire cold?", "Is ice hot?", "Is it?"], seed=2)
    assert isinstance(answers, list)
    assert len(answers) == 3
    assert {*answers} <= {"yes", "no"}


@pytest.mark.parametrize(
    ("output_type", "pattern"),
    [
        (int, r"[+-]?\d+"),
        (Colour, "red|blue"),
        (outlines.regex(r"[A-Z]{2}-[0-9]{3}"), r"[A-Z]{2}-[0-9]{3}"),
        (outlines.cfg('start: "a" "b"~1..3'), "ab{1,3}"),
        (outlines.json_schema('{"enum": [1, "x"]}'), '1|"x"'),
    ],
    ids=str,
)
def test_other_output_types(model: Retort, output_type: object, pattern: str) -> None:
    text = model(Chat([{"role": "user", "content": "Go on."}]), output_type, max_tokens=40, seed=3)
    assert re.fullmatch(pattern, text)


def test_the_white_space_of_json_is_what_was_asked_for(model: Retort) -> None:
    schema = json.dumps({"type": "array", "items": {"const": 1}, "minItems": 2, "maxItems": 2})
    for pattern, text in ((None, "[1, 1]"), ("[ ]{0}", "[1,1]")):
        asked = JsonSchema(schema, whitespace_pattern=pattern)
        assert model("x", asked, max_tokens=20, seed=1) == text
    with pytest.raises(UnsupportedSchema, match="white space"):
        model("x", JsonSchema(schema, whitespace_pattern="x"))


def test_a_stream_is_the_text_in_pieces(model: Retort) -> None:
    pieces = [*model.stream("Once upon", Friends, max_tokens=60, temperature=0)]
    assert len(pieces) > 3
    whole = model("Once upon", Friends, max_tokens=60, temperature=0)
    assert "".join(pieces) == whole


def test_without_an_output_type_text_is_free(model: Retort) -> None:
    assert model("One, two, three, four,", max_tokens=5, temperature=0)


def test_what_cannot_be_enforced_is_refused(model: Retort) -> None:
    with pytest.raises(UnsupportedSchema, match="not"):
        model("x", outlines.json_schema(json.dumps({"not": {}})))
    with pytest.raises(UnsupportedSchema):
        [*model.stream("x", outlines.regex("a(?=b)"))]


def test_inputs_that_are_no_text_are_refused(model: Retort) -> None:
    with pytest.raises(TypeError):
        model(["a list"], int)


def test_an_unknown_model_is_an_error_at_once() -> None:
    with pytest.raises(ModelNotFound):
        from_retort("nothing:1b", SETTINGS)


def test_the_server_does_not_import_outlines() -> None:
    program = "import service.__main__, service.app, service.pool, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "outlines" not in {name.split(".")[0] for name in done.stdout.split()}
