"""Llama 3.1, 3.2 and 3.3: one object after another, with or without a token before them."""

from service.dialogue.tools.json_calls import JsonCalls

LLAMA_JSON = JsonCalls(
    name="llama-json",
    openings=("", "<|python_tag|>"),
    before_name='{"name": "',
    before_arguments='", "parameters": ',
    after_arguments="}",
    separator="; ",
    takes_one_call=True,
)
