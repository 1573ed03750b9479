"""Granite 3.x: a list behind a token."""

from service.dialogue.tools.json_calls import json_list

GRANITE = json_list("granite", opening="<|tool_call|>")
