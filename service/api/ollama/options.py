"""From a request's fields to what is asked of a generation."""

from __future__ import annotations

from service.api.effort import effort_variables
from service.api.facade import Model
from service.api.forms import ANY_OBJECT, AskedForm, schema_form
from service.api.ollama.schema import AnswerRequest, Options, Think
from service.api.sampling import first, sampling_params, stop_texts
from service.api.tools import AnswerForms
from service.dialogue.prompt import ChatPrompt, TemplateValue
from service.errors import RequestError, UnsupportedParameter
from service.modelfile.parameters import parameters_from
from service.options import GenerationOptions
from service.store.overrides import Overrides, Parameters, request_defaults

_TEMPERATURE = 0.8
_TOP_P = 0.9
_TOP_K = 40
"""Ollama's defaults where neither the request nor the model says anything."""


def asked_parameters(options: Options | None) -> Parameters:
    """Raises UnsupportedParameter and RequestError, naming the option."""
    return parameters_from(options or {}, param="options")


def load_overrides(asked: Parameters, template: str | None = None) -> Overrides:
    """What of a request decides how its model is loaded and spoken to."""
    return Overrides(parameters=Parameters(num_ctx=asked.num_ctx), template=template or None)


def generation_options(
    wire: AnswerRequest,
    asked: Parameters,
    model: Model,
    prompt: ChatPrompt | None,
    forms: AnswerForms,
    *,
    continues_text: bool,
    prompt_param: str,
) -> GenerationOptions:
    """`asked` are the options, which come before the model's own; `prompt` is None where there is
    no conversation."""
    defaults = request_defaults(model.manifest.generation, asked.over(model.parameters))
    return GenerationOptions(
        max_tokens=defaults.max_tokens,
        sampling=sampling_params(
            defaults,
            temperature=first(defaults.temperature, _TEMPERATURE),
            top_p=first(defaults.top_p, _TOP_P),
            top_k=int(first(defaults.top_k, _TOP_K)),
        ),
        stop=stop_texts(asked.stop, defaults, forms.form),
        num_logprobs=(wire.top_logprobs or 0) if wire.logprobs else None,
        continues_text=continues_text,
        splits_reasoning=prompt is not None and prompt.may_reason,
        starts_in_reasoning=prompt is not None and prompt.starts_in_reasoning,
        form=forms.form,
        calls=forms.calls,
        prompt_param=prompt_param,
    )


def check_answer(wire: AnswerRequest, asked: Parameters) -> None:
    """Raises RequestError for fields that contradict each other."""
    if wire.top_logprobs and not wire.logprobs:
        raise RequestError(
            "'top_logprobs' is only allowed when 'logprobs' is true.", param="top_logprobs"
        )
    if asked.stop and asked_form(wire) is not None:
        raise RequestError(
            "'options.stop' cannot be combined with an answer of a given 'format', which ends by "
            "itself.",
            param="options.stop",
        )


def asked_form(wire: AnswerRequest) -> AskedForm | None:
    """What the answer is to be held to, None for free text. Raises RequestError."""
    raw = bytes(wire.format)
    if raw in (b"null", b'""'):
        return None
    if raw == b'"json"':
        return schema_form(ANY_OBJECT, "format")
    if raw[:1] == b"{":
        return schema_form(raw, "format")
    raise RequestError("Invalid value for 'format': expected \"json\" or a schema.", param="format")


def think_variables(think: Think | None, model: Model) -> dict[str, TemplateValue]:
    """Raises UnsupportedParameter for thoughts that the model's template cannot ask for."""
    if think is None:
        return {}
    if think is not True:
        effort = think or "none"
        return dict(effort_variables(effort, model, param="think"))
    if model.knows_variable("enable_thinking"):
        return {"enable_thinking": True}
    if model.may_reason or model.knows_variable("reasoning_effort"):
        return {}
    raise UnsupportedParameter("The model does not think before it answers.", param="think")
