"""The half that is Rust."""

from typing import Any, Awaitable, Dict, NoReturn, Optional, Union, final

__version__: str

@final
class Secret:
    """A text that must not be seen: it does not print, pickle or turn into JSON."""

    def __new__(cls, text: str) -> Secret: ...
    def reveal(self) -> str:
        """The text itself. Whoever calls this answers for where it goes."""
    def __eq__(self, other: object) -> bool: ...
    def __copy__(self) -> Secret: ...
    def __deepcopy__(self, memo: Any) -> Secret: ...
    def __reduce__(self) -> NoReturn: ...

@final
class Connection:
    def __new__(
        cls,
        *,
        base_url: Optional[str],
        agent_key: Optional[Union[str, Secret]],
        user_key: Optional[Union[str, Secret]],
        token: Optional[Union[str, Secret]],
        email: Optional[str],
        password: Optional[Union[str, Secret]],
        timeout: float,
        connect_timeout: float,
        max_retries: int,
        root_certificate: Optional[bytes],
    ) -> Connection: ...
    @property
    def base_url(self) -> str: ...
    def call(self, operation: str, arguments: Dict[str, Any]) -> Any: ...
    def call_async(self, operation: str, arguments: Dict[str, Any]) -> Awaitable[Any]: ...
    def close(self) -> None: ...
