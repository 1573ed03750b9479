"""Mistral 7B v0.3 to Small 3 (a list), and Ministral and what came after it (name and arguments).

Their templates take ids of nine letters and digits, and no others.
"""

from dataclasses import replace

from service.dialogue.tools.call_ids import CallIds
from service.dialogue.tools.json_calls import JsonCalls, json_list

_IDS = CallIds(num_chars=9)

MISTRAL_LIST = replace(json_list("mistral-list", opening="[TOOL_CALLS]"), call_ids=_IDS)

MISTRAL_SPACED_LIST = replace(MISTRAL_LIST, name="mistral-spaced-list", before_calls=" [")
"""Of the first tokenizers, in which a word brings its space along."""

MISTRAL_ARGS = JsonCalls(
    name="mistral-args",
    openings=("[TOOL_CALLS]",),
    before_name="",
    before_arguments="[ARGS]",
    separator="[TOOL_CALLS]",
    call_ids=_IDS,
)
