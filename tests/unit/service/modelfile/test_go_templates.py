"""Go templates of well-known shapes, with what Ollama's own engine makes of them."""

from __future__ import annotations

import pytest

from service.dialogue.message import Message
from service.dialogue.prompt import TemplateOptions
from service.dialogue.template import ChatTemplate
from service.errors import RequestError
from service.modelfile.templates import is_go_template, to_jinja

CHATML = """{{ if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{ if .Prompt }}<|im_start|>user
{{ .Prompt }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ .Response }}<|im_end|>
"""
LLAMA2 = "[INST] <<SYS>>{{ .System }}<</SYS>>\n\n{{ .Prompt }} [/INST]\n"
MESSAGES = """{{- if .System }}<s>{{ .System }}</s>
{{- end }}
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if eq .Role "user" }}<user>{{ .Content }}</user>
{{- if and $.Tools $last }}TOOLS{{ end }}
{{- else if eq .Role "assistant" }}<bot>{{ .Content }}{{ if not $last }}</bot>{{ end }}
{{- end }}
{{- if and (ne .Role "assistant") $last }}<bot>{{ end }}
{{- end }}"""
NAMED = '{{ range .Messages }}<|{{ .Role }}|>{{ .Content }}{{ end }}{{ "<|assistant|>" }}'

_SYSTEM, _HI = Message("system", "S"), Message("user", "Hi")
_YES, _BYE = Message("assistant", "Yes"), Message("user", "Bye")


def _rendered(source: str, *messages: Message, continues: bool = False) -> str:
    template = ChatTemplate(to_jinja(source), bos_token="<bos>")
    options = TemplateOptions(continues_final_message=continues)
    return "".join(segment.text for segment in template.render(messages, options))


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([_HI], "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"),
        (
            [_SYSTEM, _HI],
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\n",
        ),
        (
            [_SYSTEM, _HI, _YES, _BYE],
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\nYes<|im_end|>\n"
            "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            [_HI, _BYE],
            "<|im_start|>user\nHi\n\nBye<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            [_HI, _SYSTEM, _BYE],
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n"
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
            "<|im_start|>assistant\n",
        ),
    ],
)
def test_a_template_of_prompts_is_used_once_for_each_exchange(
    messages: list[Message], expected: str
) -> None:
    assert _rendered(CHATML, *messages) == expected


def test_an_answer_can_be_continued() -> None:
    started = _rendered(CHATML, _HI, _YES, continues=True)
    assert started == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes"


def test_an_answer_that_is_not_continued_ends_before_the_next_begins() -> None:
    assert _rendered(CHATML, _HI, _YES).endswith("Yes<|im_end|>\n<|im_start|>assistant\n")


def test_a_template_without_a_response_gets_it_at_its_end() -> None:
    expected = "[INST] <<SYS>>S<</SYS>>\n\nHi [/INST]\nYes[INST] <<SYS>><</SYS>>\n\nBye [/INST]\n"
    assert _rendered(LLAMA2, _SYSTEM, _HI, _YES, _BYE) == expected


def test_a_template_of_messages_is_used_once() -> None:
    assert _rendered(MESSAGES, _SYSTEM, _HI) == "<s>S</s><user>Hi</user><bot>"
    assert (
        _rendered(MESSAGES, _HI, _YES, _BYE) == "<user>Hi</user><bot>Yes</bot><user>Bye</user><bot>"
    )
    assert _rendered(MESSAGES, _HI, _YES, continues=True) == "<user>Hi</user><bot>Yes"
    assert _rendered(NAMED, _SYSTEM, _HI) == "<|system|>S<|user|>Hi<|assistant|>"


def test_messages_of_one_role_that_follow_each_other_are_one() -> None:
    assert _rendered(NAMED, _HI, _BYE) == "<|user|>Hi\n\nBye<|assistant|>"


def test_a_long_conversation_fits_the_budget_of_templates() -> None:
    turns = [Message(("user", "assistant")[i % 2], f"turn {i}") for i in range(601)]
    assert _rendered(NAMED, *turns).count("turn") == 601


