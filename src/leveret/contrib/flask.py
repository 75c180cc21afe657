"""Leveret in a Flask app: submit, look up and wait for predictions, and hear by verified webhooks how they end.

leveret = Leveret()
leveret.init_app(app)

prediction_id = leveret.submit("acme/ocr", {"image": url})
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final, TypeVar, Unpack

from leveret.client import Client, Options, Prediction, received
from leveret.errors import BadSignature, MalformedJson

try:
    from flask import Blueprint, Flask, current_app, request, url_for
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("leveret.contrib.flask needs Flask: pip install 'leveret[flask]'") from error

Handler = TypeVar("Handler", bound=Callable[[Prediction], object])

_EXTENSION: Final = "leveret"


class Leveret:
    """The extension; one object may serve several apps.

    It reads these from the app's configuration, otherwise from the environment:

    * LEVERET_URL: where the gateway is
    * LEVERET_TOKEN: the token for it
    * LEVERET_CA, LEVERET_CERTIFICATE, LEVERET_KEY: files for TLS with it
    * LEVERET_WEBHOOK_SECRET: `whsec_…`, with which webhooks are signed; without it none is believed

    `blueprint` has the one route that receives webhooks, POST /leveret/webhooks.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self.blueprint = Blueprint(_EXTENSION, __name__, url_prefix="/leveret")
        self.blueprint.add_url_rule("/webhooks", view_func=self._receive, methods=["POST"])
        self._handlers: list[Callable[[Prediction], object]] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Make it part of the app. Nothing is connected before it is needed."""
        app.extensions[_EXTENSION] = _Connected()
        app.register_blueprint(self.blueprint)

    @property
    def client(self) -> Client:
        """The client of the current app, for whatever is not here: cancel, stream, files."""
        connected: _Connected = current_app.extensions[_EXTENSION]
        return connected.client()

    def submit(self, model: str, given: Mapping[str, object], **options: Unpack[Options]) -> str:
        """Have the model run with this input; answers the prediction's id as soon as it is accepted.

        `webhook=leveret.webhook_url` has this app told how it ends.
        """
        return self.client.submit(model, given, **options).id

    @property
    def webhook_url(self) -> str:
        """Where this app receives webhooks, at the address by which the current request has reached it."""
        return url_for(f"{_EXTENSION}._receive", _external=True)

    def get(self, prediction_id: str) -> Prediction:
        """The prediction as it is now. Raises PredictionNotFound."""
        return self.client.get(prediction_id).prediction

    def wait(self, prediction_id: str, timeout: float | None = None) -> Prediction:
        """The prediction when it has ended. Raises StillRunning if it has not within `timeout` seconds."""
        return self.client.get(prediction_id).wait(timeout)

    def on_webhook(self, handler: Handler) -> Handler:
        """Decorate a function to be called with each prediction that a verified webhook brings.

        A webhook may come more than once. If a handler raises, it is answered with 500 and comes again.
        """
        self._handlers.append(handler)
        return handler

    def _receive(self) -> tuple[dict[str, str], int] | tuple[str, int]:
        try:
            prediction = received(request.get_data(), dict(request.headers), secret=_setting("LEVERET_WEBHOOK_SECRET"))
        except (BadSignature, MalformedJson) as error:
            return {"code": error.code, "detail": str(error)}, error.status
        for handler in self._handlers:
            handler(prediction)
        return "", 204


class _Connected:
    """The client of one app, made by the first who needs it: behind the forks of a server, not before."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._client: Client | None = None

    def client(self) -> Client:
        with self._lock:
            if self._client is None:
                certificate, key = _setting("LEVERET_CERTIFICATE"), _setting("LEVERET_KEY")
                self._client = Client(
                    _setting("LEVERET_URL") or None,
                    token=_setting("LEVERET_TOKEN") or None,
                    ca=_setting("LEVERET_CA") or None,
                    certificate=(certificate, key) if certificate else None,
                )
            return self._client


def _setting(name: str) -> str:
    return str(current_app.config.get(name) or os.environ.get(name, ""))
