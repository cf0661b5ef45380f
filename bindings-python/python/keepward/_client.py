"""The two clients."""

from __future__ import annotations

import datetime
import functools
import os
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Dict, Optional, Type, Union

from . import _errors
from ._async_resources import AsyncResources
from ._model import UNSET, sealed
from ._native import Background, Connection, Secret
from ._resources import Resources

if TYPE_CHECKING:
    import asyncio

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
        root_certificate: Union[bytes, str, None] = None,
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
        # Never variables of this frame as they are: tracebacks can show those.
        agent_key, user_key, token, password = sealed(agent_key), sealed(user_key), sealed(token), sealed(password)
        if base_url is None:
            base_url = os.environ.get("KEEPWARD_URL") or None
        if agent_key is None and user_key is None and token is None and email is None and password is None:
            agent_key = sealed(os.environ.get("KEEPWARD_AGENT_KEY") or None)
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
            root_certificate=root_certificate.encode() if isinstance(root_certificate, str) else root_certificate,
        )
        # Not a method of this client: it would keep itself alive until the collector comes.
        self._resources(functools.partial(self._call, self._connection))

    def _resources(self, call: Any) -> None:
        raise NotImplementedError

    @staticmethod
    def _call(connection: Connection, operation: str, arguments: Dict[str, Any]) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        connection = getattr(self, "_connection", None)
        return f"{type(self).__name__}({connection.base_url!r})" if connection else f"{type(self).__name__}()"


class Client(Resources, _Base):
    """A client of one server, as one principal, for code that waits. Threads may share it.

    Tokens are fetched and renewed by themselves. What is safe to repeat is repeated with jitter.
    """

    @staticmethod
    def _call(connection: Connection, operation: str, arguments: Dict[str, Any]) -> Any:
        return connection.call(operation, _set(arguments))

    def close(self) -> None:
        """Ends its connections; later calls raise `RuntimeError`."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(AsyncResources, _Base):
    """A client of one server, as one principal, for asyncio. Tasks may share it; cancelling one ends its call."""

    @staticmethod
    async def _call(connection: Connection, operation: str, arguments: Dict[str, Any]) -> Any:
        # Not with this module: it takes longer than all the rest, and `Client` needs none of it.
        import asyncio

        loop = asyncio.get_running_loop()
        return await _Waiting.of(loop).call(loop, connection, operation, _set(arguments))

    async def close(self) -> None:
        """Ends its connections; later calls raise `RuntimeError`."""
        self._connection.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Waiting:
    """The calls that one event loop waits for; their answers come in the loop's own thread."""

    _known: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting]] = weakref.WeakKeyDictionary()

    def __init__(self) -> None:
        self._background = Background()
        self._futures: Dict[int, asyncio.Future[Any]] = {}

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> _Waiting:
        waiting = cls._known.get(loop)
        if waiting is None:
            waiting = cls._known[loop] = cls()
            loop.add_reader(waiting._background.fileno(), waiting._deliver)
        return waiting

    async def call(
        self, loop: asyncio.AbstractEventLoop, connection: Connection, operation: str, arguments: Dict[str, Any]
    ) -> Any:
        number = self._background.start(connection, operation, arguments)
        future = self._futures[number] = loop.create_future()
        try:
            return await future
        finally:
            del self._futures[number]
            # Cancelled, or not waited for any more: a coroutine can also be closed.
            if future.cancelled() or not future.done():
                self._background.cancel(number)

    def _deliver(self) -> None:
        for number, answer, error in self._background.finished():
            future = self._futures.get(number)
            if future is None or future.done():
                continue
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)


def _set(arguments: Dict[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not UNSET}


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
    elif kind == "login":
        error = _errors.Unauthorized
    elif kind == "connection":
        error = _errors.ConnectionFailed
    else:
        error = _errors.of_status(status or 0)
    return error(title, status=status, **options)
