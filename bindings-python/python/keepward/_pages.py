"""Lists that are answered in pages."""

from __future__ import annotations

from typing import Any, AsyncIterator, Awaitable, Callable, Dict, Iterator, Optional


class _Pages:
    """Which page is next, and what of it is new."""

    def __init__(self, items: str, by: str, start: Optional[int], given: Dict[str, Any]) -> None:
        self._items = items
        self._by = by
        self._counts_items = by == "offset"
        self._place = start if start is not None else 0 if self._counts_items else 1
        self._given = given
        self._ids: Any = ()
        self._has_repeated = False

    def arguments(self) -> Dict[str, Any]:
        return {**self._given, self._by: self._place}

    def fresh(self, answer: Any) -> Optional[Any]:
        """The items of an answer that the page before did not have; `None` at the end.

        Two pages in a row that repeat the one before are the end: whoever answers so knows nothing of pages.
        """
        found = getattr(answer, self._items)
        fresh = [item for item in found if item.id not in self._ids]
        if not found or (self._has_repeated and not fresh):
            return None
        self._has_repeated = not fresh
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
