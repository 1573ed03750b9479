"""Phi-4-mini: a list between two tokens, or behind a word."""

from service.dialogue.tools.json_calls import json_list

PHI_TOKENS = json_list("phi", opening="<|tool_call|>", closing="]<|/tool_call|>")

PHI_FUNCTOOLS = json_list("phi-functools", opening="functools")
