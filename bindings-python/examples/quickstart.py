"""From nothing to a secret that an agent reads, against the server of KEEPWARD_URL."""

import uuid

import keepward

email, password = f"ada-{uuid.uuid4()}@example.com", "D3mo!Passw0rd#x7"

with keepward.Client() as visitor:
    visitor.auth.signup(email, password)

with keepward.Client(email=email, password=password) as human:
    vault = human.vaults.create("production")
    human.secrets.put(vault.id, "payments/stripe", "sk_live_51demo")
    bot = human.agents.register("checkout-bot")
    human.policies.create(vault.id, "payments/**", "agent", bot.agent.id, ["read"])

with keepward.Client(agent_key=bot.api_key) as agent:
    secret = agent.secrets.get(vault.id, "payments/stripe")
    print(f"{secret.path}, version {secret.version}: {secret.value}")
    assert secret.value.reveal() == "sk_live_51demo"
