"""Which errors routes may answer with, by what they do."""

from __future__ import annotations

from typing import Final

from service.api.openapi.operation import Errors
from service.errors import (
    EngineFailure,
    Forbidden,
    InputTooLong,
    InvalidApiKey,
    ModelInUse,
    ModelNotFound,
    NotEnoughMemory,
    Overloaded,
    PackageCorrupt,
    RequestError,
    RequestTooLarge,
    ResponseNotFound,
    ShuttingDown,
    StoreFailure,
    UnsupportedMediaType,
    WrongDevice,
    WrongModelKind,
)

OPEN: Final[Errors] = (RequestError, Forbidden)
ANY: Final[Errors] = (*OPEN, InvalidApiKey, EngineFailure)
FIND: Final[Errors] = (*ANY, ModelNotFound, PackageCorrupt)
BODY: Final[Errors] = (RequestTooLarge, UnsupportedMediaType)
MODEL: Final[Errors] = (*FIND, *BODY, WrongDevice, NotEnoughMemory, ShuttingDown, WrongModelKind)
GENERATION: Final[Errors] = (*MODEL, Overloaded)
STORED: Final[Errors] = (*ANY, ResponseNotFound)
ENCODING: Final[Errors] = (*GENERATION, InputTooLong)
CHANGE: Final[Errors] = (*FIND, *BODY, StoreFailure, ModelInUse)
