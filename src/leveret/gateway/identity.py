"""The identity: whose request it is, and what it may do. One is in the scope of every request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from msgspec import Struct
from starlette.requests import HTTPConnection

from leveret.core.prediction import Prediction
from leveret.errors import PredictionNotFound

IN_SCOPE: Final = "leveret.identity"
"""Where it is in the ASGI scope."""


class Identity(Struct, frozen=True):
    """An account; `everything` may be seen where no keys are asked for. A worker's key is for its `models`."""

    account: str
    everything: bool = False
    models: frozenset[str] = frozenset()

    def owns(self, prediction: Prediction) -> bool:
        """Whether it may know of the prediction. Nobody owns nothing, not even what has no account."""
        return self.everything or prediction.account == self.account != NOBODY.account


Identify: TypeAlias = Callable[[], Awaitable[Identity]]
"""Whose connection it is now. Raises Unauthenticated, ScopeMissing and StoreUnavailable."""

EVERYBODY: Final = Identity("local", everything=True)
"""Who asks where no keys are asked for."""

NOBODY: Final = Identity("")
"""Who has no key, where a link takes its place."""


def identity(connection: HTTPConnection) -> Identity:
    """Whose connection it is."""
    found: Identity = connection.scope.get(IN_SCOPE, EVERYBODY)
    return found


def own(connection: HTTPConnection, prediction: Prediction) -> Prediction:
    """The prediction, for whoever may know of it. Raises PredictionNotFound."""
    if not identity(connection).owns(prediction):
        raise PredictionNotFound(prediction_id=prediction.id)
    return prediction
