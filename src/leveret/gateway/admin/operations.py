"""Operations: the endpoints of the admin API, as OpenAPI describes them."""

from __future__ import annotations

from typing import Final

from leveret.gateway.admin.queues import QueueList
from leveret.gateway.admin.views import DeadLetterDetail, DeadLetterPage, Purged, Retried
from leveret.gateway.operations import Operation, created, reference

SENT: Final = (DeadLetterPage, DeadLetterDetail, Retried, Purged, QueueList)
"""What the admin API answers."""

OPERATIONS: Final = (
    Operation(
        method="get",
        path="/admin/v1/queues",
        name="listQueues",
        summary="For each model what waits, what runs, and how many workers are alive",
        tag="queues",
        answers={200: reference("QueueList")},
    ),
    Operation(
        method="get",
        path="/admin/v1/dead",
        name="listDeadLetters",
        summary="All dead letters, newest first",
        tag="dead letters",
        parameters=("cursor", "dead_model"),
        answers={200: reference("DeadLetterPage")},
    ),
    Operation(
        method="get",
        path="/admin/v1/dead/{letter_id}",
        name="getDeadLetter",
        summary="One dead letter, with everything in it",
        tag="dead letters",
        parameters=("letter_id",),
        answers={200: reference("DeadLetterDetail")},
    ),
    Operation(
        method="post",
        path="/admin/v1/dead/{letter_id}/retry",
        name="retryDeadLetter",
        summary="Run a dead letter again",
        description="Answers the new prediction; the dead letter is gone then. 409: it is no prediction.",
        tag="dead letters",
        parameters=("letter_id",),
        answers=created(reference("Prediction")),
    ),
    Operation(
        method="post",
        path="/admin/v1/dead/retry",
        name="retryDeadLetters",
        summary="Run the newest dead letters again",
        description="As many as stand on one page; `next` in the answer is where to POST for the older ones.",
        tag="dead letters",
        parameters=("cursor", "dead_model"),
        answers={200: reference("Retried")},
    ),
    Operation(
        method="delete",
        path="/admin/v1/dead/{letter_id}",
        name="purgeDeadLetter",
        summary="Throw a dead letter away",
        tag="dead letters",
        parameters=("letter_id",),
        answers={204: None},
    ),
    Operation(
        method="delete",
        path="/admin/v1/dead",
        name="purgeDeadLetters",
        summary="Throw all dead letters away",
        description="With `cursor`: only those that are older.",
        tag="dead letters",
        parameters=("cursor", "dead_model"),
        answers={200: reference("Purged")},
    ),
)
"""The endpoints under /admin/v1."""
