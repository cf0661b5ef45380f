"""What is Python's own: secrets that do not print, arguments, Ctrl-C, cancellation, forks."""

import asyncio
import collections.abc
import copy
import datetime
import decimal
import faulthandler
import gc
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import uuid

import keepward
from fake import Fake, health, raises

URL = os.environ["KEEPWARD_URL"]
PASSWORD = "Word-of-this-run!7"
VAULT = "3f0d3a0e-4f6b-4a6b-9c55-2b7f6d1f8a10"


def secrets_do_not_print():
    text = f"sk-{uuid.uuid4()}"
    secret = keepward.Secret(text)
    assert secret.reveal() == text and secret == keepward.Secret(text) and secret != keepward.Secret("x")
    model = keepward.models.SecretResponse(value=secret, path="a")
    for shown in (secret, model, [secret], {"a": model}, model.to_dict()):
        for way in (str, repr, "{}".format, "{!r}".format, lambda value: "%s" % (value,), lambda value: f"{value}"):
            assert text not in way(shown), (way, shown)
    assert copy.copy(secret) is secret and copy.deepcopy(secret) is secret
    for way in (pickle.dumps, json.dumps, vars, lambda value: pickle.dumps(model)):
        assert text not in str(raises(TypeError, way, secret))
    try:
        local = secret  # noqa: F841
        raise ValueError("x")
    except ValueError:
        assert text not in traceback.format_exc()
        shown = traceback.TracebackException(*sys.exc_info(), capture_locals=True)
        # The text itself is a local of this test; what is a secret is not shown.
        assert "local = Secret(...)" in "".join(shown.format())
    raises(AttributeError, setattr, secret, "x", 1)
    raises(AttributeError, setattr, model, "path", "b")


def what_a_client_is_made_from():
    environment = {name: os.environ.pop(name, None) for name in ("KEEPWARD_URL", "KEEPWARD_AGENT_KEY")}
    try:
        raises(ValueError, keepward.Client)
        os.environ["KEEPWARD_URL"] = ""
        raises(ValueError, keepward.Client)
        os.environ["KEEPWARD_URL"] = URL
        os.environ["KEEPWARD_AGENT_KEY"] = ""
        assert keepward.Client().health.get().status == "healthy"
        os.environ["KEEPWARD_AGENT_KEY"] = "ocv_no_such_key"
        raises(keepward.Unauthorized, keepward.Client().agents.me)
        keepward.Client(token="x")
    finally:
        for name, value in environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    for url in ("", "127.0.0.1:80", "ftp://127.0.0.1", "http://user:pass@127.0.0.1", "http://127.0.0.1/?a=b", "http://"):
        error = raises(ValueError, keepward.Client, base_url=url)
        assert "user:" not in str(error) and "pass" not in str(error)
    raises(ValueError, keepward.Client, base_url=URL, agent_key="ocv_a", user_key="1ck_a")
    raises(ValueError, keepward.Client, base_url=URL, email="a@example.com")
    raises(ValueError, keepward.Client, base_url=URL, timeout=0)
    raises(ValueError, keepward.Client, base_url=URL, timeout=-1)
    for count in (-1, 101, 2**40, 2**70):
        raises(ValueError, keepward.Client, base_url=URL, max_retries=count)
    raises(TypeError, keepward.Client, base_url=URL, max_retries=1.5)
    raises(ValueError, keepward.Client, base_url=URL, token="\ud800")
    raises(TypeError, keepward.Client, base_url=URL, agent_key=5)
    raises(TypeError, keepward.Client, bass_url=URL)
    for url in (URL + "/", URL + "/api/"):
        assert keepward.Client(base_url=url).health.get().status == "healthy"


