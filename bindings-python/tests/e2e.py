"""What scenarios.py and calls.py share: where operations are, where servers are, and how a value is called."""

import inspect
import json
import keyword
import os
import pathlib

E2E = pathlib.Path(os.environ.get("KEEPWARD_E2E") or pathlib.Path(__file__).resolve().parents[2] / "tests" / "e2e")
SURFACE = json.loads((E2E / "surface.json").read_text())
# The addresses of the test's own server, by what it does behind each.
SERVERS = json.loads(os.environ["KEEPWARD_E2E_SERVERS"])
# What secret values of a run begin with: whoever runs this looks for it in everything that is printed.
SECRET = os.environ["KEEPWARD_E2E_SECRET"]


async def invoke(client, operation, given):
    """Calls an operation by its id."""
    place = SURFACE[operation]
    method = getattr(getattr(client, place["resource"]), place["method"])
    # A keyword of the language has an underscore behind it.
    answer = method(**{name + "_" * keyword.iskeyword(name): value for name, value in given.items()})
    return await answer if inspect.isawaitable(answer) else answer


async def close(client):
    closed = client.close()
    if inspect.isawaitable(closed):
        await closed
