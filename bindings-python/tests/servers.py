"""How a client takes servers, and what stands between: bad ones, busy ones, silent ones, proxies."""

import asyncio
import datetime
import json
import os
import socket
import threading
import time
import traceback
import uuid

import keepward
from e2e import SERVERS
from fake import Fake, health, problem, raises

URL = os.environ["KEEPWARD_URL"]
VAULT = "3f0d3a0e-4f6b-4a6b-9c55-2b7f6d1f8a10"


def bad_servers():
    def once(status, headers=None):
        return lambda n: (status, headers or {}, problem(status)) if n == 1 else health()

    for status, headers in ((429, {"Retry-After": "1"}), (503, {"Retry-After": "0"}), (502, {}), (504, {})):
        fake = Fake(once(status, headers))
        assert keepward.Client(base_url=fake.url).health.get().status == "healthy"
        assert len(fake.requests) == 2, status
    fake = Fake(lambda n: (429, {"Retry-After": "7"}, problem(429)))
    error = raises(keepward.RateLimited, keepward.Client(base_url=fake.url, max_retries=0).health.get)
    assert error.retry_after == 7.0 and error.status == 429 and error.detail == "d"
    assert repr(error) == f"RateLimited({str(error)!r})" and str(error).startswith("429 ") and str(error).endswith(": d")
    fake = Fake(lambda n: (500, {}, problem(500)))
    raises(keepward.ServerError, keepward.Client(base_url=fake.url, max_retries=0).health.get)
    for status, kind in ((402, keepward.PaymentRequired), (409, keepward.Conflict), (410, keepward.Gone)):
        fake = Fake(lambda n, status=status: (status, {}, problem(status)))
        assert type(raises(kind, keepward.Client(base_url=fake.url).health.get)) is kind
    fake = Fake(lambda n: (200, {"Content-Type": "text/html"}, b"<html>hello</html>"))
    assert "hello" not in str(raises(keepward.ConnectionFailed, keepward.Client(base_url=fake.url).health.get))
    fake = Fake(lambda n: (200, {"Content-Type": "application/json", "Content-Length": "500"}, b'{"status":'))
    raises(keepward.ConnectionFailed, keepward.Client(base_url=fake.url, max_retries=0).health.get)
    cut = (200, {"Content-Type": "application/json", "Content-Length": "500"}, b'{"status":')
    fake = Fake(lambda n: cut if n == 1 else health())
    assert keepward.Client(base_url=fake.url).health.get().status == "healthy"
    large = json.dumps({"status": "healthy", "padding": "x" * 10 * 1024 * 1024}).encode()
    fake = Fake(lambda n: (200, {"Content-Type": "application/json"}, large))
    assert keepward.Client(base_url=fake.url).health.get().status == "healthy"
    # Nobody is told that an argument is wrong where an account is.
    fake = Fake(lambda n: (200, {"Content-Type": "application/json"}, b'{"mfa_required": true, "mfa_token": "m"}'))
    client = keepward.Client(base_url=fake.url, email="a@example.com", password="p")
    assert "second factor" in str(raises(keepward.Unauthorized, client.vaults.list))
    other = Fake(lambda n: health())
    fake = Fake(lambda n: (302, {"Location": other.url + "/v1/health"}, b""))
    raises(keepward.KeepwardError, keepward.Client(base_url=fake.url, token="secret-token").account.get)
    assert fake.requests and not other.requests, "a token must not follow a redirect"
    error = raises(keepward.ConnectionFailed, keepward.Client(base_url="http://127.0.0.1:1", max_retries=0).health.get)
    assert "refused" in error.detail
    # What is not safe to repeat must not go out on a connection that is gone.
    fake = Fake(lambda n: (409, {}, problem(409)), idle=0.2)
    client = keepward.Client(base_url=fake.url, token="x", max_retries=0)
    for _ in range(4):
        raises(keepward.Conflict, client.vaults.create, "v")
        time.sleep(0.4)
    # A token exchange that somebody else answers is no mistake of the caller's.
    fake = Fake(lambda n: (200, {"Content-Type": "text/html"}, b"<html>hello</html>"))
    raises(keepward.ConnectionFailed, keepward.Client(base_url=fake.url, agent_key="ocv_a").agents.me)
    proxies("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy")


