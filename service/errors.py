"""The closed set of errors a request or a start can end in.

RetortError
├── RequestError              400  the request itself cannot be served
│   ├── UnsupportedParameter  400  a field Retort does not honour
│   ├── UnsupportedSchema     400  a schema, expression or grammar that cannot be enforced
│   ├── CannotComplete        400  a cut answer could not be closed
│   ├── WrongModelKind        400  the model is of another kind than the endpoint's
│   ├── ContextLengthExceeded 400  the prompt does not fit the context
│   ├── InputTooLong          400  a text to encode does not fit the context
│   ├── InvalidApiKey         401
│   ├── Forbidden             403
│   ├── ModelNotFound         404
│   ├── ModelInUse            409  its files are held open, which Windows does not let go of
│   ├── BlobNotFound          404  a file that was not uploaded, or is no longer kept
│   ├── UploadStalled         408  a client stopped sending midway
│   ├── ResponseNotFound      404  a response that is not, or no longer, stored
│   ├── RequestTooLarge       413
│   └── UnsupportedMediaType  415
├── NotSupported              501  what there is not, and will not be
├── Overloaded                429  the queue is full
├── EngineFailure             500  a step failed; the request is lost, the server is not
├── ExportFailed              500  a model could not be made; what was there before stands
├── StoreFailure              500  a model could not be written or removed; the old state stands
├── ShuttingDown              503
├── PackageCorrupt            503  a package's files are not what its manifest says
├── WrongDevice               503  a package was made for another device
├── NotEnoughMemory           503  a model does not fit
├── ModelLoading              503  a model was not loaded in time; its load goes on
└── StartupError               –   the process cannot start; the text says how to mend it

Each carries what OpenAI's error object needs: message, type, param and code.
"""

from __future__ import annotations


class RetortError(Exception):
    """Base of all errors that reach a user. `retry_after_s` is None where a retry cannot help."""

    status = 500
    type = "server_error"
    code: str | None = None
    retry_after_s: int | None = None

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code


class RequestError(RetortError):
    status = 400
    type = "invalid_request_error"
    code = "invalid_value"


class UnsupportedParameter(RequestError):
    code = "unsupported_parameter"


class UnsupportedSchema(RequestError):
    code = "unsupported_schema"


class CannotComplete(RequestError):
    code = "cannot_complete"


class WrongModelKind(RequestError):
    code = "wrong_model_kind"

    def __init__(self, message: str) -> None:
        super().__init__(message, param="model")


class ContextLengthExceeded(RequestError):
    code = "context_length_exceeded"

    def __init__(self, num_prompt_tokens: int, context_length: int, *, param: str) -> None:
        super().__init__(
            f"The prompt is {num_prompt_tokens} tokens long, and the model's context holds "
            f"{context_length}, of which one must be left for the answer.",
            param=param,
        )


class InputTooLong(RequestError):
    code = "context_length_exceeded"

    def __init__(self, num_tokens: int, context_length: int, *, param: str) -> None:
        super().__init__(
            f"The input is {num_tokens} tokens long, and the model reads at most {context_length}. "
            "With 'truncate': true its beginning is read.",
            param=param,
        )


class InvalidApiKey(RequestError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class Forbidden(RequestError):
    status = 403
    type = "permission_error"
    code = "forbidden_origin"


class ModelNotFound(RequestError):
    status = 404
    code = "model_not_found"


class ModelInUse(RequestError):
    status = 409
    code = "model_in_use"


class BlobNotFound(RequestError):
    status = 404
    code = "blob_not_found"


class UploadStalled(RequestError):
    status = 408
    code = "upload_stalled"


class ResponseNotFound(RequestError):
    status = 404
    code = "response_not_found"


class RequestTooLarge(RequestError):
    status = 413
    code = "request_too_large"


class UnsupportedMediaType(RequestError):
    status = 415
    code = "unsupported_media_type"


class Overloaded(RetortError):
    status = 429
    type = "rate_limit_error"
    code = "queue_full"
    retry_after_s = 1


class EngineFailure(RetortError):
    code = "engine_failure"


class NotSupported(RetortError):
    status = 501
    type = "not_supported_error"
    code = "not_supported"


class ExportFailed(RetortError):
    code = "export_failed"


class StoreFailure(RetortError):
    code = "store_failure"


class ShuttingDown(RetortError):
    status = 503
    type = "unavailable_error"
    code = "shutting_down"
    retry_after_s = 5


class PackageCorrupt(RetortError):
    status = 503
    type = "unavailable_error"
    code = "model_corrupt"


class WrongDevice(RetortError):
    status = 503
    type = "unavailable_error"
    code = "wrong_device"


class NotEnoughMemory(RetortError):
    status = 503
    type = "unavailable_error"
    code = "not_enough_memory"


class ModelLoading(RetortError):
    status = 503
    type = "unavailable_error"
    code = "loading"
    retry_after_s = 5


class StartupError(RetortError):
    code = "startup"
