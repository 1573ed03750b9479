"""From a body to a request struct, with every field either honoured or accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

from service.api.openai.fields import Honoured, Treatment, check_no_op, honoured
from service.api.validation import request_error, unknown_parameter

RequestT = TypeVar("RequestT", bound=msgspec.Struct)

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RequestDecoder(Generic[RequestT]):
    """Decodes bodies of one endpoint. Of a field given twice the last value counts."""

    def __init__(self, struct: type[RequestT], fields: Mapping[str, Treatment]) -> None:
        """`struct` has the honoured ones of `fields`, and no other."""
        assert honoured(fields) == frozenset(struct.__struct_encode_fields__)
        self._fields = fields
        self._decoder = msgspec.json.Decoder(struct)

    def decode(self, body: bytes) -> RequestT:
        """Raises RequestError or UnsupportedParameter, naming the parameter."""
        try:
            fields = _FIELDS.decode(body)
            for name, raw in fields.items():
                self._check(name, bytes(raw))
            return self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise request_error(error, body) from None

    def _check(self, name: str, raw: bytes) -> None:
        treatment = self._fields.get(name)
        if treatment is None:
            raise unknown_parameter(name)
        if not isinstance(treatment, Honoured):
            check_no_op(name, raw, treatment)
