"""Blobs: under which keys the large values of a prediction are kept."""

from __future__ import annotations

from leveret.core.prediction import Blob, Prediction, Status


def input_key(prediction_id: str) -> str:
    """The key of an input."""
    return f"inputs/{prediction_id}.json"


def output_key(prediction_id: str, attempt: int) -> str:
    """The key of the output of one run."""
    return f"outputs/{prediction_id}/{attempt}.json"


def outputs(prediction: Prediction) -> list[Blob]:
    """The outputs that what has ended may have, also of runs whose result did not count; only their keys are sure."""
    runs = range(1, prediction.attempt + 1)
    if prediction.status is Status.SUCCEEDED and prediction.output_blob is None:
        runs = runs[:-1]  # the last one has returned something small
    return [Blob(output_key(prediction.id, attempt), 0, "") for attempt in runs]
