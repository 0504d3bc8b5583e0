"""What goes wrong, by who has to act."""
from __future__ import annotations

from typing import Any, Mapping, Optional


class CanopyError(Exception):
    """The server refused, or could not do it. `code`, `origin` and `stage` are the server's words
    (docs/http.md); `status` is 0 where there was no answer."""

    def __init__(self, message: str, *, code: str = "", status: int = 0, origin: str = "", stage: str = "",
                 call: str = "", retry_after: Optional[float] = None) -> None:
        super().__init__(message)
        self.code, self.status, self.origin, self.stage, self.call = code, status, origin, stage, call
        self.retry_after = retry_after


class Unreachable(CanopyError):
    """Nobody answered, or what answered was no Canopy."""


class CallFailed(CanopyError):
    """The function failed: it raised, trapped, went past a limit or past its time."""


class CallCancelled(CanopyError):
    """The call was ended before it had an end of its own."""


_functions_fault = {"function_failed", "died", "limit", "deadline"}


def error_from(error: Mapping[str, Any], status: int, retry_after: Optional[float] = None) -> CanopyError:
    code = str(error.get("code") or "")
    kind = CanopyError
    if code == "canceled":
        kind = CallCancelled
    elif code in _functions_fault and error.get("origin") != "platform":
        kind = CallFailed
    return kind(str(error.get("message") or f"status {status} without a word why"), code=code, status=status,
                origin=str(error.get("origin") or ""), stage=str(error.get("stage") or ""),
                call=str(error.get("call") or ""), retry_after=retry_after)
