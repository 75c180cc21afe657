"""Dead letters, as the admin API of a gateway serves them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar
from urllib.parse import parse_qs, urlsplit

from msgspec import Raw, Struct

from leveret.client.caller import Caller
from leveret.client.exchange import Request, finish
from leveret.core.prediction import PREDICTION_ID
from leveret.errors import DeadLetterNotFound

T = TypeVar("T")

_PATH: Final = "/admin/v1/dead"


class Letter(Struct, frozen=True, kw_only=True):
    """What has failed for good. What is None is not known of a foreign message."""

    id: str
    model: str | None
    why: str | None
    error: str
    attempt: int | None
    created_at: str | None
    failed_at: str


class LetterDetail(Letter, frozen=True, kw_only=True):
    """With what was asked for (`null` if that was no prediction), or else in `body` what stood in the queue."""

    account: str | None
    version: str | None
    input: Raw
    data_removed: bool
    body: str | None


class Retried(Struct, frozen=True):
    """How many run again, and how many were passed over, as they are no predictions."""

    retried: int
    skipped: int


class Letters:
    """The dead letters of one gateway. What is no id at all raises DeadLetterNotFound."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(self, *, model: str | None = None) -> Iterator[Letter]:
        """All of them, newest first, page by page."""
        cursor = None
        while True:
            page = self._call("GET", _PATH, _Page, cursor=cursor, model=model)
            yield from page.results
            if page.next is None:
                return
            cursor = _cursor(page.next)

    def get(self, letter_id: str) -> LetterDetail:
        """One of them, with everything in it."""
        return self._call("GET", _one(letter_id), LetterDetail)

    def retry(self, letter_id: str) -> str:
        """Run it again; the id of the new prediction."""
        return self._call("POST", _one(letter_id) + "/retry", _Prediction).id

    def retry_all(self, *, model: str | None = None) -> Retried:
        """Run all of them again, or those of one model."""
        retried = skipped = 0
        cursor = None
        while True:
            page = self._call("POST", _PATH + "/retry", _Retry, cursor=cursor, model=model)
            retried, skipped = retried + page.retried, skipped + page.skipped
            if page.next is None:
                return Retried(retried, skipped)
            cursor = _cursor(page.next)

    def purge(self, letter_id: str) -> None:
        """Throw it away."""
        finish(self._caller.ask(Request(method="DELETE", path=_one(letter_id), repeatable=False)))

    def purge_all(self, *, model: str | None = None) -> int:
        """Throw all of them away, or those of one model; how many there were."""
        return self._call("DELETE", _PATH, _Purge, model=model).purged

    def _call(self, method: str, path: str, answer: type[T], **parameters: str | None) -> T:
        """What the gateway answers. Only what changes nothing may arrive twice: a letter is gone after the first."""
        given = {name: value for name, value in parameters.items() if value is not None}
        request = Request(method=method, path=path, parameters=given, repeatable=method == "GET")
        return finish(self._caller.call(request, answer))


class _Page(Struct):
    next: str | None
    results: list[Letter]


class _Retry(Struct):
    retried: int
    skipped: int
    next: str | None


class _Purge(Struct):
    purged: int


class _Prediction(Struct):
    id: str


def _one(letter_id: str) -> str:
    if not PREDICTION_ID.fullmatch(letter_id):  # such as `.`, which would lead to all of them
        raise DeadLetterNotFound(letter_id=letter_id)
    return f"{_PATH}/{letter_id}"


def _cursor(further: str) -> str:
    """Where to go on. Not the whole address: the gateway may know itself by another one than we do."""
    return parse_qs(urlsplit(further).query)["cursor"][0]
