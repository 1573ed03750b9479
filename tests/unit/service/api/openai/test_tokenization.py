from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from litestar import Litestar

from service.store.manifest import Tokens
from tests.unit.service.api.asgi import post_json
from tests.unit.service.api.fakes import VOCAB_SIZE, FakeModel, FakePool, Script

pytestmark = pytest.mark.anyio

BOS = 5
HI = [{"role": "user", "content": "Hi"}]


@dataclass
class BosModel(FakeModel):
    """Puts a token of its own before each text, as its manifest says."""

    def encode_text(self, text: str) -> list[int]:
        return [BOS, *super().encode_text(text)]


def with_bos(pool: FakePool, script: Script) -> FakeModel:
    tokens = Tokens(bos=BOS, add_bos=True)
    pool.model = BosModel(msgspec.structs.replace(pool.model.manifest, tokens=tokens), script)
    return pool.model


async def told(app: Litestar, path: str, **fields: object) -> Any:  # noqa: ANN401  JSON
    reply = await post_json(app, path, {"model": "tiny:1b", **fields})
    assert reply.status == 200, reply.body
    return reply.json()


@pytest.mark.parametrize("path", ["/v1/tokenize", "/tokenize"])
async def test_a_prompt_is_told_in_tokens(app: Litestar, path: str) -> None:
    assert await told(app, path, prompt="Hi") == {
        "count": 2,
        "max_model_len": 512,
        "tokens": [72, 105],
    }


@pytest.mark.parametrize(
    ("add_special_tokens", "tokens"), [(None, [BOS, 72]), (True, [BOS, 72]), (False, [72])]
)
async def test_a_prompt_begins_as_a_completions_does_unless_told_otherwise(
    app: Litestar,
    pool: FakePool,
    script: Script,
    add_special_tokens: bool | None,
    tokens: Sequence[int],
) -> None:
    with_bos(pool, script)
    reply = await told(app, "/v1/tokenize", prompt="H", add_special_tokens=add_special_tokens)
    assert (reply["tokens"], reply["count"]) == (tokens, len(tokens))


@pytest.mark.parametrize(("add_special_tokens", "first"), [(None, 1), (False, 1), (True, BOS)])
async def test_messages_begin_as_their_template_has_it_unless_told_otherwise(
    app: Litestar, pool: FakePool, script: Script, add_special_tokens: bool | None, first: int
) -> None:
    with_bos(pool, script)
    reply = await told(app, "/v1/tokenize", messages=HI, add_special_tokens=add_special_tokens)
    assert reply["tokens"][0] == first
    assert reply["count"] == 3 + (first == BOS)


async def test_an_empty_prompt_has_no_tokens(app: Litestar) -> None:
    assert (await told(app, "/v1/tokenize", prompt=""))["tokens"] == []


async def test_a_prompt_longer_than_the_context_is_told_all_the_same(app: Litestar) -> None:
    reply = await told(app, "/v1/tokenize", prompt="x" * 10_000)
    assert (reply["count"], reply["max_model_len"]) == (10_000, 512)


async def test_what_tokens_are_written_as_is_told_if_asked_for(app: Litestar) -> None:
    reply = await told(app, "/v1/tokenize", prompt="Hé\U0001f600", return_token_strs=True)
    assert reply["token_strs"] == ["H", "é", chr(0x1F600 % VOCAB_SIZE)]
    half = await told(app, "/v1/tokenize", prompt="\xf0", return_token_strs=True)
    assert half["token_strs"] == ["\ufffd"]


async def test_messages_are_rendered_as_a_chats_are(app: Litestar, model: FakeModel) -> None:
    model.template_variables = frozenset({"enable_thinking"})
    reply = await told(
        app, "/v1/tokenize", messages=HI, chat_template_kwargs={"enable_thinking": False}
    )
    assert (reply["count"], [message.content for message in model.messages]) == (3, ["Hi"])
    assert model.template_options.variables == (("enable_thinking", False),)
    assert model.template_options.begins_answer


