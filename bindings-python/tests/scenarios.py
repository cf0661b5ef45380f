"""Runs tests/e2e/scenarios.json through both clients, against the servers of KEEPWARD_E2E_SERVERS (a test's own)."""

import asyncio
import concurrent.futures
import json
import sys
import uuid

import keepward
from e2e import E2E, SECRET, SERVERS, close, invoke

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
    if isinstance(found, int) and isinstance(expected, dict):
        return found >= expected["at_least"]
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


def make(kind, step, names):
    options = filled(step["with"], names)
    if "timeout_seconds" in step:
        options["timeout"] = step["timeout_seconds"]
    if "max_retries" in step:
        options["max_retries"] = step["max_retries"]
    client = kind(base_url=SERVERS[step.get("server", "real")], **options)
    print(client, repr(client), vars(client))
    return client


async def call(client, step, names):
    """Does what a step says, and holds it against what the step expects."""
    expected = tuple(ERRORS.get(step[name]) or getattr(keepward, step[name]) for name in ("error", "or") if name in step)
    try:
        answer = await invoke(client, step["call"], filled(step["with"], names))
    except expected as error:
        print(error, repr(error), vars(error))
        if isinstance(error, keepward.KeepwardError) and error.status is not None:
            assert error.request_id and error.title, (step, error)
        assert agrees(error, step.get("failure", {})), (step, vars(error))
        return None
    print(answer, repr(answer))
    assert "error" not in step, (step, "did not fail")
    if "expect" in step:
        assert agrees(answer, filled(step["expect"], names)), (step, answer)
    return answer


async def run(kind, steps, names, clients):
    """Does what the steps say; how many calls it made."""
    count = 0
    for step in steps:
        if "client" in step:
            clients[step["client"]] = make(kind, step, names)
            continue
        if "pause_seconds" in step:
            await asyncio.sleep(step["pause_seconds"])
            continue
        client, times = clients[step["as"]], step.get("times", 1)

        async def later(number, client=client, step=step, times=times):
            # From when to when they begin, one after the other.
            await asyncio.sleep(step.get("spread_seconds", 0) * number / times)
            return await call(client, step, names)

        with concurrent.futures.ThreadPoolExecutor(times) as pool:
            if kind is keepward.AsyncClient:
                calls = [asyncio.ensure_future(later(number)) for number in range(times)]
            else:
                calls = [asyncio.wrap_future(pool.submit(asyncio.run, later(number))) for number in range(times)]
            count += times + await run(kind, step.get("meanwhile", []), names, clients)
            answers = await asyncio.gather(*calls)
        if "or" in step:
            assert 0 < sum(answer is None for answer in answers) < times, (step, "all ended in the same way")
        for name, path in step.get("bind", {}).items():
            names[name] = at(answers[0], path)
    return count


async def run_whole(kind, scenario):
    names = {"unique": str(uuid.uuid4()), "secret": f"{SECRET}-{uuid.uuid4()}", "certificate": SERVERS["certificate"]}
    clients = {}
    count = await run(kind, scenario["steps"], names, clients)
    for client in clients.values():
        await close(client)
    return count


def main():
    for kind in (keepward.Client, keepward.AsyncClient):
        for scenario in SCENARIOS:
            count = asyncio.run(run_whole(kind, scenario))
            print(f"{kind.__name__}: {scenario['name']}: {count} calls", file=sys.stderr)


if __name__ == "__main__":
    main()
