"""What can be done to predictions that exist."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from leveret.cli.remote import Json, Url, connected, each
from leveret.config import GATEWAY_URL

Ids: TypeAlias = Annotated[list[str], typer.Argument(metavar="ID...", help="the ids of predictions")]


def cancel(ids: Ids, *, json: Json = False, url: Url = GATEWAY_URL) -> None:
    """Cancel predictions. What waits has ended then; what runs ends as soon as it is stopped."""
    with connected(url) as client:

        def stop(prediction_id: str) -> None:
            client.cancel(prediction_id)

        each(ids, stop, word="canceled", json=json)


def delete(ids: Ids, *, json: Json = False, url: Url = GATEWAY_URL) -> None:
    """Remove what has ended, with its input, output, logs and files."""
    with connected(url) as client:

        def remove(prediction_id: str) -> None:
            client.delete(prediction_id)

        each(ids, remove, word="deleted", json=json)


def retry(ids: Ids, *, json: Json = False, url: Url = GATEWAY_URL) -> None:
    """Run what has ended again, each as a new prediction with the same input."""
    with connected(url) as client:
        each(ids, lambda prediction_id: client.retry(prediction_id).id, word="retried", json=json)
