from __future__ import annotations

from datetime import datetime

import pytest

from service.dialogue.message import Message
from service.dialogue.prompt import DEFAULT_OPTIONS, TemplateOptions
from service.dialogue.template import ChatTemplate
from service.errors import PackageCorrupt, RequestError
from service.text.segment import Segment
from tests.unit.service.dialogue.samples import CHATML, LLAMA2, LLAMA3, MISTRAL, ZEPHYR

CONTINUED = TemplateOptions(continues_final_message=True)
HELLO = [Message("user", " hello\n")]
CHAT = [Message("user", "hi"), Message("assistant", " yes "), Message("user", "thanks")]


def _text(
    template: ChatTemplate, messages: list[Message], options: TemplateOptions = DEFAULT_OPTIONS
) -> str:
    segments = template.render(messages, options)
    return "".join(segment.text for segment in segments)


def _rendered(source: str, messages: list[Message] = HELLO) -> str:
    return _text(ChatTemplate(source, bos_token="<s>", eos_token="</s>"), messages)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            CHATML,
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
            "<|im_start|>assistant\n yes <|im_end|>\n<|im_start|>user\nthanks<|im_end|>\n"
            "<|im_start|>assistant\n",
        ),
        (
            LLAMA3,
            "<s><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nyes<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nthanks<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (LLAMA2, "<s>[INST] hi [/INST] yes </s><s>[INST] thanks [/INST]"),
        (MISTRAL, "<s>[INST] hi [/INST] yes </s>[INST] thanks [/INST]"),
        (
            ZEPHYR,
            "<|user|>\nhi</s>\n<|assistant|>\n yes </s>\n<|user|>\nthanks</s>\n<|assistant|>\n",
        ),
    ],
    ids=["chatml", "llama3", "llama2", "mistral", "zephyr"],
)
def test_known_styles(source: str, expected: str) -> None:
    assert _rendered(source, CHAT) == expected


@pytest.mark.parametrize("source", [CHATML, LLAMA2, LLAMA3, MISTRAL, ZEPHYR])
def test_a_final_message_can_be_continued(source: str) -> None:
    """The prompt ends where the message does, with its own last space, and not with its end."""
    template = ChatTemplate(source, bos_token="<s>", eos_token="</s>")
    messages = [Message("user", "hi"), Message("assistant", "It is ")]
    assert _text(template, messages, CONTINUED).endswith("It is ")
    assert not _text(template, messages).endswith("It is ")


def test_a_final_message_that_the_template_leaves_out_cannot_be_continued() -> None:
    template = ChatTemplate("{{ messages[0].content }}")
    with pytest.raises(RequestError) as raised:
        template.render(CHAT, CONTINUED)
    assert raised.value.param == "continue_final_message"


def test_a_template_gets_the_variables_that_it_knows() -> None:
    template = ChatTemplate("{{ 'deep' if enable_thinking else 'quick' }}")
    for value, text in ((True, "deep"), (False, "quick")):
        options = TemplateOptions((("enable_thinking", value),))
        assert _text(template, HELLO, options) == text
    with pytest.raises(RequestError) as raised:
        template.render(HELLO, TemplateOptions((("thinking", True),)))
    assert raised.value.param == "chat_template_kwargs.thinking"


def test_thoughts_and_call_ids_reach_the_template() -> None:
    source = "{% for m in messages %}{{ m.reasoning_content }}|{{ m.tool_call_id }};{% endfor %}"
    messages = [
        Message("assistant", "a", reasoning="hm"),
        Message("tool", "b", tool_call_id="call_1"),
    ]
    assert _rendered(source, messages) == "hm|;|call_1;"


