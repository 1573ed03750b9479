"""gpt-oss: one call an answer, as a message to a function. The style of its answers
(`styles/harmony.py`) gives each the same header, whichever of its own the model wrote."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from service.dialogue.tools.json_calls import JsonCallParser, JsonCalls
from service.dialogue.tools.syntax import Choice, JsonText, Literal, Part, sequence
from service.dialogue.tools.tool import Tool

_CHANNEL = "<|channel|>commentary"
_HEADS_END = (
    " <|constrain|>json<|message|>",
    f"{_CHANNEL} json<|message|>",
    f"{_CHANNEL} <|constrain|>json<|message|>",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmonyCalls(JsonCalls):
    """A ToolFormat."""

    def calls(self, tools: Sequence[Tool], *, at_most_one: bool) -> Part:  # noqa: ARG002  there is no second
        """One, `at_most_one` or not: behind a call the model waits for its result."""
        head_ends = Choice(tuple(map(Literal, _HEADS_END)))
        return Choice(
            tuple(
                sequence(Literal(tool.name), head_ends, JsonText(tool.parameters)) for tool in tools
            )
        )

    def parser(self, tools: Collection[Tool]) -> JsonCallParser:  # noqa: ARG002  calls have marks
        return JsonCallParser(replace(self, openings=self.openings[:1]), ())


HARMONY = HarmonyCalls(
    name="harmony",
    openings=(f"{_CHANNEL} to=functions.", " to=functions."),
    before_name="",
    before_arguments=_HEADS_END[0],
    separator=f"<|call|><|start|>assistant{_CHANNEL} to=functions.",
    takes_one_call=True,
)
