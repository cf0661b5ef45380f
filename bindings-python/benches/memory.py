"""Reads a secret over and over, through each client; prints one line of JSON a sample: calls, resident bytes, and what
tracemalloc counts."""

import asyncio
import gc
import json
import os
import pathlib
import tracemalloc

import keepward

VAULT, PATH = os.environ["KEEPWARD_VAULT"], "payments/stripe"
CALLS, CALLS_AT_ONCE, SAMPLES = 100_000, 500_000, 10
PAGE = os.sysconf("SC_PAGE_SIZE")


def sample(client, calls):
    gc.collect()
    resident = int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * PAGE
    line = {"client": client, "calls": calls, "resident": resident, "heap": tracemalloc.get_traced_memory()[0]}
    print(json.dumps(line), flush=True)


def waiting():
    with keepward.Client(token=os.environ["KEEPWARD_TOKEN"]) as client:
        for calls in range(CALLS + 1):
            client.secrets.get(VAULT, PATH).value.reveal()
            if calls % (CALLS // SAMPLES) == 0:
                sample("Python, Client", calls)


async def tasks():
    async with keepward.AsyncClient(token=os.environ["KEEPWARD_TOKEN"]) as client:
        for calls in range(0, CALLS_AT_ONCE + 1, 50):
            if calls % (CALLS_AT_ONCE // SAMPLES) == 0:
                sample("Python, AsyncClient", calls)
            await asyncio.gather(*(client.secrets.get(VAULT, PATH) for _ in range(50)))


tracemalloc.start()
waiting()
asyncio.run(tasks())
