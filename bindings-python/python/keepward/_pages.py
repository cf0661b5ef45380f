"""Lists that are answered in pages."""

from __future__ import annotations

from typing import Any, AsyncIterator, Awaitable, Callable, Dict, Iterator, Optional

from ._errors import ConnectionFailed


# So many pages in a row that repeat the one before come from somebody who knows nothing of pages, or grow as fast as they
# are read: there is no end to come to.
_MOST_REPEATED = 10


class _Pages:
    """Which page is next, and what of it is new."""

    def __init__(self, items: str, by: str, start: Optional[int], given: Dict[str, Any]) -> None:
        self._items = items
        self._by = by
        self._counts_items = by == "offset"
        self._place = start if start is not None else 0 if self._counts_items else 1
        self._given = given
        self._ids: Any = ()
        self._repeated = 0

    def arguments(self) -> Dict[str, Any]:
        return {**self._given, self._by: self._place}

    def fresh(self, answer: Any) -> Optional[Any]:
        """The items of an answer that the page before did not have; `None` at the end."""
        found = getattr(answer, self._items)
        if not found:
            return None
        fresh = [item for item in found if item.id not in self._ids]
        self._repeated = 0 if fresh else self._repeated + 1
        if self._repeated == _MOST_REPEATED:
            raise ConnectionFailed("an answer that is not Keepward's", detail="the same page again and again")
        self._ids = {item.id for item in found}
        self._place += len(found) if self._counts_items else 1
        return fresh


def pages(
    call: Callable[..., Any], items: str, by: str, start: Optional[int], given: Dict[str, Any]
) -> Iterator[Any]:
    """The items of all pages from one on."""
    pages = _Pages(items, by, start, given)
    while (fresh := pages.fresh(call(**pages.arguments()))) is not None:
        yield from fresh


async def async_pages(
    call: Callable[..., Awaitable[Any]], items: str, by: str, start: Optional[int], given: Dict[str, Any]
) -> AsyncIterator[Any]:
    """The same, to be awaited."""
    pages = _Pages(items, by, start, given)
    while (fresh := pages.fresh(await call(**pages.arguments()))) is not None:
        for item in fresh:
            yield item