def frames_show_no_secret():
    """What was given as a plain text is no variable of a frame of this package; nor is what can't be one."""
    fake = Fake(lambda n: (403, {}, problem(403)))
    given = f"sk-{uuid.uuid4()}"
    client = keepward.Client(base_url=fake.url, token=given)
    wrong = (given + "\ud800", given.encode(), bytearray(given.encode()), [given], {"text": given})
    calls = [(keepward.Forbidden, lambda: client.account.get()), (keepward.Forbidden, lambda: client.admin.setting_put("key", given))]
    for value in wrong:
        calls.append(((TypeError, ValueError), lambda value=value: client.admin.setting_put("key", value)))
        for name in ("token", "agent_key", "user_key"):
            made = lambda name=name, value=value: keepward.Client(base_url=fake.url, **{name: value})
            calls.append(((TypeError, ValueError), made))
    for kind, call in calls:
        error = raises(kind, call)
        assert given not in str(error)
        frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
        ours = [frame for frame in frames if "keepward" in os.path.dirname(frame.filename) and frame.filename != __file__]
        assert ours and not any(given in str(frame.locals) for frame in ours), ours


def retries_and_time_outs():
    """What a client is told of them holds, in its units; the defaults would take another time, or number of tries."""
    for retries in (0, 2):
        fake = Fake(lambda n: (503, {"Retry-After": "0"}, problem(503)))
        raises(keepward.ServerError, keepward.Client(base_url=fake.url, max_retries=retries).health.get)
        assert len(fake.requests) == retries + 1
    fake = Fake(lambda n: (429, {"Retry-After": "1"}, problem(429)) if n == 1 else (409, {}, problem(409)))
    client = keepward.Client(base_url=fake.url, token="x")
    begun = time.monotonic()
    # A change that was refused goes out again.
    raises(keepward.Conflict, client.vaults.create, "v")
    assert time.monotonic() - begun >= 1 and len(fake.requests) == 2
    fake = Fake(lambda n: (429, {"Retry-After": "61"}, problem(429)))
    raises(keepward.RateLimited, keepward.Client(base_url=fake.url).health.get)
    assert len(fake.requests) == 1, "who is sent away for longer than a minute would rather know"
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for timeout in (0.3, datetime.timedelta(milliseconds=300)):
            begun = time.monotonic()
            raises(keepward.Timeout, keepward.Client(base_url=url, timeout=timeout, max_retries=0).health.get)
            assert 0.3 <= time.monotonic() - begun < 15
    client = keepward.Client(base_url=SERVERS["crowded"], connect_timeout=0.3, max_retries=0)
    begun = time.monotonic()
    raises(keepward.ConnectionFailed, client.health.get)
    assert 0.3 <= time.monotonic() - begun < 4


def proxies(*names):
    """Not asked over http; over https for a tunnel, and it sees no more."""
    seen = []
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()

        def answer():
            while True:
                try:
                    connection, _ = proxy.accept()
                except OSError:
                    return
                with connection:
                    seen.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        given = {name: os.environ.pop(name) for name in list(os.environ) if name.upper().endswith("_PROXY")}
        for name in names:
            os.environ[name] = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        try:
            raises(keepward.Unauthorized, keepward.Client(base_url=URL, token="secret-token").account.get)
            away = keepward.Client(base_url="https://vault.example.com", token="secret-token", max_retries=0)
            raises(keepward.ConnectionFailed, away.account.get)
        finally:
            for name in names:
                del os.environ[name]
            os.environ.update(given)
    assert len(seen) == 1 and seen[0].startswith(b"CONNECT vault.example.com:443 "), seen
    assert b"secret-token" not in seen[0], "a proxy must not see a token"


def pages_without_an_end():
    """Whoever knows nothing of pages answers the same one for ever."""
    page = json.dumps({"events": [{"id": VAULT, "action": "secret.read", "details": {}}]}).encode()
    deaf = Fake(lambda _: (200, {"Content-Type": "application/json"}, page))
    client = keepward.Client(base_url=deaf.url, token="t")
    found = []
    try:
        for event in client.audit.iter_events():
            found.append(str(event.id))
    except keepward.ConnectionFailed as error:
        assert "not Keepward's" in error.title
        found.append("no end")
    assert found == [VAULT, "no end"] and len(deaf.requests) == 11

    async def go_through():
        async with keepward.AsyncClient(base_url=deaf.url, token="t") as client:
            try:
                async for event in client.audit.iter_events():
                    assert str(event.id) == VAULT
            except keepward.ConnectionFailed:
                return True

    assert asyncio.run(go_through())


if __name__ == "__main__":
    for test in (bad_servers, frames_show_no_secret, retries_and_time_outs, pages_without_an_end):
        test()
        print(f"servers: {test.__name__}")
