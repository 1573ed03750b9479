"""The last check of a finished output, fed what no mask should ever let through."""

from __future__ import annotations

import pytest

from service.dialogue.answer import CallDelta
from service.dialogue.tools.hermes import HERMES
from service.last_checks import LastChecks
from service.options import CallForm


def checks(*, are_due: bool) -> LastChecks:
    def check(name: str, arguments: str) -> str | None:
        return None if (name, arguments) == ("f", "{}") else "wrong"

    return LastChecks(None, CallForm(lambda: HERMES.parser(()), check, str, are_due=are_due))


@pytest.mark.parametrize("are_due", [True, False])
def test_calls_are_checked_one_by_one(are_due: bool) -> None:
    gathered = checks(are_due=are_due)
    gathered.gather("text", [CallDelta(0, "id", "f", "{"), CallDelta(0, arguments="}")])
    assert gathered.problem() is None
    gathered.gather("", [CallDelta(1, "id", "g", "{}")])
    assert gathered.problem() == "the call of 'g': wrong"


def test_an_answer_without_the_call_that_is_due_has_not_its_form() -> None:
    due, free = checks(are_due=True), checks(are_due=False)
    for gathered in (due, free):
        gathered.gather("Only text.", [])
    assert due.problem() == "there is no call"
    assert free.problem() is None
