"""The context of a run: a model that asks for it by annotation can say how far it is."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Where the words of a run go."""

    def wrote(self, prediction_id: str, attempt: int, text: str) -> None:
        """The run has written `text` to its logs."""

    def progressed(self, prediction_id: str, attempt: int, fraction: float, message: str) -> None:
        """The run is this far, from 0 to 1."""


class Context:
    """One run of one prediction, as its model sees it: `def predict(prompt: str, context: Context)`.

    A batched model takes `list[Context]`. In a test of a model, `Context()` will do: it listens to nothing.
    """

    def __init__(
        self,
        *,
        id: str = "",  # noqa: A002
        attempt: int = 1,
        traceparent: str = "",
        reporter: Reporter | None = None,
    ) -> None:
        self._id = id
        self._attempt = attempt
        self._traceparent = traceparent
        self._reporter = reporter

    @property
    def id(self) -> str:
        """The id of the prediction."""
        return self._id

    @property
    def attempt(self) -> int:
        """The number of this run of the prediction, from 1."""
        return self._attempt

    @property
    def traceparent(self) -> str:
        """The header by which others join the trace of the run; empty if it belongs to none."""
        return self._traceparent

    def progress(self, fraction: float, message: str = "") -> None:
        """Tell the client how far the run is. What is outside of 0 to 1 counts as 0 or 1."""
        within = min(float(fraction), 1.0) if fraction > 0 else 0.0
        if self._reporter is not None:
            self._reporter.progressed(self._id, self._attempt, within, str(message))

    def log(self, text: str) -> None:
        """Write a line to the logs of the prediction."""
        if self._reporter is not None:
            self._reporter.wrote(self._id, self._attempt, f"{text}\n")
