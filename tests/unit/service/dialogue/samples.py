"""Chat templates in the styles of well-known models, and the tokens that belong to them."""

from __future__ import annotations

from dataclasses import dataclass

import tokenizers

from service.dialogue.template import ChatTemplate
from tests.unit.service.text.samples import (
    CHATML_TOKENS,
    LLAMA3_TOKENS,
    byte_level,
    sentencepiece,
)

CHATML = """\
{%- for message in messages -%}
{%- if loop.first and message.role != 'system' -%}
{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}
{%- endif -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""

LLAMA3 = """\
{%- for message in messages -%}
{%- set turn = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'
      + message['content'] | trim + '<|eot_id|>' -%}
{%- if loop.index0 == 0 %}{% set turn = bos_token + turn %}{% endif -%}
{{ turn }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif -%}
"""

LLAMA2 = """\
{%- if messages[0].role == 'system' -%}
{%- set preamble = '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' -%}
{%- set turns = messages[1:] -%}
{%- else -%}
{%- set preamble = '' %}{% set turns = messages -%}
{%- endif -%}
{%- for turn in turns -%}
{%- if (turn.role == 'user') != (loop.index0 % 2 == 0) -%}
{{ raise_exception('Roles must alternate: user, assistant, user, ...') }}
{%- endif -%}
{%- set content = preamble + turn.content if loop.first else turn.content -%}
{%- if turn.role == 'user' -%}
{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
{%- else -%}
{{ ' ' + content.strip() + ' ' + eos_token }}
{%- endif -%}
{%- endfor -%}
"""

MISTRAL = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{{ '[INST] ' ~ message['content'] ~ ' [/INST]' }}
{%- elif message['role'] == 'assistant' -%}
{{ message['content'] ~ eos_token }}
{%- else -%}
{{ raise_exception('Only user and assistant roles are supported!') }}
{%- endif -%}
{%- endfor -%}
"""

ZEPHYR = """\
{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n' + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
"""


@dataclass(frozen=True)
class Style:
    """A template, and a tokenizer as its models have."""

    source: str
    tokenizer: tokenizers.Tokenizer
    control_tokens: tuple[str, ...]
    bos_token: str | None
    eos_token: str

    def template(self) -> ChatTemplate:
        return ChatTemplate(
            self.source,
            bos_token=self.bos_token,
            eos_token=self.eos_token,
            control_tokens=self.control_tokens,
        )


_PIECES = ("<unk>", "<s>", "</s>")
STYLES = {
    "chatml": Style(CHATML, byte_level(), CHATML_TOKENS, None, "<|im_end|>"),
    "llama3": Style(
        LLAMA3, byte_level(LLAMA3_TOKENS), LLAMA3_TOKENS, "<|begin_of_text|>", "<|eot_id|>"
    ),
    "llama2": Style(LLAMA2, sentencepiece(first_only=False), _PIECES, "<s>", "</s>"),
    "mistral": Style(MISTRAL, sentencepiece(first_only=True), _PIECES, "<s>", "</s>"),
    "zephyr": Style(ZEPHYR, sentencepiece(first_only=True), _PIECES, "<s>", "</s>"),
}
