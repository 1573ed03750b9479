"""From a query string to a struct, with every parameter either honoured or accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar.types import HTTPScope

from service.api.openai.fields import Honoured, Treatment, check_no_op, honoured
from service.api.validation import request_error, unknown_parameter

QueryT = TypeVar("QueryT", bound=msgspec.Struct)


class QueryDecoder(Generic[QueryT]):
    """Decodes the queries of one route. Of a parameter given twice the last value counts."""

    def __init__(self, struct: type[QueryT], fields: Mapping[str, Treatment]) -> None:
        """`struct` has the honoured ones of `fields`, and no other."""
        assert honoured(fields) == frozenset(struct.__struct_encode_fields__)
        self._struct = struct
        self._fields = fields

    def decode(self, scope: HTTPScope) -> QueryT:
        """Raises RequestError or UnsupportedParameter, naming the parameter."""
        text = scope["query_string"].decode("latin-1")
        given = {
            # Clients mark a list by brackets behind its name.
            name.removesuffix("[]"): value
            for name, value in parse_qsl(text, keep_blank_values=True)
        }
        for name, value in given.items():
            self._check(name, value)
        wanted = {name: value for name, value in given.items() if self._is_honoured(name)}
        try:
            return msgspec.convert(wanted, self._struct, strict=False)
        except msgspec.ValidationError as error:
            raise request_error(error, b"") from None

    def _is_honoured(self, name: str) -> bool:
        return isinstance(self._fields[name], Honoured)

    def _check(self, name: str, value: str) -> None:
        treatment = self._fields.get(name)
        if treatment is None:
            raise unknown_parameter(name)
        if not isinstance(treatment, Honoured):
            is_bool = value in ("true", "false")
            check_no_op(name, value.encode() if is_bool else msgspec.json.encode(value), treatment)