def test_names_are_given_only_where_there_are_any() -> None:
    source = "{% for m in messages %}{{ m.name is defined }} {{ m.name }};{% endfor %}"
    assert _rendered(source, [Message("user", "a", "Ann"), Message("user", "b")]) == (
        "True Ann;False ;"
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% for m in messages %}\n  {% if true %}\nx\n  {% endif %}\n{% endfor %}\n", "x\n"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{% for i in range(3) if i != 1 %}{{ i }}{% else %}none{% endfor %}", "02"),
        ("{% for a, b in [(1, 2), (3, 4)] %}{{ a ~ b }}{% endfor %}", "1234"),
        ("{% set a, b = 1, 2 %}{{ b }}{{ a }}", "21"),
        ("a{% generation %}{{ 'b' }}{% endgeneration %}c", "abc"),
        ("{{ tools is none }}{{ documents is none }}{{ nothing is defined }}", "TrueTrueFalse"),
        ("{{ '%s-%d' % ('a', 1) }}{{ '{}'.format(2) }}{{ '%s' | format(3) }}", "a-123"),
        ("{{ {'b': '<é>', 'a': [1]} | tojson }}", '{"b": "<é>", "a": [1]}'),
        ("{{ [1, {}] | tojson(indent=2) }}", "[\n  1,\n  {}\n]"),
        ("{{ {'b': 1, 'a': 2} | tojson(separators=(',', ':'), sort_keys=true) }}", '{"a":2,"b":1}'),
        ("{{ 'é' | tojson(ensure_ascii=true) }}", '"\\u00e9"'),
        ("{{ strftime_now('%d %b %Y') }}", "05 Apr 2024"),
        ("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m('a') }}{{ m(x='b') }}", "[a][b]"),
        ("{% set n = namespace(x=0) %}{% for i in [1, 2] %}{% set n.x = n.x + i %}{% endfor %}"
         "{{ n.x }}", "3"),
        ("{{ messages[::-1][0].content | trim | upper }}", "HELLO"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "1"),
        ("{{ ['a', 'b'] | join(', ') }}{{ '-'.join(['c', 'd']) }}", "a, bc-d"),
        ("{{ 'a\nb' | indent(2) }}{{ 'x' * 3 }}{{ 2 ** 3 * 2 }}{{ [0] * 2 }}", "a\n  bxxx16[0, 0]"),
        ("{{ dict(a=1).items() | list }}{{ 'a,b'.split(',') }}", "[('a', 1)]['a', 'b']"),
    ],
)  # fmt: skip
def test_templates_find_what_transformers_gives_them(source: str, expected: str) -> None:
    template = ChatTemplate(source, now=lambda: datetime(2024, 4, 5))
    assert _text(template, HELLO) == expected


@pytest.mark.parametrize(
    ("source", "messages", "reason"),
    [
        (LLAMA2, [Message("user", "a"), Message("user", "b")], "Roles must alternate"),
        (MISTRAL, [Message("system", "a")], "Only user and assistant roles are supported!"),
        (LLAMA2, [Message("assistant", "a")], "Roles must alternate"),
    ],
)
def test_a_templates_refusal_is_passed_on(
    source: str, messages: list[Message], reason: str
) -> None:
    with pytest.raises(RequestError, match=reason) as caught:
        _rendered(source, messages)
    assert (caught.value.status, caught.value.param) == (400, "messages")


@pytest.mark.parametrize("source", ["{{ messages[5].content + 'x' }}", "{{ 1 / 0 }}{{ a.b.c }}"])
def test_messages_that_a_template_cannot_express_are_the_requests_fault(source: str) -> None:
    with pytest.raises(RequestError, match="cannot render the messages") as caught:
        _rendered(source)
    assert caught.value.param == "messages"


def test_a_conversation_needs_messages() -> None:
    with pytest.raises(RequestError, match="at least one message") as caught:
        ChatTemplate(CHATML).render([])
    assert caught.value.param == "messages"


def test_a_model_without_a_template_is_no_chat_model() -> None:
    with pytest.raises(RequestError, match=r"not a chat model.*completions"):
        ChatTemplate(None).render(HELLO)


@pytest.mark.parametrize(
    "source",
    ["{% if %}", "{{ a", "{% nothing %}", "{{ 1 | unheard }}", "{{ " + "(" * 3000 + " }}"],
)
def test_what_does_not_compile_is_refused_at_load(source: str) -> None:
    with pytest.raises(PackageCorrupt, match="does not compile"):
        ChatTemplate(source)


def test_an_endless_source_is_refused_at_load() -> None:
    with pytest.raises(PackageCorrupt, match="longer than 65536 characters"):
        ChatTemplate("{{a}}" * 100_000)


def test_long_conversations_stay_within_the_budget() -> None:
    source = (
        "{% for m in messages %}"
        "{% if loop.index0 == messages | length - 1 %}{{ 'LAST' }}{% endif %}"
        "{{ '<' + m.role + '>' + m.content | trim + '</>' }}{% endfor %}"
    )
    messages = [Message("user", "word " * 200)] * 1000
    assert _rendered(source, messages).count("LAST") == 1
    assert len(_rendered(source, [Message("user", "x" * 8_000_000)])) > 8_000_000


def test_without_control_tokens_in_the_messages_all_is_template_text() -> None:
    template = ChatTemplate(CHATML, control_tokens=["<|im_end|>"])
    assert [segment.literal for segment in template.render(CHAT)] == [False]


def test_control_tokens_in_the_messages_are_literal() -> None:
    template = ChatTemplate("{{ messages[0].content }}<e>", control_tokens=["<e>"])
    assert template.render([Message("user", "a<e>b<e>")]) == [
        Segment("a"),
        Segment("<e>", literal=True),
        Segment("b"),
        Segment("<e>", literal=True),
        Segment("<e>"),
    ]
