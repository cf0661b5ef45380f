"""The half that is Rust."""

from typing import Any, Dict, List, NoReturn, Optional, Tuple, final

__all__ = ["Background", "Connection", "Secret", "__version__", "hidden"]

__version__: str

@final
class Secret:
    """A text that must not be seen: it does not print, pickle or turn into JSON."""

    def __new__(cls, text: str) -> Secret: ...
    def reveal(self) -> str:
        """The text itself. Whoever calls this answers for where it goes."""
    def __eq__(self, other: object, /) -> bool: ...
    def __copy__(self) -> Secret: ...
    def __deepcopy__(self, memo: Any) -> Secret: ...
    def __reduce__(self) -> NoReturn: ...

def hidden(value: object) -> Any: ...

@final
class Background:
    def __new__(cls) -> Background: ...
    def fileno(self) -> int: ...
    def start(self, connection: Connection, operation: str, arguments: Dict[str, Any]) -> int: ...
    def cancel(self, id: int) -> None: ...
    def finished(self) -> List[Tuple[int, Any, Optional[BaseException]]]: ...

@final
class Connection:
    def __new__(
        cls,
        *,
        base_url: Optional[str],
        agent_key: object,
        user_key: object,
        token: object,
        email: Optional[str],
        password: object,
        timeout: float,
        connect_timeout: float,
        max_retries: int,
        root_certificate: Optional[bytes],
    ) -> Connection: ...
    @property
    def base_url(self) -> str: ...
    def call(self, operation: str, arguments: Dict[str, Any]) -> Any: ...
    def close(self) -> None: ...
