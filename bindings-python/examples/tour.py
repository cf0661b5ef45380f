"""What docs/sdk/python.md shows, against the server of KEEPWARD_URL."""

import asyncio
import datetime
import json
import os
import pickle
import uuid
from typing import List

# snippet: import
import keepward
# end

paid: List[str] = []


def call_stripe(key: str) -> None:
    paid.append(key)


def first_secret() -> None:
    # snippet: first-secret
    with keepward.Client() as client:  # KEEPWARD_URL and KEEPWARD_AGENT_KEY
        vault = client.vaults.list().vaults[0]
        secret = client.secrets.get(vault.id, "payments/stripe")
        call_stripe(secret.value.reveal())
    # end
    assert paid == ["sk_live_51demo"]


def errors(client: keepward.Client, vault: uuid.UUID) -> None:
    # snippet: errors
    try:
        client.secrets.get(vault, "payroll/bank")
    except keepward.Forbidden as error:
        print(error.status, error.title, error.detail, error.request_id)
    except keepward.RateLimited as error:
        print("again in", error.retry_after, "seconds")
    except keepward.KeepwardError as error:  # every other answer, and none at all
        print(error)
    # end


def read_in_tasks(vault: uuid.UUID) -> None:
    # snippet: async
    async def read(paths: List[str]) -> List[str]:
        async with keepward.AsyncClient() as client:
            secrets = await asyncio.gather(*(client.secrets.get(vault, path) for path in paths))
            return [secret.value.reveal() for secret in secrets]

    # end
    assert asyncio.run(read(["payments/stripe"] * 20)) == ["sk_live_51demo"] * 20


def retries(vault: uuid.UUID) -> None:
    # snippet: retries
    patient = keepward.Client(timeout=10, connect_timeout=datetime.timedelta(seconds=2), max_retries=5)
    # end
    assert patient.secrets.get(vault, "payments/stripe").version == 1
    patient.close()


def values(client: keepward.Client, vault: uuid.UUID) -> None:
    # snippet: values
    secret = client.secrets.get(vault, "payments/stripe")
    age = datetime.datetime.now(datetime.timezone.utc) - secret.created_at
    print(secret.id, secret.metadata.get("owner"), age)
    # end
    # snippet: silence
    for shown in (str(secret.value), repr(secret), f"{secret.value}"):
        assert "sk_live" not in shown
    for stored in (json.dumps, pickle.dumps):
        try:
            stored(secret.value)
        except TypeError:
            continue
        raise AssertionError("a secret went where it should not")
    # end


def pages(human: keepward.Client) -> None:
    # snippet: pages
    for event in human.audit.iter_events(action="secret.read", limit=2):
        print(event.created_at, event.actor_id, event.outcome)
    # end
    found = [event.id for event in human.audit.iter_events(limit=2)]
    assert len(found) == len(set(found)) > 4


def main() -> None:
    os.environ.pop("KEEPWARD_AGENT_KEY", None)
    email, password = f"ada-{uuid.uuid4()}@example.com", "D3mo!Passw0rd#x7"
    keepward.Client().auth.signup(email, password)
    human = keepward.Client(email=email, password=password)
    vault = human.vaults.create("production").id
    human.secrets.put(vault, "payments/stripe", "sk_live_51demo", metadata={"owner": "payments"})
    human.secrets.put(vault, "payroll/bank", "hunter2")
    bot = human.agents.register("checkout-bot")
    human.policies.create(vault, "payments/**", "agent", bot.agent.id, ["read"])
    assert bot.api_key is not None
    os.environ["KEEPWARD_AGENT_KEY"] = bot.api_key.reveal()
    first_secret()
    with keepward.Client() as client:
        errors(client, vault)
        values(client, vault)
    read_in_tasks(vault)
    retries(vault)
    pages(human)


if __name__ == "__main__":
    main()
