"""Webhooks, as far as clients ask for them over HTTP."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from leveret.config import OutboundSettings
from leveret.core import webhooks
from leveret.core.prediction import HookEvent, Webhook
from leveret.core.webhooks import Again, Call
from leveret.outbound import Guard
from tests.gateway.served import ECHO, PATIENCE, Gateway, serving

URL = "https://hooks.example/1?secret=2"
EVERYTHING = tuple(HookEvent)
PATHS = ["/v1/models/local/echo/predictions", "/v1/deployments/local/echo/predictions", "/v1/predictions"]


async def post(gateway: Gateway, *, path: str = PATHS[0], **members: object) -> dict[str, str]:
    """A new prediction with these members in the body that creates it."""
    version = {"version": ECHO.version} if path == PATHS[2] else {}
    answer = await gateway.client.post(path, json={"input": {"text": "x"}, **version, **members})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def recorded(gateway: Gateway, **members: object) -> Webhook | None:
    created = await post(gateway, path=PATHS[0], **members)
    return (await gateway.store.get(created["id"])).webhook


@pytest.mark.parametrize("path", PATHS)
async def test_a_webhook_is_recorded_with_the_prediction_and_shown(gateway: Gateway, path: str) -> None:
    created = await post(gateway, path=path, webhook=URL, webhook_events_filter=["completed", "logs", "logs"])

    shown = (await gateway.client.get(f"/v1/predictions/{created['id']}")).json()
    assert (URL, ["completed", "logs"]) == (shown["webhook"], shown["webhook_events_filter"])
    heeded = (HookEvent.COMPLETED, HookEvent.LOGS)
    assert Webhook(URL, heeded, gateway.url) == (await gateway.store.get(created["id"])).webhook


async def test_without_a_filter_everything_is_heeded(gateway: Gateway) -> None:
    assert Webhook(URL, EVERYTHING, gateway.url) == await recorded(gateway, webhook=URL)
    assert Webhook(URL, EVERYTHING, gateway.url) == await recorded(gateway, webhook=URL, webhook_events_filter=None)
    assert Webhook(URL, (), gateway.url) == await recorded(gateway, webhook=URL, webhook_events_filter=[])


async def test_the_older_member_is_a_webhook_for_the_end(gateway: Gateway) -> None:
    assert Webhook(URL, (HookEvent.COMPLETED,), gateway.url) == await recorded(gateway, webhook_completed=URL)
    newer = await recorded(gateway, webhook=URL, webhook_completed="https://other.example")
    assert Webhook(URL, EVERYTHING, gateway.url) == newer


async def test_a_prediction_without_a_webhook_shows_none(gateway: Gateway) -> None:
    created = await post(gateway, webhook=None)

    assert not {"webhook", "webhook_events_filter"} & created.keys()


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"webhook": "http://hooks.example/"}, "https://"),
        ({"webhook": "https://127.0.0.1/"}, "127.0.0.1 is not an address of the public internet"),
        ({"webhook": "https://[fd00:ec2::254]/"}, "not an address of the public internet"),
        ({"webhook": "https://user:secret@hooks.example/"}, "user"),
        ({"webhook": "nonsense"}, "https://"),
        ({"webhook": ""}, "https://"),
        ({"webhook": 7}, "webhook"),
        ({"webhook_completed": "ftp://hooks.example/"}, "https://"),
        ({"webhook": URL, "webhook_events_filter": ["start", "end"]}, "webhook_events_filter"),
        ({"webhook": URL, "webhook_events_filter": "start"}, "webhook_events_filter"),
    ],
)
async def test_what_can_never_be_called_is_refused_and_leaves_no_trace(
    gateway: Gateway, members: dict[str, object], reason: str
) -> None:
    answer = await gateway.client.post(PATHS[0], json={"input": {"text": "x"}, **members})

    assert 422 == answer.status_code
    assert reason in answer.json()["detail"]
    assert [] == (await gateway.client.get("/v1/predictions")).json()["results"]


async def test_what_the_settings_allow_is_taken(tmp_path: Path) -> None:
    allowing = Guard(OutboundSettings(allow_http=True, allow="10.0.0.0/8"))
    async with serving(tmp_path, guard=allowing) as gateway:
        assert await recorded(gateway, webhook="http://10.1.2.3:8080/") is not None


async def test_the_secret_is_one_that_clients_can_use_and_stays(gateway: Gateway) -> None:
    answers = await asyncio.gather(*[gateway.client.get("/v1/webhooks/default/secret") for _ in range(5)])

    (key,) = {answer.json()["key"] for answer in answers}
    prefix, encoded = key.split("_")
    assert ("whsec", 32) == (prefix, len(base64.b64decode(encoded, validate=True)))


async def test_the_calls_are_listed_latest_first(gateway: Gateway) -> None:
    created = await post(gateway, webhook=URL, webhook_events_filter=["start"])
    made = Call(at=1.7e9, event=HookEvent.START, webhook_id="msg_1", attempt=1, seconds=0.25, status=500)
    failed = Call(at=1.7e9 + 5, event=HookEvent.START, webhook_id="msg_1", attempt=2, seconds=15.0, error="no answer")
    for call in (made, failed):
        await gateway.store.called(created["id"], call, told=0)

    page = (await gateway.client.get(f"/v1/predictions/{created['id']}/webhooks")).json()

    assert (URL, ["start"], False) == (page["webhook"], page["webhook_events_filter"], page["silenced"])
    assert [(2, None, "no answer"), (1, 500, None)] == [
        (one["attempt"], one["status"], one["error"]) for one in page["results"]
    ]
    assert ("2023-11-14T22:13:20.000Z", 0.25) == (page["results"][1]["at"], page["results"][1]["seconds"])


async def test_a_webhook_that_is_gone_is_shown_so(gateway: Gateway) -> None:
    created = await post(gateway, webhook=URL)
    await gateway.store.silence(created["id"])

    assert (await gateway.client.get(f"/v1/predictions/{created['id']}/webhooks")).json()["silenced"]


async def test_a_call_on_demand_is_queued_under_a_new_id(gateway: Gateway) -> None:
    created = await post(gateway, webhook=URL)
    await gateway.worker.succeed(await gateway.worker.start(created["id"]))

    answers = [await gateway.client.post(f"/v1/predictions/{created['id']}/webhooks/redeliver") for _ in range(2)]

    queued = [again async for again in demands(gateway, 2)]
    assert [202, 202] == [answer.status_code for answer in answers]
    assert [answer.json()["webhook_id"] for answer in answers] == [again.notice.webhook_id for again in queued]
    assert queued[0].notice.webhook_id != queued[1].notice.webhook_id
    assert (created["id"], HookEvent.COMPLETED, True) == (
        queued[0].prediction_id,
        queued[0].notice.event,
        queued[0].demanded,
    )


async def demands(gateway: Gateway, count: int) -> AsyncIterator[Again]:
    async with asyncio.timeout(PATIENCE), gateway.broker.errands(capacity=count) as errands:
        for _ in range(count):
            errand = webhooks.decode((await anext(errands)).body)
            assert isinstance(errand, Again)
            yield errand


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/redeliver")])
async def test_a_prediction_without_a_webhook_has_nothing_to_list_or_repeat(
    gateway: Gateway, method: str, path: str
) -> None:
    created = await post(gateway)

    without = await gateway.client.request(method, f"/v1/predictions/{created['id']}/webhooks{path}")
    unknown = await gateway.client.request(method, f"/v1/predictions/unknown/webhooks{path}")

    assert (404, "webhook_not_found") == (without.status_code, without.json()["code"])
    assert (404, "prediction_not_found") == (unknown.status_code, unknown.json()["code"])
