"""Dead letters: listed, looked at, run again and thrown away.

To run one again is to record a new prediction, to queue it, and only then to discard the letter. The id of the new
one follows from the letter, so that doing it again, after whatever crash in between, makes no second one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from leveret.core.letters import DeadLetter, renewed
from leveret.core.ports import Letters
from leveret.core.prediction import EMPTY, MODEL_NAME, PREDICTION_ID, Trace
from leveret.erasure import Erasure
from leveret.errors import BlobNotFound, DeadLetterNotFound, InvalidRequest, NotRetriable, Undecodable
from leveret.gateway.admin.views import DeadLetterPage, Purged, Retried, asked, detail, view
from leveret.gateway.intake import Accepted, Intake
from leveret.gateway.tracing import trace_of
from leveret.gateway.views import Views

PAGE: Final = 100
"""How many dead letters stand on one page, are retried by one call, or are purged at once."""

_PATH: Final = "/admin/v1/dead"
_encoder: Final = msgspec.json.Encoder()


class LetterPages:
    """The endpoints of dead letters."""

    def __init__(self, *, store: Letters, intake: Intake, views: Views, erasure: Erasure) -> None:
        self._store = store
        self._intake = intake
        self._views = views
        self._erasure = erasure

    async def list(self, request: Request) -> Response:
        """A page of them: `?cursor=` goes on, `?model=` filters."""
        selection = _selection(request)
        found = await self._page(selection, PAGE + 1)
        base = self._views.base(request)
        page = DeadLetterPage(
            next=_further(base, _PATH, selection, found), results=[view(letter, base) for letter in found[:PAGE]]
        )
        return _json(page)

    async def get(self, request: Request) -> Response:
        """One of them, with everything in it."""
        letter = await self._letter(request)
        prediction = asked(letter)
        base = self._views.base(request)
        given, removed = (EMPTY, False) if prediction is None else await self._views.input(prediction, base)
        return _json(detail(letter, base, given=given, data_removed=removed))

    async def retry(self, request: Request) -> Response:
        """Run it again; answers the new prediction."""
        accepted = await self._retry(await self._letter(request), trace_of(request))
        base = self._views.base(request)
        content = await self._views.prediction(accepted.prediction, base)
        headers = {"Location": f"{base}/v1/predictions/{accepted.prediction.id}"}
        return Response(content, 201 if accepted.confirmed else 202, headers=headers, media_type="application/json")

    async def retry_all(self, request: Request) -> Response:
        """Run a page of them again: `?cursor=` goes on, `?model=` filters."""
        selection = _selection(request)
        found = await self._page(selection, PAGE + 1)
        done = await asyncio.gather(*[self._retried(letter, trace_of(request)) for letter in found[:PAGE]])
        further = _further(self._views.base(request), f"{_PATH}/retry", selection, found)
        return _json(Retried(retried=done.count(True), skipped=done.count(False), next=further))

    async def purge(self, request: Request) -> Response:
        """Throw it away."""
        await self._erasure.discard(await self._letter(request))
        return Response(status_code=204)

    async def purge_all(self, request: Request) -> Response:
        """Throw all of them away, or with `?model=` those of one model."""
        selection = _selection(request)
        purged = 0
        while found := await self._page(selection, PAGE):
            await asyncio.gather(*[self._erasure.discard(letter) for letter in found])
            purged += len(found)
            selection = _Selection(found[-1].id, selection.model)
        return _json(Purged(purged))

    async def _letter(self, request: Request) -> DeadLetter:
        given = str(request.path_params["letter_id"])
        if not PREDICTION_ID.fullmatch(given):
            raise DeadLetterNotFound(letter_id=given)
        return await self._store.letter(given)

    async def _page(self, selection: _Selection, count: int) -> Sequence[DeadLetter]:
        return await self._store.letters(before=selection.before, limit=count, model=selection.model)

    async def _retried(self, letter: DeadLetter, trace: Trace | None) -> bool:
        """Whether it runs again; the others are no predictions."""
        try:
            await self._retry(letter, trace)
        except (NotRetriable, Undecodable, BlobNotFound):
            return False
        return True

    async def _retry(self, letter: DeadLetter, trace: Trace | None) -> Accepted:
        accepted = await self._intake.accept_again(replace(renewed(letter, at=time.time()), trace=trace))
        await self._erasure.discard(letter)
        return accepted


class _Selection(Struct, frozen=True):
    """Which of them: those below `before`, and of this model."""

    before: str | None
    model: str | None


def _selection(request: Request) -> _Selection:
    """What the parameters ask for. One that is unknown is refused: a slip would purge everything."""
    parameters = request.query_params
    unknown = sorted(parameters.keys() - {"cursor", "model"})
    if unknown:
        raise InvalidRequest(reason=f"there is no parameter `{unknown[0]}` here, only `cursor` and `model`")
    cursor, model = parameters.get("cursor"), parameters.get("model")
    if cursor is not None and not PREDICTION_ID.fullmatch(cursor):
        raise InvalidRequest(reason="`cursor` is not one that an answer has named in `next`")
    if model is not None and not MODEL_NAME.fullmatch(model):
        raise InvalidRequest(reason="`model` must be `owner/name`")
    return _Selection(cursor, model)


def _further(base: str, path: str, selection: _Selection, found: Sequence[DeadLetter]) -> str | None:
    """Where those behind this page are."""
    if len(found) <= PAGE:
        return None
    given = {"cursor": found[PAGE - 1].id, "model": selection.model}
    return f"{base}{path}?{urlencode({name: value for name, value in given.items() if value is not None})}"


def _json(content: Struct) -> Response:
    return Response(_encoder.encode(content), media_type="application/json")
