"""The two clients."""

from __future__ import annotations

import datetime
import os
from typing import Any, Dict, Optional, Type, Union

from . import _errors
from ._async_resources import AsyncResources
from ._model import UNSET
from ._native import Connection, Secret
from ._resources import Resources

_Text = Union[str, Secret]


class _Base:
    """What both clients are made from."""

    def __init__(
        self,
        *,
        base_url: Optional[str] = None,
        agent_key: Optional[_Text] = None,
        user_key: Optional[_Text] = None,
        token: Optional[_Text] = None,
        email: Optional[str] = None,
        password: Optional[_Text] = None,
        timeout: Union[float, datetime.timedelta] = 30.0,
        connect_timeout: Union[float, datetime.timedelta] = 5.0,
        max_retries: int = 3,
        root_certificate: Optional[bytes] = None,
    ) -> None:
        """Checks what was given; connects to nothing.

        Args:
            base_url: Where the server is; `KEEPWARD_URL` by default.
            agent_key: Acts as the agent of this key (`ocv_...`); `KEEPWARD_AGENT_KEY` where no credential is given.
            user_key: Acts as the human of this personal key (`1ck_...`).
            token: Acts as whoever this access token is for; it is not renewed.
            email: Acts as the human of this address and `password`.
            timeout: The longest that one try of a call may take, in seconds.
            connect_timeout: The longest that connecting may take, in seconds.
            max_retries: How often a call that is safe to repeat is repeated.
            root_certificate: Trusts a certificate authority (PEM) besides those of the platform.

        Raises:
            ValueError: No base URL, one that can't be right, or more than one credential.
        """
        if base_url is None:
            base_url = os.environ.get("KEEPWARD_URL")
        if agent_key is None and user_key is None and token is None and email is None and password is None:
            agent_key = os.environ.get("KEEPWARD_AGENT_KEY")
        self._connection = Connection(
            base_url=base_url,
            agent_key=agent_key,
            user_key=user_key,
            token=token,
            email=email,
            password=password,
            timeout=_seconds(timeout),
            connect_timeout=_seconds(connect_timeout),
            max_retries=max_retries,
            root_certificate=root_certificate,
        )
        self._resources(self._call)

    def _resources(self, call: Any) -> None:
        raise NotImplementedError

    def _call(self, operation: str, arguments: Dict[str, Any]) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.base_url!r})"


class Client(Resources, _Base):
    """A client of one server, as one principal, for code that waits. Threads may share it.

    Tokens are fetched and renewed by themselves. What is safe to repeat is repeated with jitter.
    """

    def _call(self, operation: str, arguments: Dict[str, Any]) -> Any:
        return self._connection.call(operation, {name: v for name, v in arguments.items() if v is not UNSET})

    def close(self) -> None:
        """Ends its connections; later calls raise `RuntimeError`."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(AsyncResources, _Base):
    """A client of one server, as one principal, for asyncio. Tasks may share it; cancelling one ends its call."""

    async def _call(self, operation: str, arguments: Dict[str, Any]) -> Any:
        named = {name: value for name, value in arguments.items() if value is not UNSET}
        return await self._connection.call_async(operation, named)

    async def close(self) -> None:
        """Ends its connections; later calls raise `RuntimeError`."""
        self._connection.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _seconds(time: Union[float, datetime.timedelta]) -> float:
    return time.total_seconds() if isinstance(time, datetime.timedelta) else time


def _raised(
    status: Optional[int],
    kind: str,
    title: str,
    options: Dict[str, Any],
) -> _errors.KeepwardError:
    """The exception of a failed call; called by the native half."""
    error: Type[_errors.KeepwardError]
    if kind == "timeout":
        error = _errors.Timeout
    elif kind == "connection":
        error = _errors.ConnectionFailed
    else:
        error = _errors.of_status(status or 0)
    return error(title, status=status, **options)
