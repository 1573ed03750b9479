"""What the fields of a request mean for a generation and for the prompt."""

from __future__ import annotations

from collections.abc import Collection

from service.api.effort import effort_variables
from service.api.facade import Model
from service.api.forms import ANY_OBJECT, AskedForm, schema_form
from service.api.openai.parameters import whole
from service.api.openai.responses.schema import (
    LOGPROBS,
    InputTokensRequest,
    JsonObject,
    JsonSchema,
    ResponsesRequest,
)
from service.api.openai.structured_outputs import with_structured
from service.api.sampling import sampling_params, stop_texts
from service.api.tools import AnswerForms
from service.dialogue.prompt import ChatPrompt, TemplateOptions
from service.dialogue.tools.tool import Tool
from service.errors import RequestError, UnsupportedParameter
from service.options import GenerationOptions


def check_prompt(wire: InputTokensRequest) -> None:
    """Raises UnsupportedParameter for values that are not honoured."""
    if wire.text is not None:
        _check_one_of(wire.text.verbosity, ("medium",), "text.verbosity")
    if wire.reasoning is not None:
        _check_one_of(wire.reasoning.summary, ("auto",), "reasoning.summary")
        _check_one_of(wire.reasoning.generate_summary, ("auto",), "reasoning.generate_summary")
        _check_one_of(wire.reasoning.context, ("auto",), "reasoning.context")
        _check_one_of(wire.reasoning.mode, ("standard",), "reasoning.mode")


def check(wire: ResponsesRequest) -> None:
    """The same, and RequestError for fields that contradict each other."""
    check_prompt(wire)
    if wire.top_logprobs and not wire.wants_logprobs:
        raise RequestError(
            f"'top_logprobs' is only allowed when 'include' has {LOGPROBS!r}.",
            param="top_logprobs",
        )


def template_options(
    wire: InputTokensRequest, model: Model, tools: tuple[Tool, ...]
) -> TemplateOptions:
    """Raises UnsupportedParameter for an effort that the model's template cannot ask for."""
    if wire.reasoning is None or wire.reasoning.effort is None:
        return TemplateOptions(tools=tools)
    variables = effort_variables(wire.reasoning.effort, model, param="reasoning.effort")
    return TemplateOptions(tuple(variables.items()), tools=tools)


def asked_form(wire: ResponsesRequest) -> AskedForm | None:
    """What the text is to be held to, None for free text. Raises RequestError."""
    return with_structured(_formatted(wire), wire.structured_outputs, format_param="text.format")


def _formatted(wire: ResponsesRequest) -> AskedForm | None:
    match None if wire.text is None else wire.text.format:
        case JsonObject():
            return schema_form(ANY_OBJECT, "text.format")
        case JsonSchema(schema=schema, strict=strict):
            source = bytes(schema)
            return schema_form(source, "text.format.schema", coerces_one_of=strict is False)
        case _:
            return None


def generation_options(
    wire: ResponsesRequest, model: Model, prompt: ChatPrompt, forms: AnswerForms
) -> GenerationOptions:
    max_tokens = whole(wire.max_output_tokens, "max_output_tokens")
    return GenerationOptions(
        max_tokens=model.defaults.max_tokens if max_tokens is None else max_tokens,
        sampling=sampling_params(model.defaults, temperature=wire.temperature, top_p=wire.top_p),
        stop=stop_texts(None, model.defaults, forms.form),
        num_logprobs=(wire.top_logprobs or 0) if wire.wants_logprobs else None,
        splits_reasoning=prompt.may_reason,
        starts_in_reasoning=prompt.starts_in_reasoning,
        form=forms.form,
        calls=forms.calls,
        prompt_param="input",
    )


def _check_one_of(value: object, allowed: Collection[str], param: str) -> None:
    if value is not None and value not in allowed:
        raise UnsupportedParameter(
            f"The parameter {param!r} is not supported; it may be left out or be one of: "
            f"{', '.join(allowed)}.",
            param=param,
        )
