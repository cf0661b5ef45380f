"""Calls every operation of tests/e2e/calls.json with every argument, and as the document's examples have it, through both
clients: the server looks at each request, and what it answers comes back whole, from a later version of it, too."""

import asyncio
import datetime
import decimal
import json
import types
import typing
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


def is_of(value, hint):
    """Whether a value is what its annotation says."""
    if typing.get_origin(hint) in (typing.Union, getattr(types, "UnionType", typing.Union)):
        return any(is_of(value, one) for one in typing.get_args(hint))
    if typing.get_origin(hint) is list:
        return isinstance(value, list) and all(is_of(item, *typing.get_args(hint)) for item in value)
    if typing.get_origin(hint) is dict:
        return isinstance(value, dict) and all(is_of(item, typing.get_args(hint)[1]) for item in value.values())
    if typing.get_origin(hint) is typing.Literal:
        # A newer server may know more words.
        return isinstance(value, str)
    if hint is typing.Any:
        return True
    if hint is float:
        return isinstance(value, (int, float))
    return isinstance(value, hint) and (not issubclass(hint, keepward.Model) or is_typed(value))


def is_typed(answer):
    """Whether every field of a model, and of those within, is what the stubs promise."""
    wrong = {
        name: getattr(answer, name)
        for name, hint in typing.get_type_hints(type(answer)).items()
        if not name.startswith("_") and not is_of(getattr(answer, name), hint)
    }
    assert not wrong, (type(answer), wrong)
    return True


def ask(server, what, operation):
    """What the server has to be called with (`given`), and what a client makes of its answer (`expected`)."""
    try:
        with urllib.request.urlopen(f"{SERVERS[server]}/{what}/{operation}") as answer:
            return json.load(answer)
    except urllib.error.HTTPError:
        return ...


async def run(kind):
    count = 0
    for server in ("full", "examples", "newer"):
        client = kind(base_url=SERVERS[server], token="t", max_retries=0)
        for operation in CALLS:
            wanted = ask(server, "expected", operation)
            if wanted is ...:
                continue
            answer = await invoke(client, operation, ask(server, "given", operation))
            print(answer, repr(answer))
            assert not hasattr(answer, "to_dict") or is_typed(answer)
            assert plain(answer) == wanted, (server, operation, plain(answer), wanted)
            count += 1
        await close(client)
    return count


if __name__ == "__main__":
    for kind in (keepward.Client, keepward.AsyncClient):
        print(f"{kind.__name__}: {asyncio.run(run(kind))} calls of {len(CALLS)} operations")
