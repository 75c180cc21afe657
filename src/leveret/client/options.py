"""The options: how a prediction is to be run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from leveret.core.prediction import HookEvent, Priority


class Options(TypedDict, total=False):
    """Each may be left out, or None.

    * `priority`: low, normal or high
    * `cancel_after`: it is canceled if it has not ended after so many seconds
    * `retention`: for how long after its end its data stays, in seconds, or as `1h`, `30m`, `1d12h`
    * `reuse`: False has the model run, even if it reuses outputs and has had this input lately
    * `webhook`: a URL that is called when something happens to it, only for the events in `webhook_events_filter`
      (start, output, logs, completed)
    * `idempotency_key`: the same key and input make the same prediction, whoever sends it again
    """

    priority: Priority | str | None
    cancel_after: float | None
    retention: float | str | None
    reuse: bool | None
    webhook: str | None
    webhook_events_filter: Sequence[HookEvent | str] | None
    idempotency_key: str | None
