"""Many predictions on one connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from leveret.config import GatewaySettings
from leveret.errors import StoreUnavailable
from tests.gateway.served import PATIENCE, Gateway, eventually, serving


def read(text: str | bytes) -> SimpleNamespace:
    """The JSON, its members as attributes."""
    found: SimpleNamespace = json.loads(text, object_hook=lambda members: SimpleNamespace(**members))
    return found


class Client:
    """A client of the socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def ask(self, op: str, **members: object) -> None:
        await self.connection.send(json.dumps({"op": op, **members}))

    async def submit(self, text: str = "hello", **members: object) -> None:
        await self.ask("submit", **{"model": "local/echo", "input": {"text": text}, **members})

    async def heard(self) -> SimpleNamespace:
        """The next message."""
        async with asyncio.timeout(PATIENCE):
            return read(await self.connection.recv())

    async def until(self, *kinds: str) -> list[SimpleNamespace]:
        """The messages up to the first one of these kinds."""
        found = [await self.heard()]
        while found[-1].type not in kinds:
            found.append(await self.heard())
        return found

    async def code(self) -> int:
        """With what the server closes the connection."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.connection.recv()
                except ConnectionClosed as closed:
                    assert closed.rcvd is not None
                    return closed.rcvd.code


@asynccontextmanager
async def opened(gateway: Gateway) -> AsyncIterator[Client]:
    async with connect(
        f"{gateway.url.replace('http', 'ws')}/v1/socket", compression=None, max_queue=None
    ) as connection:
        yield Client(connection)


async def test_a_submit_is_answered_with_the_prediction_and_watched(gateway: Gateway) -> None:
    async with opened(gateway) as client:
        await client.submit(ref="one", watch=True)
        accepted = await client.heard()
        prediction_id = str(accepted.prediction.id)
        shown = (await gateway.client.get(f"/v1/predictions/{prediction_id}")).content
        run = await gateway.worker.start(prediction_id)
        await gateway.worker.succeed(run, b'"done"')
        *events, end = await client.until("end")

    assert SimpleNamespace(type="accepted", ref="one", prediction=read(shown)) == accepted
    assert [("event", prediction_id, number) for number in (1, 2, 3)] == [
        (event.type, event.id, event.number) for event in events
    ]
    assert ["queued", "started", "succeeded"] == [event.event.type for event in events]
    assert "done" == events[-1].event.output
    assert SimpleNamespace(type="end", id=prediction_id) == end


async def test_links_lead_to_the_http_api(gateway: Gateway) -> None:
    async with opened(gateway) as client:
        await client.submit()
        prediction = (await client.heard()).prediction

    assert f"{gateway.url}/v1/predictions/{prediction.id}" == prediction.urls.get


async def test_a_submit_that_is_not_watched_is_only_answered(gateway: Gateway) -> None:
    async with opened(gateway) as client:
        await client.submit()
        first = await client.heard()
        await client.submit()
        second = await client.heard()

    assert ["accepted", "accepted"] == [first.type, second.type]
    assert not hasattr(first, "ref")


async def test_members_mean_what_they_mean_in_a_post(gateway: Gateway) -> None:
    async with opened(gateway) as client:
        await client.ask(
            "submit", version="local/echo", input={"text": "hello"}, priority="low", cancel_after="1h", unknown=1
        )
        prediction = (await client.heard()).prediction

    assert "low" == prediction.priority
    assert prediction.deadline
    assert "local/echo" == prediction.model


async def test_a_submit_that_is_sent_again_by_its_key_is_the_same_prediction_on_whatever_connection(
    gateway: Gateway,
) -> None:
    heard = []
    for ref, watch, text in (("a", False, "hello"), ("b", True, "hello"), ("c", False, "another")):
        async with opened(gateway) as client:
            await client.submit(text, ref=ref, watch=watch, idempotency_key="k1")
            heard.append(await client.heard())
    first, again, other = heard

    assert first.prediction.id == again.prediction.id
    assert (False, True) == (hasattr(first, "replayed"), again.replayed)
    assert "idempotency_mismatch" == other.problem.code
    assert 1 == sum(await gateway.broker.depth("local/echo"))


@pytest.mark.parametrize("key", ["", "é", "x" * 256])
async def test_what_is_no_key_is_refused(gateway: Gateway, key: str) -> None:
    async with opened(gateway) as client:
        await client.submit(idempotency_key=key)
        refused = await client.heard()

    assert "invalid_idempotency_key" == refused.problem.code


async def test_a_watch_goes_on_where_the_client_was(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    run = await gateway.worker.start(prediction_id)
    await gateway.worker.say(run, b'"a"')
    async with opened(gateway) as client:
        await client.ask("watch", id=prediction_id, after=2)
        first = await client.heard()
        client.connection.transport.abort()  # as a network that fails
    await eventually(gateway.followers, lambda count: count == 0)
    await gateway.worker.say(run, b'"b"')
    async with opened(gateway) as client:
        await client.ask("watch", id=prediction_id, after=first.number)
        second = await client.heard()
        await gateway.worker.finish(run)
        *rest, _ = await client.until("end")

    assert [(3, ["a"]), (4, ["b"])] == [(one.number, one.event.chunks) for one in (first, second)]
    assert ["succeeded"] == [one.event.type for one in rest]


async def test_what_has_ended_before_only_ends(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    await gateway.worker.succeed(await gateway.worker.start(prediction_id))
    async with opened(gateway) as client:
        await client.ask("watch", id=prediction_id, after=3)
        message = await client.heard()

    assert SimpleNamespace(type="end", id=prediction_id) == message


async def test_what_is_not_watched_any_more_sends_nothing_and_may_be_watched_again(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    async with opened(gateway) as client:
        await client.ask("watch", id=prediction_id)
        await client.heard()
        await client.ask("unwatch", id=prediction_id)
        await eventually(gateway.followers, lambda count: count == 0)
        run = await gateway.worker.start(prediction_id)
        await client.ask("watch", id=prediction_id, after=2)
        await gateway.worker.succeed(run)
        events = await client.until("end")

    assert [3] == [event.number for event in events[:-1]]


async def test_a_cancel_is_answered_with_the_prediction(gateway: Gateway) -> None:
    async with opened(gateway) as client:
        await client.submit(watch=True)
        accepted, queued = await client.heard(), await client.heard()
        await client.ask("cancel", id=accepted.prediction.id, ref="two")
        messages = [await client.heard() for _ in range(3)]

    assert "queued" == queued.event.type
    by_kind = {message.type: message for message in messages}
    assert {"event", "end", "prediction"} == by_kind.keys()
    assert "canceled" == by_kind["event"].event.type
    assert ("two", "canceled") == (by_kind["prediction"].ref, by_kind["prediction"].prediction.status)


@pytest.mark.parametrize(
    ("sent", "code", "label"),
    [
        ("{", "malformed_json", {}),
        (b"{}", "invalid_request", {}),
        ("[]", "invalid_request", {}),
        ('{"op": "dance", "ref": "r", "id": "i"}', "invalid_request", {"ref": "r", "id": "i"}),
        ('{"op": "dance", "ref": 1}', "invalid_request", {}),
        ('{"op": "submit", "ref": "r", "model": "local/echo"}', "invalid_request", {"ref": "r"}),
        ('{"op": "submit", "ref": "r", "input": {}}', "invalid_request", {"ref": "r"}),
        (
            '{"op": "submit", "ref": "r", "input": {}, "model": "local/echo", "version": "local/echo"}',
            "invalid_request",
            {"ref": "r"},
        ),
        ('{"op": "submit", "ref": "r", "input": {}, "model": "local/other"}', "model_not_found", {"ref": "r"}),
        ('{"op": "watch", "id": "nothing"}', "prediction_not_found", {"id": "nothing"}),
        ('{"op": "watch", "id": "no id"}', "prediction_not_found", {"id": "no id"}),
        ('{"op": "watch", "id": "i", "after": -1}', "invalid_request", {"id": "i"}),
        ('{"op": "cancel", "id": "nothing", "ref": "r"}', "prediction_not_found", {"id": "nothing", "ref": "r"}),
    ],
)
async def test_what_cannot_be_done_is_a_problem_and_the_connection_lives(
    gateway: Gateway, sent: str | bytes, code: str, label: dict[str, str]
) -> None:
    async with opened(gateway) as client:
        await client.connection.send(sent)
        refused = await client.heard()
        await client.submit()
        after = await client.heard()

    assert SimpleNamespace(type="error", problem=refused.problem, **label) == refused
    assert code == str(refused.problem.code)
    assert "accepted" == after.type


async def test_a_submit_fails_as_a_post_does(gateway: Gateway) -> None:
    async with opened(gateway) as client:
        await client.ask("submit", model="local/echo", input={"text": 1})
        invalid = (await client.heard()).problem
        gateway.broker.blocked = True
        await client.submit()
        unavailable = (await client.heard()).problem
    gateway.broker.blocked = False
    posted = await gateway.client.post("/v1/models/local/echo/predictions", json={"input": {"text": 1}})

    assert read(posted.content) == invalid
    assert ("broker_unavailable", 503) == (unavailable.code, unavailable.status)


async def test_no_more_is_watched_than_may_be_and_nothing_is_created_for_it(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=GatewaySettings(max_watches=2)) as gateway, opened(gateway) as client:
        one, two, three = [await gateway.create() for _ in range(3)]
        await client.ask("watch", id=one)
        await client.ask("watch", id=two)
        await client.until("event")
        await client.until("event")
        await client.ask("watch", id=three)
        refused = await client.heard()
        await client.submit(watch=True, ref="r")
        also_refused = await client.heard()
        created = (await gateway.client.get("/v1/predictions")).json()["results"]
        await client.ask("cancel", id=one)
        await client.until("end")
        await client.submit(watch=True)
        accepted = (await client.until("accepted"))[-1]

    assert ("too_many_watches", 429, 2) == (refused.problem.code, refused.problem.status, refused.problem.limit)
    assert (three, "r") == (refused.id, also_refused.ref)
    assert "too_many_watches" == str(also_refused.problem.code)
    assert 3 == len(created)
    assert "accepted" == accepted.type


async def test_the_same_is_not_watched_twice(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    async with opened(gateway) as client:
        await client.ask("watch", id=prediction_id)
        await client.heard()
        await client.ask("watch", id=prediction_id)
        refused = await client.heard()

    assert ("invalid_request", prediction_id) == (refused.problem.code, refused.id)


async def test_a_log_that_breaks_off_can_be_watched_again(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    gateway.store.broken_log = StoreUnavailable(reason="it was switched off")
    async with opened(gateway) as client:
        await client.ask("watch", id=prediction_id)
        refused = await client.heard()
        gateway.store.broken_log = None
        await client.ask("watch", id=prediction_id)
        event = await client.heard()

    assert ("store_unavailable", prediction_id) == (refused.problem.code, refused.id)
    assert 1 == event.number


async def test_a_message_that_is_too_long_closes_the_connection(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=GatewaySettings(max_body=1000)) as gateway, opened(gateway) as client:
        await client.ask("watch", id=await gateway.create())
        await client.until("event")
        await client.submit("x" * 2000)
        code = await client.code()
        followers = await eventually(gateway.followers, lambda count: count == 0)

    assert (1009, 0) == (code, followers)


async def test_a_gateway_that_closes_answers_what_was_asked_and_asks_to_come_back(tmp_path: Path) -> None:
    closing = asyncio.Event()
    async with serving(tmp_path, closing=closing) as gateway, opened(gateway) as client:
        await client.ask("watch", id=await gateway.create())
        await client.until("event")
        closing.set()
        code = await client.code()
        async with opened(gateway) as late:
            late_code = await late.code()
        followers = await gateway.followers()

    assert (1012, 1012, 0) == (code, late_code, followers)


async def test_what_was_asked_for_is_done_although_the_client_goes(gateway: Gateway) -> None:
    async with opened(gateway) as client:
        for _ in range(20):
            await client.submit(watch=True)
        await client.heard()

    async def created() -> int:
        return len((await gateway.client.get("/v1/predictions")).json()["results"])

    assert 20 == await eventually(created, lambda count: count == 20)
    assert 20 == len(await eventually(gateway.confirmed, lambda cleared: len(cleared) == 20))
    assert 0 == await eventually(gateway.followers, lambda count: count == 0)


async def test_who_does_not_ask_for_a_socket_is_told_so(gateway: Gateway) -> None:
    answer = await gateway.client.get("/v1/socket")

    assert (426, "upgrade_required") == (answer.status_code, answer.json()["code"])
