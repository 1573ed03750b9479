"""From a body to a request struct, with every field either honoured or accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

from service.api.openai.fields import Accepted, check_no_op
from service.api.validation import request_error, unknown_parameter

RequestT = TypeVar("RequestT", bound=msgspec.Struct)

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RequestDecoder(Generic[RequestT]):
    """Decodes bodies of one endpoint. Of a field given twice the last value counts."""

    def __init__(self, struct: type[RequestT], not_honoured: Mapping[str, Accepted]) -> None:
        self._honoured = frozenset(struct.__struct_encode_fields__)
        self._not_honoured = not_honoured
        self._decoder = msgspec.json.Decoder(struct)

    def decode(self, body: bytes) -> RequestT:
        """Raises RequestError or UnsupportedParameter, naming the parameter."""
        try:
            fields = _FIELDS.decode(body)
            for name, raw in fields.items():
                if name not in self._honoured:
                    self._check(name, bytes(raw))
            return self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise request_error(error, body) from None

    def _check(self, name: str, raw: bytes) -> None:
        if name not in self._not_honoured:
            raise unknown_parameter(name)
        check_no_op(name, raw, self._not_honoured[name])