async def test_messages_can_be_rendered_without_an_answer_begun(
    app: Litestar, model: FakeModel
) -> None:
    await told(app, "/v1/tokenize", messages=HI, add_generation_prompt=False)
    assert not model.template_options.begins_answer
    last = {"role": "assistant", "content": "Hello"}
    await told(app, "/v1/tokenize", messages=[*HI, last], continue_final_message=True)
    assert model.template_options.continues_final_message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": None, "messages": None}, "prompt"),
        ({"prompt": "Hi", "messages": HI}, "messages"),
        ({"prompt": "Hi", "add_generation_prompt": True}, "add_generation_prompt"),
        ({"prompt": "Hi", "chat_template_kwargs": {}}, "chat_template_kwargs"),
        ({"prompt": ["Hi"]}, "prompt"),
        ({"prompt": 1}, "prompt"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": HI, "continue_final_message": True}, "continue_final_message"),
        ({"messages": HI, "chat_template": "{{ 1 }}"}, "chat_template"),
        ({"messages": HI, "chat_template_kwargs": {"a": "b"}}, "chat_template_kwargs.a"),
        ({"prompt": "Hi", "add_special_tokens": "yes"}, "add_special_tokens"),
        ({"prompt": "Hi", "truncate": 3}, "truncate"),
    ],
)
async def test_what_cannot_be_tokenized_is_refused_by_name(
    app: Litestar, fields: dict[str, object], param: str
) -> None:
    reply = await post_json(app, "/v1/tokenize", {"model": "tiny:1b", **fields})
    assert (reply.status, reply.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("path", ["/v1/detokenize", "/detokenize"])
async def test_tokens_become_text_again(app: Litestar, path: str) -> None:
    assert await told(app, path, tokens=[72, 105]) == {"prompt": "Hi"}
    assert await told(app, path, tokens=[]) == {"prompt": ""}


@pytest.mark.parametrize(
    ("tokens", "param"),
    [
        ([VOCAB_SIZE], "tokens"),
        ([-1], "tokens[0]"),
        ([2**31], "tokens[0]"),
        ([1.5], "tokens[0]"),
        ("Hi", "tokens"),
        (None, "tokens"),
    ],
)
async def test_tokens_that_are_none_of_the_models_are_refused(
    app: Litestar, tokens: object, param: str
) -> None:
    reply = await post_json(app, "/v1/detokenize", {"model": "tiny:1b", "tokens": tokens})
    error = reply.json()["error"]
    assert (reply.status, error["param"].replace("[...]", "[0]")) == (400, param)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/tokenize", {"prompt": "Hi"}),
        ("/v1/detokenize", {"tokens": [1]}),
        ("/v1/chat/completions/input_tokens", {"messages": HI}),
    ],
)
async def test_a_model_must_be_named_that_is_there(
    app: Litestar, path: str, fields: dict[str, object]
) -> None:
    missing = await post_json(app, path, fields)
    assert (missing.status, missing.json()["error"]["param"]) == (400, "model")
    unknown = await post_json(app, path, {"model": "no", **fields})
    assert (unknown.status, unknown.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_conversation_is_counted_as_its_answers_usage_does(app: Litestar) -> None:
    chat = {"messages": HI, "temperature": 0, "max_tokens": 3, "user": "me", "logprobs": True}
    reply = await told(app, "/v1/chat/completions/input_tokens", **chat)
    answer = await told(app, "/v1/chat/completions", **chat)
    assert reply == {
        "object": "response.input_tokens",
        "input_tokens": answer["usage"]["prompt_tokens"],
    }


@pytest.mark.parametrize("fields", [{"messages": HI, "n": 0}, {"messages": HI, "what": 1}])
async def test_what_a_chat_refuses_is_not_counted(app: Litestar, fields: dict[str, object]) -> None:
    ask = {"model": "tiny:1b", **fields}
    reply = await post_json(app, "/v1/chat/completions/input_tokens", ask)
    assert reply.status == 400
