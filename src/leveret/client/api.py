"""The API: what can be asked of a gateway, each as a coroutine that both clients share."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
from msgspec import Raw, Struct

from leveret.client import inputs
from leveret.client.answers import Model, Models, Page, Queue, Queues, Scale, Stored
from leveret.client.caller import Caller
from leveret.client.exchange import Request, Upload
from leveret.client.options import Options
from leveret.client.prediction import Prediction
from leveret.core.prediction import MODEL_NAME, PREDICTION_ID
from leveret.errors import InvalidRequest, ModelNotFound, NotFound, PredictionNotFound, StillRunning

LONG_POLL: Final = 25.0
"""For how many seconds the gateway is asked to wait for an end, before it is asked again."""

_OWNER: Final = "local"
"""The owner of a model that is named without one."""

_IN_BODY: Final = frozenset({"priority", "retention", "reuse", "webhook", "webhook_events_filter"})
"""The options that stand in the body; the others are headers."""

_encoder: Final = msgspec.json.Encoder()


class Selection(Struct, frozen=True, kw_only=True):
    """Which predictions to list."""

    status: str | None = None
    model: str | None = None


class Api:
    """The endpoints of the gateway that the caller calls."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    async def submit(
        self, model: str, given: Mapping[str, object], options: Options, *, wait: float = 0.0
    ) -> Prediction:
        """The prediction as it is when it was accepted, or if it has ended within `wait` seconds, as it is then.

        Its key makes a repeated request the same prediction, whose answer was lost.
        """
        path, body = _place(model)
        body["input"] = Raw(await inputs.encode(given, self.upload))
        body |= {name: wish for name, wish in options.items() if name in _IN_BODY and wish is not None}
        headers = {"Content-Type": "application/json", "Idempotency-Key": options.get("idempotency_key") or _key()}
        if (seconds := options.get("cancel_after")) is not None:
            headers["Cancel-After"] = str(math.ceil(seconds))
        request = Request(
            method="POST", path=path, headers=headers | _prefer(wait), content=_encoder.encode(body), wait=wait
        )
        return await self.caller.call(request, Prediction)

    async def run(
        self, model: str, given: Mapping[str, object], options: Options, *, within: float | None
    ) -> Prediction:
        """The prediction when it has ended: one request, if that is soon. Raises StillRunning."""
        clock = self.caller.transport.clock
        until = math.inf if within is None else clock() + within
        prediction = await self.submit(model, given, options, wait=min(LONG_POLL, max(0.0, until - clock())))
        if prediction.ended:
            return prediction
        return await self.wait(prediction.id, within=None if within is None else max(0.0, until - clock()))

    async def get(self, prediction_id: str, *, wait: float = 0.0, patience: float | None = None) -> Prediction:
        """The prediction as it is, or as soon as it has ended if that is within `wait` seconds."""
        request = Request(method="GET", path=_one(prediction_id), headers=_prefer(wait), wait=wait)
        return await self.caller.call(request, Prediction, patience=patience)

    async def wait(self, prediction_id: str, *, within: float | None = None) -> Prediction:
        """The prediction when it has ended. Raises StillRunning if it has not within `within` seconds."""
        clock, jitter = self.caller.transport.clock, self.caller.jitter
        until = math.inf if within is None else clock() + within
        while True:
            asked = clock()
            wait = max(0.0, min(LONG_POLL, until - asked))
            prediction = await self.get(prediction_id, wait=wait, patience=max(0.0, until - asked))
            if prediction.ended:
                return prediction
            now = clock()
            if now >= until:
                raise StillRunning(prediction_id=prediction_id, state=prediction.status)
            if now - asked < wait / 2:  # a gateway that is about to close waits for nothing
                await self.caller.transport.pause(min(0.5 + jitter() / 2, until - now))

    async def cancel(self, prediction_id: str) -> Prediction:
        """Cancel it: what waits has ended with the answer, what runs ends as soon as it is stopped."""
        return await self.caller.call(Request(method="POST", path=_one(prediction_id) + "/cancel"), Prediction)

    async def delete(self, prediction_id: str) -> None:
        """Remove what has ended, with all that is kept of it."""
        await self.caller.ask(Request(method="DELETE", path=_one(prediction_id), repeatable=False))

    async def retry(self, prediction_id: str) -> Prediction:
        """A new prediction with the input of one that has ended."""
        path = _one(prediction_id) + "/retry"
        return await self.caller.call(Request(method="POST", path=path, repeatable=False), Prediction)

    async def page(self, selection: Selection, *, cursor: str | None) -> Page:
        """Some predictions, newest first."""
        given = {"status": selection.status, "model": selection.model, "cursor": cursor}
        parameters = {name: value for name, value in given.items() if value is not None}
        return await self.caller.call(Request(method="GET", path="/v1/predictions", parameters=parameters), Page)

    async def models(self) -> list[Model]:
        """Every model, by name."""
        return (await self.caller.call(Request(method="GET", path="/v1/models"), Models)).results

    async def model(self, name: str) -> Model:
        """One model."""
        return await self.caller.call(Request(method="GET", path=f"/v1/models/{full_name(name)}"), Model)

    async def queues(self) -> list[Queue]:
        """What waits and what runs, by model."""
        return (await self.caller.call(Request(method="GET", path="/admin/v1/queues"), Queues)).results

    async def scale(self, model: str, *, target_wait: float | None) -> Scale:
        """How many workers a model wants."""
        parameters = {} if target_wait is None else {"target_wait": str(target_wait)}
        path = f"/admin/v1/models/{full_name(model)}/scale"
        return await self.caller.call(Request(method="GET", path=path, parameters=parameters), Scale)

    async def upload(self, file: Upload) -> str:
        """The URL that stands for the file in an input; a data: URL if this gateway stores none."""
        try:
            request = Request(method="POST", path="/v1/files", upload=file)
            return (await self.caller.call(request, Stored)).urls["get"]
        except NotFound:
            return inputs.inline(file)


def further(page: Page) -> str | None:
    """Where to go on. Not the whole address: the gateway may know itself by another one than we do."""
    return None if page.next is None else parse_qs(urlsplit(page.next).query)["cursor"][0]


def full_name(model: str) -> str:
    """The model's name with its owner. Raises ModelNotFound for what cannot be one."""
    name = model if "/" in model else f"{_OWNER}/{model}"
    if not MODEL_NAME.fullmatch(name):
        raise ModelNotFound(model=model, known="GET /v1/models lists them")
    return name


def file(value: Path | object) -> Upload:
    """The value as a file. Raises InvalidRequest."""
    found = inputs.upload(value)
    if found is None:
        raise InvalidRequest(reason=f"{type(value).__name__} is no file: give a Path, bytes or a file open for reading")
    return found


def _place(model: str) -> tuple[str, dict[str, object]]:
    """Where `owner/name`, or `owner/name:version`, is run, and what the body says of it."""
    name, _, version = model.partition(":")
    name = full_name(name)
    return ("/v1/predictions", {"version": f"{name}:{version}"}) if version else (f"/v1/models/{name}/predictions", {})


def _one(prediction_id: str) -> str:
    if not PREDICTION_ID.fullmatch(prediction_id):  # such as `..`, which would lead elsewhere
        raise PredictionNotFound(prediction_id=prediction_id)
    return f"/v1/predictions/{quote(prediction_id)}"


def _prefer(wait: float) -> dict[str, str]:
    return {"Prefer": f"wait={wait:.3f}"} if wait > 0 else {}


def _key() -> str:
    return os.urandom(16).hex()
