"""The last check of a finished text: that it is JSON and valid under its schema.

It fails only if a mask was wrong. It takes the interpreter's lock for a while, and is not for the
event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jsonschema
from jsonschema import validators
from jsonschema.protocols import Validator
from referencing import Registry

from service.constraints.drafts import LATEST, draft_of
from service.constraints.exact_keywords import exact_keywords
from service.constraints.json_text import read_json
from service.constraints.json_types import Json

_MAX_REASON_LENGTH = 300

_CLASSES: Mapping[str, type[Validator]] = {
    "4": jsonschema.Draft4Validator,
    "6": jsonschema.Draft6Validator,
    "7": jsonschema.Draft7Validator,
    "2019-09": jsonschema.Draft201909Validator,
    LATEST.name: jsonschema.Draft202012Validator,
}


def validate_text(text: str, *schemas: Json) -> str | None:
    """Why `text` is not JSON that is valid under all `schemas`, which the guard has let pass.

    None if it is. Formats are not looked at: the masks enforce more of them than can be checked.
    A text nested a hundred deep or more may not be checkable, and counts as invalid then.
    """
    try:
        value = read_json(text)
    except ValueError as invalid:
        return f"not JSON: {invalid}"[:_MAX_REASON_LENGTH]
    except RecursionError:
        return "nested too deep to be checked"
    return next(filter(None, (_invalid(value, schema) for schema in schemas)), None)


def _invalid(value: Json, schema: Json) -> str | None:
    try:
        error = next(_validator(schema).iter_errors(value), None)
    except RecursionError:
        return "nested too deep to be checked"
    except ValueError:  # of an error's message, which writes out what is invalid
        return "a number of thousands of digits is invalid"
    except Exception as error:  # noqa: BLE001  what cannot be checked must not count as valid
        return f"it cannot be checked: {error!r}"[:_MAX_REASON_LENGTH]
    return None if error is None else f"{error.json_path}: {error.message}"[:_MAX_REASON_LENGTH]


def _validator(schema: Json) -> Validator:
    draft = draft_of(schema)
    assert draft is not None, "the guard knows all drafts that it lets pass"
    extend: Callable[..., type[Validator]] = validators.extend
    exact = extend(_CLASSES[draft.name], exact_keywords(draft))
    assert isinstance(schema, dict)
    # Without a registry of its own, references would be looked up on the network.
    return exact(schema, registry=Registry())
