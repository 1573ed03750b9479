"""Forms of answers, whichever dialect's fields they came in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from service.api.facade import Model
from service.api.work import aside_if_large
from service.constraints.json_types import Json
from service.constraints.prepare import DEFAULT_OPTIONS, PreparedForm, SchemaOptions, prepare_schema
from service.errors import RequestError
from service.options import OutputForm

ANY_OBJECT = b'{"type":"object"}'
"""The schema of what is only asked to be a JSON object."""


@dataclass(frozen=True, slots=True)
class AskedForm:
    """A form that a request names; `prepare` may take its time if there are many bytes of it.

    What is no JSON takes no notice of the `options`.
    """

    prepare: Callable[[SchemaOptions], PreparedForm]
    num_bytes: int
    is_json: bool
    options: SchemaOptions = DEFAULT_OPTIONS

    async def prepared(self, model: Model) -> PreparedForm:
        """Raises UnsupportedSchema for what cannot be enforced."""
        return await aside_if_large(self.num_bytes, lambda: self.prepare(self.options), model.aside)

    async def compiled(
        self, model: Model, *, completes: bool = False, behind: str | None = None
    ) -> OutputForm:
        """With `completes` JSON that is cut is closed; `behind` is the grammar of what comes before
        it.

        Raises UnsupportedSchema for what cannot be enforced, and what `Model.compile` does.
        """
        form = await self.prepared(model)
        constraint = await model.compile(replace(form.spec, behind=behind))
        return OutputForm(constraint, form.check, completes, form.relaxed)


async def output_form(
    asked: AskedForm | None, model: Model, *, completes: bool | None, behind: str | None = None
) -> OutputForm | None:
    """What an answer is held to, None for free text; `completes` is `complete_on_length`, and
    `behind` the grammar of what comes before the answer's text.

    Raises RequestError if there is no JSON to complete, and what `AskedForm.compiled` does.
    """
    if completes and not (asked and asked.is_json):
        raise RequestError(
            "'complete_on_length' needs an answer that is held to JSON.",
            param="complete_on_length",
        )
    if asked is None:
        return None
    return await asked.compiled(model, completes=bool(completes), behind=behind)


def schema_form(source: bytes, param: str, *, coerces_one_of: bool = False) -> AskedForm:
    """JSON under the schema whose JSON is `source`. RequestErrors name `param`."""

    def prepare(options: SchemaOptions) -> PreparedForm:
        schema = _parsed(source, param)
        return prepare_schema(schema, param=param, coerces_one_of=coerces_one_of, options=options)

    return AskedForm(prepare, len(source), is_json=True)


def text_form(prepare: Callable[[], PreparedForm], num_bytes: int) -> AskedForm:
    """Anything but JSON."""
    return AskedForm(lambda _: prepare(), num_bytes, is_json=False)


def _parsed(source: bytes, param: str) -> Json:
    try:
        schema: Json = msgspec.json.decode(source)
    except msgspec.DecodeError as error:
        raise RequestError(f"The schema is no JSON: {error}.", param=param) from None
    return schema
