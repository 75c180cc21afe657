"""The prediction as a client sees it, and the two ways in which it ends without a result."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from leveret.core.prediction import Means, Priority, Status
from leveret.errors import NoResult, StillRunning

if TYPE_CHECKING:
    JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
else:
    JSON = Any  # msgspec knows no types that contain themselves

"""Whatever JSON can say."""


class Urls(Struct, frozen=True):
    """Where the gateway says that its parts are."""

    get: str = ""
    cancel: str = ""
    web: str = ""
    events: str = ""
    stream: str = ""


class Metrics(Struct, frozen=True):
    """How long it took, in seconds: from its creation to its end, and its last run."""

    total_time: float
    predict_time: float | None = None


class Place(Struct, frozen=True, kw_only=True):
    """Where a prediction stands that has not ended.

    `position` is how many will begin before it, `eta_seconds` when it will have ended, if that can be said. Without a
    worker that can run it, it is not `is_possible`, for this `reason`.
    """

    position: int
    eta_seconds: float | None = None
    is_possible: bool = True
    reason: str | None = None


class Prediction(Struct, frozen=True, kw_only=True):
    """One request to run a model, as it was when the gateway was asked.

    `attempt` is how many runs have begun, `progress` how far the run says it is, from 0 to 1. `stopped` is by what
    means it was stopped when it was canceled. With `data_removed` its input is no longer kept, and is empty here.
    `reused` is the prediction whose output it has got, if the model was not run for it.
    """

    id: str
    model: str
    version: str = ""
    status: Status
    input: dict[str, JSON] = {}
    output: JSON = None
    logs: str = ""
    error: str | None = None
    priority: Priority = Priority.NORMAL
    stopped: Means | None = None
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    start_by: datetime | None = None
    deadline: datetime | None = None
    data_removed: bool = False
    metrics: Metrics | None = None
    urls: Urls = Urls()
    attempt: int = 0
    progress: float | None = None
    queue: Place | None = None
    reused: str | None = None
    webhook: str | None = None
    webhook_events_filter: list[str] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing can change any more."""
        return self.status.terminal

    def result(self) -> JSON:
        """The output. Raises ModelFailed or PredictionCanceled; or StillRunning, if it has not ended."""
        match self.status:
            case Status.SUCCEEDED:
                return self.output
            case Status.FAILED:
                raise ModelFailed(self)
            case Status.CANCELED:
                raise PredictionCanceled(self)
            case _:
                raise StillRunning(prediction_id=self.id, state=self.status)


class ModelFailed(NoResult):
    """A prediction has failed; its `logs` have the traceback, if it was the model that failed."""

    code = "model_failed"
    message = "{model} has failed: {error} (prediction {prediction_id})"

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        super().__init__(model=prediction.model, error=prediction.error, prediction_id=prediction.id)


class PredictionCanceled(NoResult):
    """A prediction was canceled, or its deadline has passed."""

    code = "prediction_canceled"
    message = "the prediction {prediction_id} of {model} was canceled: {why}"

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        why = prediction.error or prediction.stopped or "nobody knows how it was stopped"
        super().__init__(model=prediction.model, why=why, prediction_id=prediction.id)