def arguments():
    client = keepward.Client(base_url=URL, token="x")
    raises(TypeError, client.secrets.get, VAULT)
    raises(TypeError, client.secrets.get, VAULT, "a", nothing=1)
    for wrong in (b"bytes", bytearray(b"bytes"), memoryview(b"bytes"), collections.UserString("text"), ["text"], object()):
        raises(TypeError, client.secrets.put, VAULT, "a", wrong)

    class Talkative(collections.abc.Sequence):
        def __len__(self):
            return 1

        def __getitem__(self, _):
            raise ValueError("hunter2")

    assert "hunter2" not in str(raises(TypeError, client.secrets.put, VAULT, "a", Talkative()))
    raises(TypeError, client.secrets.put, VAULT, "a", "v", metadata={"x": b"bytes"})
    raises(TypeError, client.secrets.put, VAULT, "a", "v", metadata={"x": object()})
    raises(ValueError, client.secrets.put, VAULT, "a", "v", metadata={"x": float("nan")})
    raises(ValueError, client.secrets.put, VAULT, "a", "lone \ud800")
    raises(ValueError, client.secrets.put, VAULT, "a", "v", expires_at=datetime.datetime(2030, 1, 1))
    raises(ValueError, client.secrets.get, VAULT, "a/../b")
    raises(ValueError, client.secrets.get, "not-a-uuid", "a")
    raises((ValueError, OverflowError), client.audit.events, limit=2**70)
    raises(ValueError, client.audit.events, limit=2**40)
    raises(TypeError, client.audit.events, limit=1.5)
    raises(ValueError, client.secrets.put, VAULT, "a", "v", metadata={"x": decimal.Decimal("nan")})
    deep = []
    for _ in range(100):
        deep = [deep]
    raises(ValueError, client.secrets.put, VAULT, "a", "v", metadata={"x": deep})
    secret = keepward.Secret("hunter2")
    raises(TypeError, client.secrets.put, VAULT, "a", "v", metadata={"x": secret})
    raises(TypeError, client.secrets.get, VAULT, secret)
    raises(ValueError, client.admin.setting_put, "..", "v")
    error = raises(TypeError, client.secrets.put, VAULT, "a", 12345)
    assert "12345" not in str(error) and "value" in str(error)


def values_as_they_are():
    client = keepward.Client(base_url=URL)
    email = f"{uuid.uuid4()}@example.com"
    token = client.auth.signup(email, PASSWORD).access_token
    client = keepward.Client(base_url=URL, token=token)
    vault = client.vaults.create("v").id
    assert isinstance(vault, uuid.UUID)
    later = datetime.datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    for n, text in enumerate(("nul \0 in it", "emoji 🔐 and ünï", "x" * 4 * 1024 * 1024)):
        made = client.secrets.put(vault, f"p/{n}", keepward.Secret(text), expires_at=later, metadata={"big": 2**53 + 1, "bigger": 2**64 - 1, "least": -(2**63)})
        found = client.secrets.get(vault, f"p/{n}")
        assert found.value.reveal() == text and found.version == made.version == 1
        assert found.expires_at == later and found.expires_at.tzinfo is datetime.timezone.utc
        assert found.metadata == {"big": 2**53 + 1, "bigger": 2**64 - 1, "least": -(2**63)}
    client.secrets.put(vault, "listed", "v", metadata={"range": range(2), "deque": collections.deque("ab")})
    assert client.secrets.get(vault, "listed").metadata == {"range": [0, 1], "deque": ["a", "b"]}
    named = {"snake_key": {"inner_key": 1}, "camelKey": 2, "small": decimal.Decimal("0.0000001")}
    client.secrets.put(vault, "named", "v", metadata=named)
    assert client.secrets.get(vault, "named").metadata == {**named, "small": "0.0000001"}
    agent = client.agents.register("a", description="d").agent
    assert client.agents.update(agent.id, name="b").description == "d"
    assert client.agents.update(agent.id, description=None).description == ""
    assert pickle.loads(pickle.dumps(agent)) == agent


async def one_call():
    async with keepward.AsyncClient(base_url=URL) as client:
        return (await client.health.get()).status


def in_a_child(check):
    child = os.fork()
    if child == 0:
        try:
            check()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def closed_and_forked():
    client = keepward.Client(base_url=URL)
    with client as same:
        assert same is client and client.health.get()
    raises(RuntimeError, client.health.get)
    clients = [keepward.Client(base_url=URL, max_retries=0)]
    clients[0].health.get()

    def check():
        raises(RuntimeError, clients[0].health.get)
        assert keepward.Client(base_url=URL).health.get().status == "healthy"
        clients.pop().close()
        gc.collect()
        assert asyncio.run(one_call()) == "healthy"

    in_a_child(check)
    # Deaf, it would end in a `Timeout`: it makes one try.
    assert clients[0].health.get().status == "healthy"


