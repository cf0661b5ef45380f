"""Calls every operation of tests/e2e/calls.json with every argument, through both clients: the server looks at each request,
and what it answers comes back whole, from a later version of it, too."""

import asyncio
import datetime
import decimal
import json
import urllib.error
import urllib.request
import uuid

import keepward
from e2e import E2E, SERVERS, close, invoke

CALLS = json.loads((E2E / "calls.json").read_text())


def plain(value):
    """What a value was on the wire."""
    if isinstance(value, keepward.Secret):
        return value.reveal()
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, datetime.datetime):
        assert value.tzinfo is datetime.timezone.utc
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    return {name: plain(item) for name, item in value.items()} if isinstance(value, dict) else value


def expected(server, operation):
    """What a client makes of the server's answer; `None` where it has none."""
    try:
        with urllib.request.urlopen(f"{SERVERS[server]}/expected/{operation}") as answer:
            return json.load(answer)
    except urllib.error.HTTPError:
        return ...


async def run(kind):
    count = 0
    for server in ("full", "examples", "newer"):
        client = kind(base_url=SERVERS[server], token="t", max_retries=0)
        for operation, call in CALLS.items():
            wanted = expected(server, operation)
            if wanted is ...:
                continue
            answer = await invoke(client, operation, call["with"])
            print(answer, repr(answer))
            assert plain(answer) == wanted, (server, operation, plain(answer), wanted)
            count += 1
        await close(client)
    return count


if __name__ == "__main__":
    for kind in (keepward.Client, keepward.AsyncClient):
        print(f"{kind.__name__}: {asyncio.run(run(kind))} calls of {len(CALLS)} operations")
