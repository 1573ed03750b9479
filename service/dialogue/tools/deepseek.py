"""DeepSeek R1 and V3 (JSON in a fence), and V3.1 (bare JSON)."""

from service.dialogue.tools.json_calls import JsonCalls

DEEPSEEK_FENCED = JsonCalls(
    name="deepseek-fenced",
    openings=("<｜tool▁calls▁begin｜>",),
    before_name="<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
    before_arguments="\n```json\n",
    after_arguments="\n```<｜tool▁call▁end｜>",
    separator="\n",
    closing="<｜tool▁calls▁end｜>",
    arguments_are_text=True,
)

DEEPSEEK = JsonCalls(
    name="deepseek",
    openings=("<｜tool▁calls▁begin｜>",),
    before_name="<｜tool▁call▁begin｜>",
    before_arguments="<｜tool▁sep｜>",
    after_arguments="<｜tool▁call▁end｜>",
    closing="<｜tool▁calls▁end｜>",
    arguments_are_text=True,
)
