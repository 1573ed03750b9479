"""How hard a model is to think, in the words that its chat template has for it."""

from __future__ import annotations

from collections.abc import Mapping

from service.api.facade import Model
from service.dialogue.prompt import TemplateValue
from service.errors import UnsupportedParameter


def effort_variables(effort: str, model: Model, *, param: str) -> Mapping[str, TemplateValue]:
    """The variable that makes the model think so hard; none where it already does.

    "none" is not to think at all. Raises UnsupportedParameter, naming `param`, for an effort that
    the model's template cannot ask for.
    """
    if model.knows_variable("reasoning_effort") and effort != "none":
        return {"reasoning_effort": effort}
    if model.knows_variable("enable_thinking") and effort in ("none", "medium"):
        return {"enable_thinking": effort != "none"}
    if effort == "none" and not model.may_reason:
        return {}
    raise UnsupportedParameter(
        f"The model has no reasoning effort {effort!r} that could be asked for.", param=param
    )
