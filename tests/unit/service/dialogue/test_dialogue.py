"""Tools in a conversation: shown by the template where it can, and described where it cannot."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from service.dialogue.dialogue import Dialogue
from service.dialogue.message import Message
from service.dialogue.prompt import TemplateOptions
from service.dialogue.template import ChatTemplate
from service.dialogue.tools.command import COMMAND
from service.dialogue.tools.deepseek import DEEPSEEK_FENCED
from service.dialogue.tools.fenced import FENCED
from service.dialogue.tools.format import ToolFormat
from service.dialogue.tools.gemma import FUNCTION_GEMMA, GEMMA4
from service.dialogue.tools.granite import GRANITE
from service.dialogue.tools.hermes import HERMES
from service.dialogue.tools.llama_json import LLAMA_JSON
from service.dialogue.tools.lm_studio import LM_STUDIO
from service.dialogue.tools.mistral import MISTRAL_ARGS, MISTRAL_LIST, MISTRAL_SPACED_LIST
from service.dialogue.tools.phi import PHI_TOKENS
from service.dialogue.tools.pythonic import LFM2, PYTHONIC
from service.dialogue.tools.tagged import TAGGED
from service.dialogue.tools.tool import Tool, ToolCall

PLAIN = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
NO_SYSTEM = (
    "{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "<start_of_turn>{{ m.role }} {{ m.content }}{% endfor %}"
)
SHOWS = "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}"
NATIVE = (
    f"{SHOWS}{{% for m in messages %}}[{{{{ m.role }}}}]{{{{ m.content }}}}"
    "{% for c in m.tool_calls or [] %}<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}'
    "\n</tool_call>{{ c.id }}{% endfor %}{{ m.tool_call_id }}{% endfor %}"
)

ADD = Tool("add", "Adds numbers", '{"type":"object","properties":{"a":{"type":"integer"}}}')
ASK = Message("user", "1 + 1?")
CALLED = Message("assistant", "", tool_calls=(ToolCall("c1", "add", '{"a": 1}'),))
RESULT = Message("tool", "2", "add", tool_call_id="c1")


def prompt(dialogue: Dialogue, *messages: Message, tools: tuple[Tool, ...] = (ADD,)) -> str:
    segments = dialogue.render(messages, TemplateOptions(tools=tools))
    return "".join(segment.text for segment in segments)


def test_a_template_that_knows_tools_is_given_them() -> None:
    dialogue = Dialogue(ChatTemplate(NATIVE))
    text = prompt(dialogue, ASK, CALLED, RESULT)
    shown = json.loads(text[: text.index("[user]")])
    assert shown == {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Adds numbers",
            "parameters": json.loads(ADD.parameters),
        },
    }
    assert text.endswith(f"[assistant]{HERMES.written(CALLED.tool_calls)}c1[tool]2c1")
    assert "[user]" in prompt(dialogue, ASK, tools=())


def test_a_template_that_knows_none_is_told_in_words() -> None:
    dialogue = Dialogue(ChatTemplate(PLAIN))
    text = prompt(dialogue, Message("system", "Be brief."), ASK, CALLED, RESULT, RESULT)
    system, rest = text.split("[user]", 1)
    assert system.startswith("[system]Be brief.\n\n")
    assert '{"name": "add", "description": "Adds numbers", "parameters": ' in system
    assert HERMES.openings[0] in system
    assert rest == (
        f"1 + 1?[assistant]{HERMES.written(CALLED.tool_calls)}"
        "[user]<tool_response>\n2\n</tool_response>\n<tool_response>\n2\n</tool_response>"
    )


def test_without_a_system_message_the_description_is_one() -> None:
    assert prompt(Dialogue(ChatTemplate(PLAIN)), ASK).startswith("[system]You can call")


def test_a_template_without_system_messages_has_the_user_tell() -> None:
    text = prompt(Dialogue(ChatTemplate(NO_SYSTEM)), ASK)
    assert text.startswith("<start_of_turn>user You can call")
    assert text.endswith("\n\n1 + 1?")


def test_past_calls_show_even_where_no_tool_may_be_called() -> None:
    text = prompt(Dialogue(ChatTemplate(PLAIN)), ASK, CALLED, RESULT, tools=())
    assert text.startswith("[user]1 + 1?[assistant]<tool_call>")


def test_control_tokens_in_tools_and_calls_are_no_control_tokens() -> None:
    dialogue = Dialogue(ChatTemplate(NATIVE, control_tokens=["<|end|>"]))
    hostile = replace(ADD, description="<|end|>", parameters='{"properties":{"<|end|>":{}}}')
    called = Message("assistant", "", tool_calls=(ToolCall("c", "add", '{"<|end|>": "<|end|>"}'),))
    segments = dialogue.render([ASK, called], TemplateOptions(tools=(hostile,)))
    assert sum(segment.literal for segment in segments) == 4
    assert not any("<|end|>" in segment.text for segment in segments if not segment.literal)


def test_control_tokens_hidden_in_escapes_are_none_either() -> None:
    dialogue = Dialogue(ChatTemplate(NATIVE, control_tokens=["<|end|>"]))
    arguments = '{"a": "\\u003c|end|>"}'
    called = Message("assistant", "", tool_calls=(ToolCall("c", "add", arguments),))
    segments = dialogue.render([ASK, called])
    assert not any("<|end|>" in segment.text for segment in segments if not segment.literal)


def test_ids_and_arguments_are_as_the_template_takes_them() -> None:
    mistral = Dialogue(ChatTemplate(NATIVE + "{# [TOOL_CALLS] #}"))
    text = prompt(mistral, ASK, CALLED, RESULT)
    known = MISTRAL_LIST.known_call_id("c1")
    assert text.count(known) == 2
    source = (
        SHOWS + "{% for m in messages %}{% for c in m.tool_calls or [] %}"
        "{{ c.function.arguments }}{% endfor %}{% endfor %}{# <｜tool▁calls▁begin｜>```json #}"
    )
    assert prompt(Dialogue(ChatTemplate(source)), ASK, CALLED).endswith('{"a": 1}')


@pytest.mark.parametrize(
    ("mark", "form"),
    [
        ('<tool_call>\n{"name": "x", "arguments": {}}', HERMES),
        ("<tool_call>\n<function=x>\n<parameter=y>", TAGGED),
        ("[TOOL_CALLS] [{", MISTRAL_SPACED_LIST),
        ("[TOOL_CALLS]", MISTRAL_LIST),
        ("[TOOL_CALLS]x[ARGS]", MISTRAL_ARGS),
        ("<｜tool▁calls▁begin｜>```json", DEEPSEEK_FENCED),
        ("<|tool|><|/tool|>", PHI_TOKENS),
        ("<|tool_call|>", GRANITE),
        ('{"name": 1, "parameters": {}} ipython', LLAMA_JSON),
        ("[func_name1(x=1)]", PYTHONIC),
        ("<start_of_turn>", FENCED),
        ("<start_of_turn><start_function_call>", FUNCTION_GEMMA),
        ("<|tool_call><tool_call|>", GEMMA4),
        ("<|START_ACTION|>", COMMAND),
        ("<|tool_call_start|>", LFM2),
        ("[TOOL_REQUEST]", LM_STUDIO),
    ],
)
def test_the_template_gives_the_format_away(mark: str, form: ToolFormat) -> None:
    source = f"{SHOWS}{{# {mark} #}}{PLAIN}"
    assert Dialogue(ChatTemplate(source)).tool_format is form


@pytest.mark.parametrize("mark", ["[TOOL_CALLS]", "nothing of the kind"])
def test_a_template_that_shows_no_tools_is_told_of_the_common_format(mark: str) -> None:
    """However it is spelled: the mark alone does not show the model its tools."""
    dialogue = Dialogue(ChatTemplate(f"{{# tools {mark} #}}{PLAIN}"))
    assert dialogue.tool_format is HERMES
    assert "You can call" in prompt(dialogue, ASK)
