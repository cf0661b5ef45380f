"""Client of Keepward, a self-hosted vault and signing service for AI agents.

    import keepward

    with keepward.Client() as client:  # KEEPWARD_URL and KEEPWARD_AGENT_KEY
        vault = client.vaults.list().vaults[0]
        secret = client.secrets.get(vault.id, "payments/stripe")
        use(secret.value.reveal())

Values of secrets do not print; `Secret.reveal` is the one way to them. `AsyncClient` is the same with `await`.
"""

from . import _models as models
from ._client import AsyncClient, Client
from ._errors import *
from ._errors import __all__ as _error_names
from ._model import UNSET, Model, Unset
from ._native import Secret, __version__

__all__ = ["AsyncClient", "Client", "Model", "Secret", "UNSET", "Unset", "__version__", "models"]
__all__ += _error_names
