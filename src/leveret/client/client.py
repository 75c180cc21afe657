"""The client: runs models behind a gateway and follows their predictions, in programs without an event loop."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from leveret.client import api
from leveret.client.answers import Model, Queue, Scale
from leveret.client.api import Api, Selection
from leveret.client.caller import Caller
from leveret.client.downloading import download
from leveret.client.exchange import finish
from leveret.client.following import Following, Outputs, void
from leveret.client.letters import Letters
from leveret.client.monitor import Monitor
from leveret.client.options import Options
from leveret.client.prediction import JSON, Prediction
from leveret.client.transports import Address, Blocking
from leveret.client.trust import Certificate, Trust
from leveret.client.webhooks import Webhooks
from leveret.core.events import Entry
from leveret.core.prediction import Status


class Client:
    """A client of the gateway at `base_url`, otherwise at LEVERET_URL. Several threads may share it.

    `token`, otherwise LEVERET_TOKEN, is sent to that gateway alone. An answer may take `timeout` seconds; what fails
    for a reason that may pass is tried again for up to `patience` seconds. A gateway at https:// is
    believed if the CA in the file `ca`, otherwise in LEVERET_CA, has signed its certificate; without any, the system's
    CAs are asked. It is shown `certificate`, a file or a pair of them with the key, otherwise LEVERET_CERTIFICATE and
    LEVERET_KEY.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        token: str | None = None,
        timeout: float = 60.0,
        patience: float = 30.0,
        ca: str | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        trust = Trust.found(ca=ca, certificate=certificate)
        address = Address.found(base_url, token=token, timeout=timeout, trust=trust)
        self._transport = Blocking(address)
        self._api = Api(Caller(self._transport, url=address.url, patience=patience, jitter=random.random))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def run(
        self,
        model: str,
        given: Mapping[str, object],
        *,
        timeout: float | None = None,
        **options: Unpack[Options],
    ) -> JSON:
        """The output of the model for this input.

        Raises ModelFailed or PredictionCanceled, or StillRunning if that takes longer than `timeout` seconds.
        """
        return finish(self._api.run(model, given, options, within=timeout)).result()

    def submit(
        self,
        model: str,
        given: Mapping[str, object],
        **options: Unpack[Options],
    ) -> Handle:
        """A new prediction, run as the options say."""
        return Handle(self._api, finish(self._api.submit(model, given, options)))

    def get(self, prediction_id: str) -> Handle:
        """A prediction that exists. Raises PredictionNotFound."""
        return Handle(self._api, finish(self._api.get(prediction_id)))

    def cancel(self, prediction_id: str) -> Prediction:
        """Cancel a prediction: what waits has ended with the answer, what runs ends once it is stopped."""
        return finish(self._api.cancel(prediction_id))

    def delete(self, prediction_id: str) -> None:
        """Remove what has ended, with its input, output, logs and files. Raises NotEnded."""
        finish(self._api.delete(prediction_id))

    def retry(self, prediction_id: str) -> Handle:
        """A new prediction with the input of one that has ended. Raises NotEnded or InputRemoved."""
        return Handle(self._api, finish(self._api.retry(prediction_id)))

    def predictions(self, *, status: Status | str | None = None, model: str | None = None) -> Iterator[Prediction]:
        """All predictions, newest first, page by page as they are taken."""
        selection, cursor = Selection(status=status, model=model), None
        while True:
            page = finish(self._api.page(selection, cursor=cursor))
            yield from page.results
            if (cursor := api.further(page)) is None:
                return

    def models(self) -> list[Model]:
        """All models, by name."""
        return finish(self._api.models())

    def model(self, name: str) -> Model:
        """One model. Raises ModelNotFound."""
        return finish(self._api.model(name))

    def queues(self) -> list[Queue]:
        """What waits and what runs, by model."""
        return finish(self._api.queues())

    def scale(self, model: str, *, target_wait: float | None = None) -> Scale:
        """How many workers a model wants, so that what waits has begun within `target_wait` seconds."""
        return finish(self._api.scale(model, target_wait=target_wait))

    def upload(self, file: object) -> str:
        """The URL that stands in an input for a file: a Path, bytes, or what is open for reading."""
        return finish(self._api.upload(api.file(file)))

    def download(self, url: str, to: str | Path) -> Path:
        """Write the file that a URL in an output stands for to the file `to`, or as a new one into the folder `to`.

        It is there whole or not at all.
        """
        return finish(download(self._api.caller, url, Path(to)))

    @property
    def webhooks(self) -> Webhooks:
        """The calls of webhooks."""
        return Webhooks(self._api.caller)

    @property
    def monitor(self) -> Monitor:
        """What goes on."""
        return Monitor(self._api.caller)

    @property
    def letters(self) -> Letters:
        """The dead letters."""
        return Letters(self._api.caller)


class Handle:
    """A prediction in the hands of a client; `prediction` is what was last known of it."""

    def __init__(self, api: Api, prediction: Prediction) -> None:
        self.prediction = prediction
        self._api = api
        self._void = 0

    @property
    def id(self) -> str:
        """Its id."""
        return self.prediction.id

    def reload(self) -> Prediction:
        """The prediction as it is now."""
        self.prediction = finish(self._api.get(self.id))
        return self.prediction

    def wait(self, timeout: float | None = None) -> Prediction:
        """The prediction when it has ended, however it has; `result` of it is the output.

        Raises StillRunning if it has not ended within `timeout` seconds.
        """
        if not self.prediction.ended:
            self.prediction = finish(self._api.wait(self.id, within=timeout))
        return self.prediction

    def cancel(self) -> Prediction:
        """Cancel it: what waits has ended with the answer, what runs ends once it is stopped."""
        self.prediction = finish(self._api.cancel(self.id))
        return self.prediction

    def events(self, *, after: int = 0) -> Iterator[Entry]:
        """The entries of its log behind number `after`, those to come as they come, up to the final one."""
        following = Following(self._api.caller, self.id, after=after)
        try:
            while (entry := finish(following.next())) is not None:
                yield entry
        finally:
            finish(following.close())

    def stream(self) -> Iterator[JSON]:
        """Its output chunk by chunk, from the beginning; what was not streamed comes as one.

        Raises StreamReset if the run that had put out the chunks so far has come to nothing: stream again for those
        of the next one. Raises ModelFailed or PredictionCanceled when it ends so.
        """
        outputs = Outputs(self._api.caller, self.id, void=max(self._void, void(self.prediction)))
        try:
            while (chunks := finish(outputs.next())) is not None:
                yield from chunks
        finally:
            self._void = outputs.void
            finish(outputs.close())
