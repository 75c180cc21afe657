"""Views: predictions as clients see them, with the fields of Replicate's API and some more."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import replace
from starlette.requests import HTTPConnection

from leveret.core.ports import Blobs
from leveret.core.prediction import EMPTY, NULL, Blob, HookEvent, Means, Prediction, Priority, Status
from leveret.errors import BlobNotFound
from leveret.gateway.estimates import Estimates, QueueView
from leveret.gateway.files.links import Links

LARGEST_MESSAGE: Final = 8 * 1024 * 1024
"""Bytes of a prediction in a message; half of what RabbitMQ takes from 4.0 on."""

_LAST: Final = 253_402_300_799.0
_HOST: Final = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_SCHEMES: Final = {"ws": "http", "wss": "https"}
"""Of a socket, those of the requests beside it."""

_encoder: Final = msgspec.json.Encoder()


class Urls(Struct, frozen=True):
    """Where to go on."""

    get: Annotated[str, Meta(description="this prediction")]
    cancel: Annotated[str, Meta(description="POST here to cancel it")]
    web: Annotated[str, Meta(description="its page in the dashboard")]
    events: Annotated[str, Meta(description="its log as server-sent events")]
    stream: Annotated[
        str, Meta(description="its output and logs as server-sent events, as Replicate's clients read it")
    ]


class Metrics(Struct, frozen=True, omit_defaults=True):
    """How long it took, in seconds."""

    total_time: Annotated[float, Meta(description="from its creation to its end")]
    predict_time: Annotated[float | UnsetType, Meta(description="of its last run")] = UNSET


class PredictionView(Struct, frozen=True, kw_only=True):
    """One request to run a model, and how it has gone so far."""

    id: str
    model: Annotated[str, Meta(description="owner/name")]
    version: Annotated[str, Meta(description="the model's version when it was submitted")]
    input: Raw
    output: Annotated[Raw, Meta(description="null until there is some; grows while a model streams")]
    logs: str
    error: Annotated[str | None, Meta(description="why it failed")]
    status: Status
    priority: Annotated[Priority, Meta(description="among the predictions of its account")]
    stopped: Annotated[Means | None, Meta(description="by what means it was stopped when it was canceled")]
    created_at: str
    started_at: str | UnsetType = UNSET
    completed_at: str | UnsetType = UNSET
    start_by: Annotated[str | UnsetType, Meta(description="canceled if its first run has not begun by then")] = UNSET
    deadline: Annotated[str | UnsetType, Meta(description="canceled if it has not ended by then")] = UNSET
    retention: Annotated[
        float | UnsetType, Meta(description="seconds after its end until its data is removed, if it has its own")
    ] = UNSET
    data_removed: Annotated[bool, Meta(description="whether input, output and logs are no longer kept")]
    metrics: Metrics | UnsetType = UNSET
    urls: Urls
    attempt: Annotated[int, Meta(description="how many runs have begun")]
    progress: Annotated[float | None, Meta(description="how far the run says it is, from 0 to 1")]
    webhook: Annotated[str | UnsetType, Meta(description="the URL that is told what happens to it")] = UNSET
    webhook_events_filter: Annotated[
        tuple[HookEvent, ...] | UnsetType, Meta(description="of which events that is told")
    ] = UNSET
    queue: QueueView | UnsetType = UNSET
    reused: Annotated[
        str | UnsetType, Meta(description="the prediction whose output this is; the model was not run again")
    ] = UNSET


class Views:
    """Makes the views: fills in what is kept as blobs, and links to the address that the client knows."""

    def __init__(
        self,
        *,
        blobs: Blobs,
        links: Links,
        base_url: str,
        estimates: Estimates | None = None,
        signed: Callable[[], bool] = lambda: False,
    ) -> None:
        self._blobs = blobs
        self._links = links
        self._estimates = estimates
        self._signed = signed
        self._base_url = base_url.rstrip("/")

    def base(self, request: HTTPConnection) -> str:
        """What links begin with: the public address if it is set, otherwise the one the request came to."""
        return self._base_url or _own_address(request)

    async def prediction(self, prediction: Prediction, base: str) -> bytes:
        """The whole prediction as JSON.

        An input that is gone is shown empty, and `data_removed` says so: the client has sent it and knows it. An
        output that is gone raises BlobNotFound, since a success with nothing in it would be taken for the result.
        """
        if prediction.data_removed or (prediction.input_blob is None and prediction.output_blob is None):
            return _encoder.encode(await self.listed(prediction, base))
        input_, removed = await self.input(prediction, base)
        output = await self._whole(prediction.output, prediction.output_blob)
        whole = replace(prediction, input=input_, output=output)
        shown = _view(whole, base, queue=self._queue(prediction), data_removed=removed)
        return _encoder.encode(await self._linked(shown, prediction, base))

    async def listed(self, prediction: Prediction, base: str) -> PredictionView:
        """The prediction as it stands in a list: what is kept as blobs stays empty."""
        return await self._linked(_view(prediction, base, queue=self._queue(prediction)), prediction, base)

    def _queue(self, prediction: Prediction) -> QueueView | UnsetType:
        return UNSET if self._estimates is None else self._estimates.place(prediction) or UNSET

    async def message(self, prediction: Prediction) -> bytes:
        """The prediction for a message: whole, or without its data if these are too large or gone.

        Without a public address its links are paths.
        """
        with suppress(BlobNotFound):
            content = await self.prediction(prediction, self._base_url)
            if len(content) <= LARGEST_MESSAGE:
                return content
        bare = replace(prediction, input=EMPTY, input_blob=None, output=NULL, output_blob=None, logs="")
        return _encoder.encode(_view(bare, self._base_url, data_removed=True))

    async def input(self, prediction: Prediction, base: str) -> tuple[Raw, bool]:
        """The whole input, and whether it is gone, and so is shown empty."""
        given, removed = await self.stored_input(prediction)
        return self._links.in_input(given, base), removed

    async def stored_input(self, prediction: Prediction) -> tuple[Raw, bool]:
        """The same with its files as a worker finds them."""
        try:
            return await self._whole(prediction.input, prediction.input_blob), prediction.data_removed
        except BlobNotFound:
            return EMPTY, True

    async def _linked(self, shown: PredictionView, prediction: Prediction, base: str) -> PredictionView:
        """The same, with links to the files in it, and to its stream where others need a key."""
        if self._signed():
            shown = replace(shown, urls=replace(shown.urls, stream=await self._links.stream(prediction, base)))
        input_, output = self._links.in_input(shown.input, base), shown.output
        if output is not NULL:
            output = await self._links.in_output(output, prediction, base)
        if input_ is shown.input and output is shown.output:
            return shown
        return replace(shown, input=input_, output=output)

    async def _whole(self, inline: Raw, blob: Blob | None) -> Raw:
        """The value, from its blob if it has one. Raises BlobNotFound."""
        if blob is None:
            return inline
        return Raw(b"".join([chunk async for chunk in self._blobs.open(blob)]))


def moment(at: float) -> str:
    """A time in Unix seconds as clients read it; one that no calendar has becomes the nearest that it has."""
    second, microsecond = divmod(round(min(max(0.0, at), _LAST) * 1_000_000), 1_000_000)
    return f"{_second(second)}.{microsecond // 1000:03}Z"


@lru_cache(maxsize=1024)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _view(
    prediction: Prediction, base: str, *, queue: QueueView | UnsetType = UNSET, data_removed: bool = False
) -> PredictionView:
    return PredictionView(
        id=prediction.id,
        model=prediction.model,
        version=prediction.version,
        input=prediction.input,
        output=prediction.output,
        logs=_logs(prediction),
        error=prediction.error,
        status=prediction.status,
        priority=prediction.priority,
        stopped=prediction.stopped,
        created_at=moment(prediction.created_at),
        started_at=_moment(prediction.started_at),
        completed_at=_moment(prediction.completed_at),
        start_by=_moment(prediction.start_by),
        deadline=_moment(prediction.deadline),
        retention=UNSET if prediction.retention is None else prediction.retention,
        data_removed=data_removed or prediction.data_removed,
        metrics=_metrics(prediction),
        urls=_urls(base, prediction.id),
        attempt=prediction.attempt,
        progress=prediction.progress,
        webhook=UNSET if prediction.webhook is None else prediction.webhook.url,
        webhook_events_filter=UNSET if prediction.webhook is None else prediction.webhook.events,
        queue=queue,
        reused=prediction.reused or UNSET,
    )


def _logs(prediction: Prediction) -> str:
    """The logs, and while it runs how far it is as a bar in the last line, which is where older clients look for it."""
    progress, logs = prediction.progress, prediction.logs
    if progress is None or prediction.status.terminal:
        return logs
    percent = int(progress * 100)
    line_break = "" if logs.endswith("\n") or not logs else "\n"
    return f"{logs}{line_break}{percent:3d}%|{'█' * (percent // 10):<10}| {percent}/100\n"


def _urls(base: str, prediction_id: str) -> Urls:
    address = f"{base}/v1/predictions/{prediction_id}"
    return Urls(
        get=address,
        cancel=f"{address}/cancel",
        web=f"{base}/#/predictions/{prediction_id}",
        events=f"{address}/events",
        stream=f"{base}/v1/streams/{prediction_id}",
    )


def _moment(at: float | None) -> str | UnsetType:
    return UNSET if at is None else moment(at)


def _metrics(prediction: Prediction) -> Metrics | UnsetType:
    if prediction.completed_at is None:
        return UNSET
    total = prediction.completed_at - prediction.created_at
    if prediction.started_at is None:
        return Metrics(total_time=total)
    return Metrics(total_time=total, predict_time=prediction.completed_at - prediction.started_at)


def _own_address(request: HTTPConnection) -> str:
    scope = request.scope
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        name, port = scope.get("server") or ("localhost", None)
        host = f"{name}:{port}" if port else "localhost"
    scheme = _SCHEMES.get(scope["scheme"], scope["scheme"])
    return f"{scheme}://{host}{scope.get('root_path', '')}"
