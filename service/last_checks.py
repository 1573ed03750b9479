"""The last of several safeguards on an output's form, which nothing should ever reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from service.dialogue.answer import CallDelta
from service.options import CallForm, OutputForm


class LastChecks:
    """Gathers one output and, once it is finished, checks it against what it was held to."""

    def __init__(self, form: OutputForm | None, call_form: CallForm | None) -> None:
        self._form = form
        self._call_form = call_form
        self._content: list[str] = []
        self._names: dict[int, str] = {}
        self._arguments: defaultdict[int, list[str]] = defaultdict(list)

    def gather(self, content: str, calls: Sequence[CallDelta]) -> None:
        """Takes the next piece."""
        self._content.append(content)
        for call in calls:
            if call.name is not None:
                self._names[call.index] = call.name
            self._arguments[call.index].append(call.arguments)

    def problem(self) -> str | None:
        """What is wrong with the finished output, None if nothing is. Takes its time."""
        if self._call_form is not None:
            if self._call_form.are_due and not self._names:
                return "there is no call"
            for index, name in self._names.items():
                problem = self._call_form.check(name, "".join(self._arguments[index]))
                if problem is not None:
                    return f"the call of {name!r}: {problem}"
        if self._names or self._form is None or self._form.check is None:
            return None
        return self._form.check("".join(self._content))
