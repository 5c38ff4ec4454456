# SPDX-License-Identifier: Apache-2.0
"""Refusals of calls, in the words of Text Embeddings Inference or of OpenAI."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from tessera.errors import Error, UsageError

__all__ = ["RefusalError", "error_response", "refusal_of"]

#: TEI's type of an error, by status. 413 is its answer to a batch or a text that is too long.
_TEI_TYPES = {
    404: "Validation",
    405: "Validation",
    408: "Validation",
    413: "Validation",
    415: "Validation",
    422: "Validation",
    424: "Backend",
    429: "Overloaded",
    500: "Backend",
    503: "Unhealthy",
    504: "Overloaded",
}
_BY_REASON = {
    "over_long": 413,
    "empty": 413,
    "not_text": 422,
    "token": 422,
    "out_of_range": 422,
    "padding_id": 422,
    "queue_full": 429,
    "deadline": 504,
    "deadline_missed": 504,
    "closed": 503,
    "cancelled": 503,
}
_TOKENIZER = ("not_text", "token", "out_of_range", "padding_id")


#: Characters of a message at most: callers' names stand in it.
_LONGEST = 1000


def _shown(message: str) -> str:
    """A message that fits an answer: it has names of callers' in it, which may be long or halves of
    surrogate pairs."""
    if len(message) > _LONGEST:
        message = f"{message[: _LONGEST // 2]} … {message[-_LONGEST // 2 :]}"
    return message.encode("utf-8", "backslashreplace").decode()


class RefusalError(Exception):
    """An answer that says no."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        message = _shown(message)
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.kind: str = kind if kind is not None else _TEI_TYPES.get(status, "Validation")
        self.retry_after = 1 if retry_after is None and status in (429, 503) else retry_after


def refusal_of(error: Error) -> RefusalError:
    """The refusal that an error of the library becomes."""
    status = _BY_REASON.get(error.reason)
    if status is None:
        status = 413 if isinstance(error, UsageError) else 424
    kind = "Tokenizer" if error.reason in _TOKENIZER else None
    code = "context_length_exceeded" if error.reason == "over_long" else None
    return RefusalError(status, str(error), kind=kind, code=code)


def _openai_body(refusal: RefusalError) -> tuple[int, dict[str, Any]]:
    status, code = refusal.status, refusal.code
    if status == 429:
        kind, code = "requests", code or "rate_limit_exceeded"
    elif status >= 500:
        kind = "server_error"
    else:
        kind = "invalid_request_error"
        status = status if status in (404, 405, 408) else 400
    return status, {
        "error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": code}
    }


def error_response(path: str, refusal: RefusalError) -> Response:
    status = refusal.status
    body: dict[str, Any] = {"error": refusal.message, "error_type": refusal.kind}
    if "/v1/" in path or path.endswith("/embeddings"):
        status, body = _openai_body(refusal)
    headers = {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    return Response(orjson.dumps(body), status, headers, media_type="application/json")
