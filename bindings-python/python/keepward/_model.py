"""What the generated classes have in common."""

from __future__ import annotations

import decimal
from typing import Any, ClassVar, Dict, FrozenSet, NoReturn, Tuple

from ._native import hidden


class Unset:
    """The type of `UNSET`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET = Unset()
"""Leaves a field as it is, where `None` would clear it."""


def sealed(value: Any) -> Any:
    """What a frame may hold for an argument that must not be seen, right or wrong; raises nothing."""
    return value if value is None or value is UNSET else hidden(value)


class Model:
    """An answer. Fields are attributes, and can't be changed; one that the server left out is `None`."""

    __slots__: Tuple[str, ...] = ()
    _decimals: ClassVar[FrozenSet[str]] = frozenset()

    def __init__(self, **fields: Any) -> None:
        # A field that this version does not know is a newer server's.
        for name in self.__slots__:
            value = fields.get(name)
            if value is not None and name in self._decimals:
                value = _decimal(value)
            object.__setattr__(self, name, value)

    def to_dict(self) -> Dict[str, Any]:
        """The fields as a dict, models within as dicts, too. Secret values stay `Secret`."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__ if getattr(self, name) is not None}

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} can't be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} can't be changed")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = ", ".join(f"{n}={getattr(self, n)!r}" for n in self.__slots__ if getattr(self, n) is not None)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> Any:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return _remake, (type(self), fields)


def _decimal(value: Any) -> Any:
    """A number, or what a newer server says instead of one as it is."""
    try:
        return decimal.Decimal(value)
    except (decimal.InvalidOperation, TypeError, ValueError):
        return value


def _remake(model: Any, fields: Dict[str, Any]) -> Any:
    return model(**fields)


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
