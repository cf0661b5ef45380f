"""The error that all others are."""

from __future__ import annotations

from typing import Any, Dict, Optional


class KeepwardError(Exception):
    """A call that did not do what it was asked to. Holds no secret value, and no body of an answer that could be one."""

    status: Optional[int]
    """The HTTP status, if there was an answer."""
    type: Optional[str]
    """`about:blank`, or a bare word to branch on (RFC 9457)."""
    title: str
    detail: Optional[str]
    """One sentence: what is wrong and what would be right."""
    fields: Dict[str, str]
    """By request field, where the server blames some."""
    request_id: Optional[str]
    """What the server's log knows the request by."""
    retry_after: Optional[float]
    """For how many seconds the server wants to be left alone."""

    def __init__(
        self,
        title: str,
        *,
        status: Optional[int] = None,
        type: Optional[str] = None,
        detail: Optional[str] = None,
        fields: Optional[Dict[str, str]] = None,
        request_id: Optional[str] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(title)
        self.title = title
        self.status = status
        self.type = type
        self.detail = detail
        self.fields = fields or {}
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        head = f"{self.status} {self.title}" if self.status else self.title
        return f"{head}: {self.detail}" if self.detail else head

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> Any:
        return _remake, (type(self), self.title, self.__dict__)


def _remake(error: Any, title: str, state: Dict[str, Any]) -> Any:
    made = error(title)
    made.__dict__.update(state)
    return made