def forked_after_asyncio():
    client = keepward.AsyncClient(base_url=URL, max_retries=0)

    async def status():
        return (await client.health.get()).status

    assert asyncio.run(status()) == "healthy"

    def check():
        raises(RuntimeError, lambda: asyncio.run(status()))
        assert asyncio.run(one_call()) == "healthy"
        asyncio.run(client.close())

    in_a_child(check)
    assert asyncio.run(status()) == "healthy"


def control_c_ends_a_call():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        code = (
            # Whoever runs this in the background may have it ignored.
            "import keepward, signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"c = keepward.Client(base_url='http://127.0.0.1:{silent.getsockname()[1]}', timeout=60)\n"
            "try:\n    c.health.get()\nexcept KeyboardInterrupt:\n    sys.stdin.read()\n    sys.exit(7)\n"
        )
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
        connection, _ = silent.accept()
        connection.settimeout(20)
        with connection:
            assert connection.recv(65536).startswith(b"GET /v1/health")
            child.send_signal(signal.SIGINT)
            # Not only there: its connection ends, and the process does not yet.
            assert connection.recv(1) == b"" and child.poll() is None
        child.communicate(timeout=20)
        assert child.returncode == 7
        # One that ends while a call runs in another thread ends all the same, whenever that call looks for signals.
        for n in range(24):
            ends = (
                "import threading; threading.Thread(target=c.health.get, daemon=True).start()"
                f"; import time; time.sleep({n * 0.006}); sys.exit(8)"
            )
            ended = subprocess.run(
                [sys.executable, "-c", code.replace("c.health.get()", ends)], capture_output=True, timeout=30
            )
            assert (ended.returncode, ended.stderr) == (8, b""), (n, ended)


def a_handler_of_a_signal_may_call():
    """While another call of the same client fetches the token that both need."""

    def slow(n):
        if n == 1:
            time.sleep(1)
            return 200, {"Content-Type": "application/json"}, b'{"access_token": "t", "token_type": "bearer", "expires_in": 3600}'
        return 200, {"Content-Type": "application/json"}, b'{"vaults": []}'

    fake = Fake(slow)
    client = keepward.Client(base_url=fake.url, agent_key="ocv_a", timeout=20, max_retries=0)
    answers = []
    before = signal.signal(signal.SIGALRM, lambda *_: answers.append(client.vaults.list()))
    # Two that wait for each other would wait for ever.
    faulthandler.dump_traceback_later(60, exit=True)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        assert client.vaults.list().vaults == [] and [answer.vaults for answer in answers] == [[]]
    finally:
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()
    assert len(fake.requests) == 3


def slowly(_):
    time.sleep(1)
    return health()


def a_handler_of_a_signal_may_fork():
    """The call is the parent's, who gets its answer however the child ends."""
    for leave in ("sys.exit(9)", "return"):
        code = (
            "import keepward, os, signal, sys\n"
            f"def handler(*_):\n    if os.fork() == 0:\n        {leave}\n"
            "signal.signal(signal.SIGALRM, handler)\nsignal.setitimer(signal.ITIMER_REAL, 0.3)\n"
            f"c = keepward.Client(base_url={Fake(slowly).url!r}, timeout=5, max_retries=0)\n"
            "try:\n    status = c.health.get().status\nexcept RuntimeError:\n    sys.exit(9)\n"
            "print(status, os.waitstatus_to_exitcode(os.wait()[1]))\n"
        )
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"healthy 9\n", b""), (leave, ended)


