"""Templates that mean harm: each is refused at load, soon, and without the memory it asks for."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from service.dialogue.message import Message
from service.dialogue.template import ChatTemplate
from service.errors import PackageCorrupt

_GROW = (
    "{{% set n = namespace(x='aaaaaaaa') %}}{{% for i in range(60) %}}{}{{% endfor %}}{{{{ n.x }}}}"
)
_NEST = "{{% set n = namespace(x=['a']) %}}{{% for i in range(60) %}}{}{{% endfor %}}{{{{ n.x }}}}"
_LONG = "{% set x = 'a' * 1000000 %}"

ESCAPES = {
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ cycler.__init__.__globals__ }}",
    "function": "{{ raise_exception.__globals__['os'] }}",
    "context": "{{ self._TemplateReference__context.vars }}",
    "format": "{{ '{0.__class__}'.format(messages) }}",
    "map": "{{ messages | map(attribute='__class__.__mro__') | list }}",
    "mutation": "{{ messages.append(1) }}",
}
SLOW = {
    "nested loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}"
    "{% endfor %}",
    "recursion": "{% macro f(n) %}{% if n < 60 %}{{ f(n + 1) }}{{ f(n + 1) }}{% endif %}"
    "{% endmacro %}{{ f(0) }}",
    "endless recursion": "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
    "one range": "{% for i in range(1000000000) %}{% endfor %}",
    "filters": "{% for i in range(9999) %}{{ range(99999) | map('string') | list | length }}"
    "{% endfor %}",
    "condition": "{% for i in range(99999) if range(99999) | sum < 0 %}{% endfor %}",
    "power": "{{ 10 ** 10 ** 10 ** 10 ** 10 }}",
    "squares": "{% set n = namespace(x=10) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}"
    "{% endfor %}",
    "comparison": _NEST.format("{% set n.x = [n.x, n.x] %}") + "{{ n.x == n.x }}",
}
NESTED = {
    "nested lists": _NEST.format("{% set n.x = [n.x, n.x] %}"),
    "nested tuples": _NEST.format("{% set n.x = (n.x, n.x) %}"),
    "nested mappings": _NEST.format("{% set n.x = {'a': n.x, 'b': n.x} %}"),
    "nested calls": _NEST.format("{% set n.x = dict(a=n.x, b=n.x) %}"),
    "nested batches": _NEST.format("{% set n.x = (n.x + n.x) | batch(9) | list %}"),
}
LARGE = {
    "repetition": "{{ 'a' * 1000000000 }}",
    "reversed repetition": "{{ 1000000000 * 'a' }}",
    "list": "{{ [0] * 1000000000 }}",
    "center": "{{ 'a' | center(1000000000) }}",
    "named width": "{{ 'a' | center(width=1000000000) }}",
    "mapped": "{{ ['a'] | map('center', 1000000000) | list }}",
    "ljust": "{{ 'a'.ljust(1000000000) }}",
    "zfill in a loop": "{% for i in [1] %}{{ 'a'.zfill(1000000000) }}{% endfor %}",
    "expandtabs": "{{ '\t'.expandtabs(1000000000) }}",
    "percent": "{{ '%1000000000d' % 1 }}",
    "starred percent": "{{ '%*d' % (1000000000, 1) }}",
    "format": "{{ '{:1000000000}'.format(1) }}",
    "nested format": "{{ '{:{}}'.format(1, 1000000000) }}",
    "format filter": "{{ '%1000000000d' | format(1) }}",
    "replace": _LONG + "{{ x.replace('a', x) }}",
    "replace filter": _LONG + "{{ x | replace('a', x) }}",
    "join": _LONG + "{{ x.join(x) }}",
    "join filter": _LONG + "{{ range(99999) | join(x) }}",
    "indent": "{{ ('a\n' * 100000) | indent(100000) }}",
    "wordwrap": "{{ ('a' * 100000) | wordwrap(1, wrapstring='a' * 100000) }}",
    "batch": "{{ [1] | batch(1000000000, 'x') | list }}",
    "slice": "{{ [] | slice(1000000000) | list }}",
    "json": "{{ [1] | tojson(indent=1000000000) }}",
    "plus": _GROW.format("{% set n.x = n.x + n.x %}"),
    "tilde": _GROW.format("{% set n.x = n.x ~ n.x %}"),
    "block": _GROW.format("{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}"),
    "literal text": "{% macro m() %}" + "a" * 9999 + "{% endmacro %}"
    "{% for i in range(99999) %}{{ m() }}{% endfor %}",
    "looped text": "{% for i in range(99999) %}" + "a" * 9999 + "{% endfor %}",
}
HOSTILE = {**ESCAPES, **SLOW, **NESTED, **LARGE}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_templates_are_refused_at_load_within_two_seconds(source: str) -> None:
    began_s = time.thread_time()
    with pytest.raises(PackageCorrupt, match="chat template was stopped"):
        ChatTemplate(source)
    assert time.thread_time() - began_s < 2


@pytest.mark.parametrize("source", LARGE.values(), ids=LARGE.keys())
def test_hostile_templates_do_not_get_their_memory(source: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(PackageCorrupt):
            ChatTemplate(source)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 100 << 20


def test_a_template_that_bides_its_time_is_stopped_when_it_strikes() -> None:
    template = ChatTemplate("{% if messages[0].content == 'now' %}{{ 'a' * 10 ** 9 }}{% endif %}")
    assert template.render([Message("user", "later")])
    with pytest.raises(PackageCorrupt, match="makes too much text"):
        template.render([Message("user", "now")])


def test_every_rendering_has_its_own_budget() -> None:
    template = ChatTemplate("{{ 'a' * 2000000 }}")
    for _ in range(5):
        assert len(template.render([Message("user", "x")])[0].text) == 2_000_000