def test_texts_are_told_as_they_are() -> None:
    source = '{% raw %}"quotes" \\ back{{/* gone */}} 🙂 {{ `a"b` }}{{ .Prompt }}'
    assert _rendered(source, _HI) == '{% raw %}"quotes" \\ back 🙂 a"bHi'


def test_white_space_is_trimmed_where_the_actions_say_so() -> None:
    assert _rendered("a \n {{- .Prompt -}} \n b", _HI) == "aHib"
    assert _rendered("a \n {{- .Prompt }} \n {{ .Response }}b", _HI) == "aHi \n "


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("and .System .Prompt", False),
        ("or .System .Prompt", True),
        ("not .System", True),
        ('eq .Prompt "x" "Hi"', True),
        ('ne .Prompt "Hi"', False),
        ("gt (len .Prompt) 1", True),
        ('and (eq .Prompt "Hi") (not .Tools)', True),
        ("true", True),
        ('eq (index $.Messages 0).Role "user"', None),
    ],
)
def test_conditions(condition: str, holds: bool | None) -> None:
    source = f"{{{{ if {condition} }}}}yes{{{{ else }}}}no{{{{ end }}}}{{{{ .Prompt }}}}"
    if holds is None:
        with pytest.raises(ValueError, match="not supported"):
            to_jinja(source)
        return
    assert _rendered(source, _HI) == ("yesHi" if holds else "noHi")


def test_with_and_variables() -> None:
    source = "{{ $p := .Prompt }}{{ with .System }}[{{ . }}]{{ else }}none{{ end }}{{ $p }}"
    assert _rendered(source, _SYSTEM, _HI) == "[S]Hi"
    assert _rendered(source, _HI) == "noneHi"


def test_the_first_token_is_put_where_the_model_wants_one() -> None:
    template = ChatTemplate(to_jinja(NAMED, bos_text="<bos>"), bos_token="<bos>")
    rendered = "".join(segment.text for segment in template.render([_HI]))
    assert rendered == "<bos><|user|>Hi<|assistant|>"
    assert "bos_token" not in to_jinja("<bos>" + NAMED, bos_text="<bos>")


def test_jinja_stays_as_it_is() -> None:
    source = "{% for m in messages %}{{ m.content }}{{- '<x>' }}{% endfor %}"
    assert not is_go_template(source)
    assert to_jinja(source) == source


def test_a_role_that_the_template_cannot_show_is_refused() -> None:
    with pytest.raises(RequestError, match="no messages of role tool"):
        _rendered(NAMED, _HI, Message("tool", "42"))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ .Prompt", "neither|not closed"),
        ("{{ if .Prompt }}x", "an end is missing"),
        ("{{ .Prompt }}{{ end }}", "no beginning"),
        ("{{ .Prompt }}{{ else }}", "no beginning"),
        ("{{ .Unknown }}{{ .Prompt }}", "'.Unknown' is not supported"),
        ("{{ $x }}{{ .Prompt }}", "not set"),
        ('{{ $x := "" }}{{ $x = "a" }}{{ .Prompt }}', "cannot be changed"),
        ('{{ define "x" }}{{ end }}{{ .Prompt }}', "'define' is not supported"),
        ("{{ range .Prompt }}{{ end }}", "only messages"),
        ("{{ .Prompt | upper }}", "'|' is not supported"),
        ("{{ printf .Prompt }}{{ .Response }}", "'printf' is not supported"),
        ("{{ . }}{{ .Prompt }}", "alone is not supported"),
        ("{{ .System }}", "neither .Prompt nor .Messages"),
        ("{{ if }}{{ end }}{{ .Prompt }}", "not complete"),
        ("{{ if eq .Prompt }}{{ end }}", "'eq' has 1 arguments"),
        ("{{ if (eq .Prompt 1 }}{{ end }}", "bracket|not"),
        ("{{ .Prompt }}{{ @ }}", "not understood"),
    ],
)
def test_what_has_no_counterpart_is_refused(source: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        to_jinja(source + "{{ .Response }}" if 'Prompt"' in source else source)
    assert "\n" not in str(refused.value)
