"""Times reads of a secret beside httpx and aiohttp doing the same by hand, in turns; prints one line of JSON a comparison."""

import asyncio
import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import httpx

import keepward

URL, TOKEN, VAULT = (os.environ[name] for name in ("KEEPWARD_URL", "KEEPWARD_TOKEN", "KEEPWARD_VAULT"))
PATH = "payments/stripe"
HAND = f"{URL}/v1/vaults/{VAULT}/secrets/{PATH}"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
ROUNDS = int(os.environ["KEEPWARD_ROUNDS"])
CALLS = int(os.environ["KEEPWARD_CALLS"])
AT_ONCE = 50


def report(what, peer, ours, theirs):
    # In microseconds a call. Each turn is held against the one beside it: the machine has moods.
    ratios = [ours / theirs for ours, theirs in zip(ours, theirs)]
    line = {"what": what, "peer": peer, "ours": statistics.median(ours), "theirs": statistics.median(theirs)}
    print(json.dumps({**line, "ratio": statistics.median(ratios), "ratios": ratios}), flush=True)


def timed(read):
    begun = time.perf_counter()
    for _ in range(CALLS):
        assert read() == "not-a-real-key"
    return (time.perf_counter() - begun) * 1e6 / CALLS


def timed_threads(pool, read):
    def some(count):
        for _ in range(count):
            assert read() == "not-a-real-key"

    begun = time.perf_counter()
    list(pool.map(some, [CALLS // AT_ONCE] * AT_ONCE))
    return (time.perf_counter() - begun) * 1e6 / CALLS


async def timed_async(read, at_once):
    async def one(count):
        for _ in range(count):
            assert await read() == "not-a-real-key"

    begun = time.perf_counter()
    await asyncio.gather(*(one(CALLS // at_once) for _ in range(at_once)))
    return (time.perf_counter() - begun) * 1e6 / CALLS


def waiting():
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    with keepward.Client(token=TOKEN) as client, httpx.Client(headers=HEADERS, limits=limits) as hand:
        pair = (lambda: client.secrets.get(VAULT, PATH).value.reveal(), lambda: hand.get(HAND).json()["value"])
        turns = [[timed(read) for read in pair] for _ in range(ROUNDS + 1)][1:]
        report("Python, one at a time", "httpx", *zip(*turns))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            turns = [[timed_threads(pool, read) for read in pair] for _ in range(ROUNDS + 1)][1:]
            report(f"Python, {AT_ONCE} threads", "httpx", *zip(*turns))


async def tasks():
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with keepward.AsyncClient(token=TOKEN) as client, httpx.AsyncClient(headers=HEADERS, limits=limits) as x:
        async with aiohttp.ClientSession(headers=HEADERS) as aio:

            async def ours():
                return (await client.secrets.get(VAULT, PATH)).value.reveal()

            async def of_httpx():
                return (await x.get(HAND)).json()["value"]

            async def of_aiohttp():
                async with aio.get(HAND) as answer:
                    return (await answer.json())["value"]

            for at_once, words in ((1, "one at a time"), (AT_ONCE, f"{AT_ONCE} at once")):
                for name, theirs in (("httpx", of_httpx), ("aiohttp", of_aiohttp)):
                    turns = [[await timed_async(read, at_once) for read in (ours, theirs)] for _ in range(ROUNDS + 1)]
                    report(f"Python, asyncio, {words}", name, *zip(*turns[1:]))


waiting()
asyncio.run(tasks())
