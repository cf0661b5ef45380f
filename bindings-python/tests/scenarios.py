"""Runs tests/e2e/scenarios.json against the server of KEEPWARD_URL, through both clients."""

import asyncio
import inspect
import json
import keyword
import os
import pathlib
import sys
import uuid

import keepward

E2E = pathlib.Path(os.environ.get("KEEPWARD_E2E") or pathlib.Path(__file__).resolve().parents[2] / "tests" / "e2e")
SURFACE = json.loads((E2E / "surface.json").read_text())
SCENARIOS = json.loads((E2E / "scenarios.json").read_text())
ERRORS = {"type": TypeError, "value": ValueError}


def filled(value, names):
    if isinstance(value, str) and value.startswith("{") and value.endswith("}") and value[1:-1] in names:
        return names[value[1:-1]]
    if isinstance(value, str):
        return value.replace("{unique}", names["unique"])
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    return value


def at(value, path):
    for step in path.split("."):
        value = value[step] if isinstance(value, dict) else getattr(value, step)
    return value


def agrees(found, expected):
    """Whether a value has what is expected of it, or more."""
    if expected == "*":
        return found is not None
    if isinstance(expected, keepward.Secret):
        return found == expected
    if isinstance(expected, dict):
        return all(agrees(at(found, key), value) for key, value in expected.items())
    if isinstance(expected, list):
        return len(found) >= len(expected) and all(agrees(*pair) for pair in zip(found, expected))
    if isinstance(found, keepward.Secret):
        return found.reveal() == expected
    if isinstance(found, uuid.UUID) or isinstance(expected, uuid.UUID):
        return str(found) == str(expected)
    return found == expected


async def run(kind, scenario):
    names = {"unique": str(uuid.uuid4()), "secret": f"sk-{uuid.uuid4()}"}
    clients, count = {}, 0
    for step in scenario["steps"]:
        given = filled(step["with"], names)
        if "client" in step:
            clients[step["client"]] = kind(**given)
            continue
        place = SURFACE[step["call"]]
        method = getattr(getattr(clients[step["as"]], place["resource"]), place["method"])
        expected = ERRORS.get(step.get("error")) or (getattr(keepward, step["error"]) if "error" in step else ())
        try:
            # A keyword of the language has an underscore behind it.
            answer = method(**{name + "_" * keyword.iskeyword(name): value for name, value in given.items()})
            if inspect.isawaitable(answer):
                answer = await answer
        except expected as error:
            text = f"{error} {error!r}"
            assert names["secret"] not in text, "an error shows a secret"
            if isinstance(error, keepward.KeepwardError):
                assert error.request_id and error.title, (scenario["name"], step, error)
        else:
            assert "error" not in step, (scenario["name"], step, "did not fail")
            assert names["secret"] not in f"{answer} {answer!r}", "an answer shows a secret"
            if "expect" in step:
                assert agrees(answer, filled(step["expect"], names)), (scenario["name"], step, answer)
            for name, path in step.get("bind", {}).items():
                names[name] = at(answer, path)
        count += 1
    for client in clients.values():
        closed = client.close()
        if inspect.isawaitable(closed):
            await closed
    return count


def main():
    for kind in (keepward.Client, keepward.AsyncClient):
        for scenario in SCENARIOS:
            count = asyncio.run(run(kind, scenario))
            print(f"{kind.__name__}: {scenario['name']}: {count} calls")


if __name__ == "__main__":
    assert os.environ.get("KEEPWARD_URL"), "KEEPWARD_URL names no server"
    sys.exit(main())
