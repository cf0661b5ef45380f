"""Lists that are answered in pages."""

from __future__ import annotations

from typing import Any, AsyncIterator, Awaitable, Callable, Dict, Iterator


def pages(call: Callable[[str, Dict[str, Any]], Any], operation: str, arguments: Dict[str, Any]) -> Iterator[Any]:
    """The items of all pages from one on; each answer says where the next begins."""
    cursor = None
    while True:
        page = call(operation, {**arguments, "cursor": cursor})
        yield from page["items"]
        cursor = page["cursor"]
        if cursor is None:
            return


async def async_pages(
    call: Callable[[str, Dict[str, Any]], Awaitable[Any]], operation: str, arguments: Dict[str, Any]
) -> AsyncIterator[Any]:
    """The same, to be awaited."""
    cursor = None
    while True:
        page = await call(operation, {**arguments, "cursor": cursor})
        for item in page["items"]:
            yield item
        cursor = page["cursor"]
        if cursor is None:
            return
