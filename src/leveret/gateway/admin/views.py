"""Views: dead letters as operators see them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

from leveret.core.events import Why
from leveret.core.letters import DeadLetter
from leveret.core.prediction import Prediction
from leveret.errors import Undecodable
from leveret.gateway.views import moment


class DeadLetterUrls(Struct, frozen=True):
    """Where to go on."""

    get: Annotated[str, Meta(description="this dead letter; DELETE purges it")]
    retry: Annotated[str, Meta(description="POST here to run it again")]
    prediction: Annotated[str | None, Meta(description="the prediction that failed; null of a foreign message")]


class DeadLetterView(Struct, frozen=True, kw_only=True):
    """What has failed for good. What is null is not known of a foreign message."""

    id: Annotated[str, Meta(description="that of the prediction, or of a foreign message one of its own")]
    model: Annotated[str | None, Meta(description="owner/name")]
    why: Why | None
    error: str
    attempt: Annotated[int | None, Meta(description="the run that failed; null if none did")]
    created_at: str | None
    failed_at: str
    urls: DeadLetterUrls


class DeadLetterDetail(DeadLetterView, frozen=True, kw_only=True):
    """A dead letter with what was asked for, or with what stood in the queue if that was no prediction."""

    account: str | None
    version: str | None
    input: Annotated[Raw | None, Meta(description="what the model was given")]
    data_removed: Annotated[bool, Meta(description="whether the input is no longer kept; it is shown empty")]
    body: Annotated[str | None, Meta(description="the foreign message; bytes that are no text look like `\\xff`")]


class DeadLetterPage(Struct, frozen=True):
    """A page, newest first; `next` is where older ones are."""

    next: str | None
    results: list[DeadLetterView]


class Retried(Struct, frozen=True):
    """What became of a retry of many."""

    retried: Annotated[int, Meta(description="how many run again")]
    skipped: Annotated[int, Meta(description="how many stay, as they are no predictions")]
    next: Annotated[str | None, Meta(description="POST there to retry the older ones; null: there are none")]


class Purged(Struct, frozen=True):
    """What became of a purge of many."""

    purged: int


def asked(letter: DeadLetter) -> Prediction | None:
    """The prediction in the letter; None if there is none, or none that this version can read."""
    try:
        return letter.prediction
    except Undecodable:
        return None


def view(letter: DeadLetter, base: str) -> DeadLetterView:
    """The letter as it stands in a list."""
    prediction = asked(letter)
    address = f"{base}/admin/v1/dead/{letter.id}"
    return DeadLetterView(
        id=letter.id,
        model=None if prediction is None else prediction.model,
        why=letter.failure.dead,
        error=letter.failure.error,
        attempt=letter.failure.attempt,
        created_at=None if prediction is None else moment(prediction.created_at),
        failed_at=moment(letter.failure.at),
        urls=DeadLetterUrls(
            get=address,
            retry=address + "/retry",
            prediction=None if prediction is None else f"{base}/v1/predictions/{letter.id}",
        ),
    )


def detail(letter: DeadLetter, base: str, *, given: Raw, data_removed: bool) -> DeadLetterDetail:
    """The letter with everything in it; `given` is the input, wherever it is kept."""
    prediction, listed = asked(letter), view(letter, base)
    fields = {name: getattr(listed, name) for name in DeadLetterView.__struct_fields__}
    return DeadLetterDetail(
        **fields,
        account=None if prediction is None else prediction.account,
        version=None if prediction is None else prediction.version,
        input=None if prediction is None else given,
        data_removed=data_removed,
        body=letter.body.decode(errors="backslashreplace") if prediction is None else None,
    )