def what_ends_with_the_interpreter_may_call():
    """However long it takes: nobody looks for signals then."""
    code = (
        "import keepward\nclass Lease:\n    def __del__(self):\n        print(self.client.health.get().status, flush=True)\n"
        f"lease = Lease()\nlease.client = keepward.Client(base_url={Fake(slowly).url!r})\n"
        # Classes of answers are looked for by the first that needs them, which can't be done so late.
        "lease.client.health.get()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"healthy\n", b""), ended


def the_interpreter_ends_as_it_should():
    for code in (
        "async def main():\n    c = keepward.AsyncClient()\n    assert (await c.health.get()).status == 'healthy'\nasyncio.run(main())",
        "async def main():\n    c = keepward.AsyncClient()\n    [asyncio.ensure_future(c.health.get()) for _ in range(20)]\n    await asyncio.sleep(0.003)\nasyncio.run(main())",
    ):
        for _ in range(12):
            ended = subprocess.run([sys.executable, "-c", "import asyncio, keepward\n" + code], capture_output=True, timeout=60)
            assert ended.returncode == 0 and not ended.stderr, (ended.returncode, ended.stderr)


def a_client_that_is_not_made_shows_no_key():
    environment = {name: os.environ.pop(name, None) for name in ("KEEPWARD_URL", "KEEPWARD_AGENT_KEY")}
    os.environ["KEEPWARD_AGENT_KEY"] = key = f"ocv_{uuid.uuid4().hex}"
    try:
        keepward.Client()
        raise AssertionError("without a URL")
    except ValueError:
        shown = traceback.TracebackException(*sys.exc_info(), capture_locals=True)
        assert "agent_key = Secret(...)" in "".join(shown.format()).replace("'", "")
        assert not any(key in line for line in shown.format() if "_client.py" in line)
    finally:
        for name, value in environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


async def asyncio_ends_a_call():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = keepward.AsyncClient(base_url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=60)

        async def has_ended():
            """Not only here: its connection ends."""
            connection, _ = silent.accept()
            connection.settimeout(20)
            with connection:
                assert connection.recv(65536).startswith(b"GET /v1/health")
                assert await asyncio.get_running_loop().run_in_executor(None, connection.recv, 1) == b""

        task = asyncio.ensure_future(client.health.get())
        await asyncio.sleep(0.2)
        task.cancel()
        try:
            await task
            raise AssertionError("a cancelled call went on")
        except asyncio.CancelledError:
            pass
        await has_ended()
        # Whoever drives a coroutine by hand may also close it.
        call = client.health.get()
        call.send(None)
        await asyncio.sleep(0.2)
        call.close()
        await has_ended()
    client = keepward.AsyncClient(base_url=URL)
    await client.close()
    try:
        await client.health.get()
        raise AssertionError("a closed client called")
    except RuntimeError:
        pass
    async with keepward.AsyncClient(base_url=URL) as client:
        answers = await asyncio.gather(*(client.health.get() for _ in range(50)))
        assert all(answer.status == "healthy" for answer in answers)


def fifty_calls_share_one_token():
    client = keepward.Client(base_url=URL)
    email = f"{uuid.uuid4()}@example.com"
    client.auth.signup(email, PASSWORD)
    human = keepward.Client(base_url=URL, email=email, password=PASSWORD)
    made = human.agents.register("a")
    agent = keepward.Client(base_url=URL, agent_key=made.api_key)
    failed = []

    def read():
        try:
            assert agent.agents.me().id == made.agent.id
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=read) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    events = human.audit.events(action="auth.success").events
    assert len([event for event in events if event.actor_id == str(made.agent.id)]) == 1, "one exchange for all"


def held():
    """What the process has open, its threads, and its resident memory in MB."""
    gc.collect()
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), resident


# What may be held more after a thousand clients: of memory, 12 kB a client.
SLACK = (8, 8, 12)


def has_kept_nothing(before):
    after = held()
    assert all(now <= then + slack for now, then, slack in zip(after, before, SLACK)), (before, after)


def a_thousand_clients():
    for _ in range(200):
        keepward.Client(base_url=URL).health.get()
    before = held()
    for _ in range(1000):
        keepward.Client(base_url=URL).health.get()
    has_kept_nothing(before)


async def a_thousand_async_clients():
    for _ in range(200):
        await keepward.AsyncClient(base_url=URL).health.get()
    before = held()
    for _ in range(1000):
        await keepward.AsyncClient(base_url=URL).health.get()
    has_kept_nothing(before)


if __name__ == "__main__":
    for test in (
        secrets_do_not_print,
        what_a_client_is_made_from,
        arguments,
        values_as_they_are,
        closed_and_forked,
        forked_after_asyncio,
        control_c_ends_a_call,
        a_handler_of_a_signal_may_call,
        a_handler_of_a_signal_may_fork,
        what_ends_with_the_interpreter_may_call,
        the_interpreter_ends_as_it_should,
        a_client_that_is_not_made_shows_no_key,
        fifty_calls_share_one_token,
        a_thousand_clients,
    ):
        test()
        print(f"client: {test.__name__}")
    for test in (asyncio_ends_a_call, a_thousand_async_clients):
        asyncio.run(test())
        print(f"client: {test.__name__}")
