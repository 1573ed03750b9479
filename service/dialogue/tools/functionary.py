"""Functionary v3.1, and Llama 3's own way with functions that are not built in."""

from service.dialogue.tools.json_calls import JsonCalls

FUNCTIONARY = JsonCalls(
    name="functionary",
    openings=("<function=",),
    before_name="",
    before_arguments=">",
    after_arguments="</function>",
    separator="<function=",
)
