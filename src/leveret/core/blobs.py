"""Blobs: under which keys the large values of a prediction are kept. All of them are below its own two folders."""

from __future__ import annotations

from leveret.core.prediction import NULL, Prediction, Status


def inputs(prediction_id: str) -> str:
    """The folder of its input."""
    return f"inputs/{prediction_id}"


def outputs(prediction_id: str) -> str:
    """The folder of the outputs of all its runs."""
    return f"outputs/{prediction_id}"


def input_key(prediction_id: str) -> str:
    """The key of an input."""
    return f"{inputs(prediction_id)}/input.json"


def output_key(prediction_id: str, attempt: int) -> str:
    """The key of the output of one run."""
    return f"{outputs(prediction_id)}/{attempt}.json"


def may_have_outputs(prediction: Prediction) -> bool:
    """Whether there can be anything in the folder of its outputs, now that it has ended.

    A run that did not count may have left something, and so may one whose output is not all in the record. Of a single
    run that has succeeded the output names whatever there is.
    """
    if prediction.attempt == 0:
        return False
    if prediction.attempt > 1 or prediction.status is not Status.SUCCEEDED or prediction.output == NULL:
        return True
    return prediction.output_blob is not None or outputs(prediction.id).encode() in bytes(prediction.output)
