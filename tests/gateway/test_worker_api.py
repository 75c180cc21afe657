"""The worker API, over HTTP: who may ask, and what a key for one model cannot touch."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.backends.gateway.blobs import RemoteBlobs
from leveret.backends.gateway.store import RemoteStore
from leveret.core import references, reuse, worker_api
from leveret.core.blobs import input_key, output_key
from leveret.core.events import Ending, Logs, Succeeded
from leveret.core.keys import Scope
from leveret.core.ports import Finished, Pulse, Running
from leveret.core.prediction import Blob, Prediction, ReplyTo, Status
from leveret.core.references import Reference
from leveret.core.reuse import Defaults
from leveret.core.streams import once
from leveret.core.worker_api import Call
from leveret.errors import (
    BlobNotFound,
    GatewayRefused,
    InvalidSetting,
    LeveretError,
    PredictionNotFound,
    ScopeMissing,
)
from leveret.gateway.worker_api.operations import OPERATIONS
from leveret.testing.conformance.arrange import LONG, a_prediction, claimed, failed, reset, settle, succeeded
from leveret.testing.conformance.registry import ECHO, OTHER
from tests.backends.gateway.conftest import a_worker, made
from tests.gateway.served import Gateway, eventually, serving

MINE: Final = "worker:local/echo"
FOREIGN: Final = "acme/ocr"

Hands = tuple[RemoteStore, RemoteBlobs]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path) as gateway:
        yield gateway


@pytest.fixture
async def mine(gateway: Gateway) -> AsyncIterator[Hands]:
    """What a worker of local/echo has."""
    async with a_worker(gateway, MINE) as hands:
        yield hands


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def statuses(gateway: Gateway, headers: dict[str, str]) -> list[int]:
    """How every endpoint of the worker API answers."""
    return [
        (await gateway.client.request(one.method, one.path, headers=headers, content=b"[]")).status_code
        for one in OPERATIONS
    ]


async def unasked(gateway: Gateway) -> int:
    """How it answers whoever has no key, which it only does ask for once it knows that there is one."""
    return (await gateway.client.get("/v1/models")).status_code


async def test_without_credentials_every_endpoint_answers_401_even_before_there_is_a_key(gateway: Gateway) -> None:
    before = await statuses(gateway, {})
    await made(gateway, Scope.ADMIN)
    after = [
        await statuses(gateway, headers) for headers in ({}, bearer("lv_nothing"), {"Authorization": "Basic eDp5"})
    ]

    assert [[401] * len(OPERATIONS)] * 4 == [before, *after]


@pytest.mark.parametrize("scopes", [*[(scope,) for scope in Scope], tuple(Scope)])
async def test_with_the_key_of_a_client_every_endpoint_answers_403(gateway: Gateway, scopes: tuple[str, ...]) -> None:
    key = await made(gateway, *scopes)

    assert [403] * len(OPERATIONS) == await statuses(gateway, bearer(key))


async def test_with_the_key_of_a_worker_nothing_else_is_open(gateway: Gateway) -> None:
    key = await made(gateway, MINE)
    await eventually(lambda: unasked(gateway), lambda status: status == 401)
    paths = ("/v1/predictions", "/v1/models", "/v1/files", "/admin/v1/keys", "/admin/v1/queues", "/metrics")

    answers = [await gateway.client.get(path, headers=bearer(key)) for path in paths]
    calls = await gateway.client.post(worker_api.CALLS, headers=bearer(key), content=b"[]")

    assert [403] * len(paths) == [answer.status_code for answer in answers]
    assert (200, b"[]") == (calls.status_code, calls.content)


async def test_a_key_claims_nothing_of_another_model(gateway: Gateway, mine: Hands) -> None:
    store, _ = mine
    foreign = await gateway.store.create(a_prediction(model=FOREIGN))

    with pytest.raises(ScopeMissing):
        await store.claim([foreign], worker="w1", lease=LONG)
    disguised = await store.claim([replace(foreign, model="local/echo")], worker="w1", lease=LONG)

    assert [Finished()] == disguised
    assert foreign == await gateway.store.get(foreign.id)


async def test_a_key_touches_no_run_of_another_model_whatever_name_its_worker_takes(
    gateway: Gateway, mine: Hands
) -> None:
    store, _ = mine
    run = await claimed(gateway.store, await gateway.store.create(a_prediction(model=FOREIGN)), worker="w1")
    own = await claimed(gateway.store, await gateway.store.create(a_prediction()), worker="w1")
    before = await gateway.store.get(run.id)

    pulses = await store.beat([run, own], worker="w1", lease=LONG)
    taken = await store.append(run, [Logs(time.time(), 1, "x")], worker="w1", number=1)
    settled = await store.settle([(run, succeeded(run)), (own, succeeded(own))], worker="w1")
    with pytest.raises(PredictionNotFound):
        await store.get(run.id)
    with pytest.raises(PredictionNotFound):
        await store.show(before)

    assert ([Pulse.LOST, Pulse.OURS], False, [Pulse.LOST, Pulse.OURS]) == (pulses, taken, settled)
    assert before == await gateway.store.get(run.id)


async def test_what_nobody_has_claimed_or_is_of_an_older_attempt_stays_as_it_is(gateway: Gateway, mine: Hands) -> None:
    store, _ = mine
    queued = await gateway.store.create(a_prediction())
    again = await gateway.store.create(a_prediction())
    first = await claimed(gateway.store, again, worker="w1")
    await settle(gateway.store, first, reset(first))
    await claimed(gateway.store, again, worker="w1")
    before = await gateway.store.get(again.id)

    for attempt in (0, 1):
        run = Running(queued.id, attempt)
        assert [Pulse.LOST] == await store.settle([(run, succeeded(run))], worker="w1")
    assert [Pulse.LOST] == await store.beat([first], worker="w1", lease=LONG)
    assert not await store.append(first, [], worker="w1", number=1)
    assert [Pulse.LOST] == await store.settle([(first, succeeded(first))], worker="w1")

    assert (queued, before) == (await gateway.store.get(queued.id), await gateway.store.get(again.id))


async def test_an_end_says_nothing_of_other_attempts_or_of_values_of_others(gateway: Gateway, mine: Hands) -> None:
    store, _ = mine
    run = await claimed(gateway.store, await gateway.store.create(a_prediction()), worker="w1")
    stolen = Blob("inputs/01j/input.json", 1, "00" * 32)
    wrong: list[Ending] = [
        replace(failed(run), attempt=None),
        replace(succeeded(run), attempt=2),
        replace(succeeded(run), at=-1.0),
        replace(reset(run), charged=-1),
        Succeeded(time.time(), run.attempt, output_blob=stolen),
    ]

    for ending in wrong:
        with pytest.raises(GatewayRefused):
            await store.settle([(run, ending)], worker="w1")

    assert Status.PROCESSING == (await gateway.store.get(run.id)).status


async def test_a_worker_is_seen_for_its_own_model_only(gateway: Gateway, mine: Hands) -> None:
    store, _ = mine
    await gateway.store.announce(OTHER, worker="w2", lease=LONG)

    with pytest.raises(InvalidSetting, match="worker:acme/ocr"):
        await store.announce(OTHER, worker="w1", lease=LONG)
    with pytest.raises(GatewayRefused):
        await store.announce(replace(ECHO, input_schema=Raw(b'{"type": 1}')), worker="w1", lease=LONG)

    assert ["local/echo"] == [listing.card.model for listing in await store.cards()]
    assert [1, 1] == [listing.workers for listing in await gateway.store.cards()]


async def test_the_id_of_a_version_does_not_lead_from_one_model_to_the_worker_of_another(
    gateway: Gateway, mine: Hands
) -> None:
    store, _ = mine
    foreign, impostor = replace(OTHER, version="0f" * 32), replace(ECHO, version="0f" * 32)
    await gateway.store.announce(foreign, worker="w2", lease=LONG)
    await gateway.broker.declare(foreign.model)
    await gateway.client.get("/v1/models/acme/ocr")  # so that the gateway knows of it

    await store.announce(impostor, worker="w1", lease=LONG)
    (listing,) = await store.cards()
    await gateway.client.get(f"/v1/models/local/echo/versions/{listing.card.version}")
    created = await gateway.client.post("/v1/predictions", json={"version": foreign.version, "input": {"text": "a"}})

    assert listing.card.version != foreign.version
    assert (201, "acme/ocr") == (created.status_code, created.json()["model"])


async def test_a_card_that_would_break_what_everybody_is_shown_is_refused(mine: Hands) -> None:
    store, _ = mine
    wrong = [
        replace(ECHO, **change)
        for change in (
            {"slots": 0},
            {"batch": -1},
            {"announced_at": 1e300},
            {"reuse": -1.0},
            {"output_schema": Raw(b"5")},
            {"input_schema": Raw(b'{"$defs": 5}')},
        )
    ]

    for card in wrong:
        with pytest.raises(GatewayRefused):
            await store.announce(card, worker="w1", lease=LONG)


async def test_a_key_leads_nothing_of_another_model(gateway: Gateway, mine: Hands) -> None:
    store, _ = mine
    own, foreign = [await gateway.store.create(a_prediction(model=model)) for model in ("local/echo", FOREIGN)]
    keys = [str(reuse.key(one, Defaults(b"{}"))) for one in (own, foreign)]

    with pytest.raises(ScopeMissing):
        await store.lead(own.id, keys[1], lifetime=LONG)
    with pytest.raises(PredictionNotFound):
        await store.lead(foreign.id, keys[0], lifetime=LONG)

    assert own.id == await store.lead(own.id, keys[0], lifetime=LONG)


async def test_whoever_has_asked_over_amqp_is_told_by_the_worker_with_links_of_the_gateway(
    gateway: Gateway, mine: Hands
) -> None:
    store, _ = mine
    waiting = await gateway.store.create(replace(a_prediction(), reply_to=ReplyTo("q")))
    run = await claimed(gateway.store, waiting, worker="w1")
    await settle(gateway.store, run, succeeded(run))

    message = json.loads(await store.show(await store.get(run.id)))
    assert [run.id] == await gateway.store.unreplied(age=0, hold=0, limit=9)
    await store.replied([run.id])

    assert (run.id, "succeeded", "done") == (message["id"], message["status"], message["output"])
    assert [] == await gateway.store.unreplied(age=0, hold=0, limit=9)


async def test_only_a_run_that_is_under_way_puts_large_values_and_only_into_its_own_folder(
    gateway: Gateway, mine: Hands
) -> None:
    _, blobs = mine
    own, queued, foreign = [
        await gateway.store.create(a_prediction(model=model)) for model in ("local/echo", "local/echo", FOREIGN)
    ]
    await claimed(gateway.store, own, worker="w1")
    await claimed(gateway.store, foreign, worker="w2")
    wrong = [
        *(output_key(own.id, attempt) for attempt in (0, 2)),
        *(output_key(one, 1) for one in (queued.id, foreign.id, "nothing")),
        *(input_key(own.id), "files/01j", "outputs/x", f"outputs/{own.id}/1"),
    ]

    for key in wrong:
        with pytest.raises(LeveretError):
            await blobs.put(key, once(b"x"), content_type="a/b")
    put = await blobs.put(output_key(own.id, 1), once(b"x"), content_type="a/b")

    assert [b"x"] == [chunk async for chunk in gateway.blobs.open(put)]


async def test_what_has_become_an_output_is_not_removed(gateway: Gateway, mine: Hands) -> None:
    store, blobs = mine
    run = await claimed(gateway.store, await gateway.store.create(a_prediction()), worker="w1")
    put = await blobs.put(output_key(run.id, 1), once(b"x"), content_type="a/b")
    await store.settle([(run, Succeeded(time.time(), 1, output_blob=put))], worker="w1")

    with pytest.raises(GatewayRefused):
        await blobs.delete(put)

    assert [b"x"] == [chunk async for chunk in gateway.blobs.open(put)]


async def test_a_worker_reads_what_its_predictions_name_and_nothing_else(gateway: Gateway, mine: Hands) -> None:
    _, blobs = mine
    own, queued, foreign = [
        await gateway.store.create(a_prediction(model=model)) for model in ("local/echo", "local/echo", FOREIGN)
    ]
    await claimed(gateway.store, own, worker="w1")
    await claimed(gateway.store, foreign, worker="w2")
    by_chance = f"outputs/{foreign.id}/1/{'0f' * 16}.png"
    keys = (input_key(own.id), by_chance, input_key(queued.id), input_key(foreign.id), output_key(foreign.id, 1), "a/b")
    there = [await gateway.blobs.put(key, once(b"x"), content_type="a/b") for key in keys]

    read = [await content(blobs, blob) for blob in there]

    assert [b"x", b"x", None, None, None, None] == read


async def test_a_file_of_a_client_is_read_by_whoever_can_tell_what_it_is(gateway: Gateway, mine: Hands) -> None:
    _, blobs = mine
    uploaded = await gateway.client.post(
        "/v1/files", files={"content": ("a.txt", b"hare")}, headers=bearer(await made(gateway, Scope.PREDICT))
    )
    blob = (await gateway.store.file(uploaded.json()["id"])).blob
    named = references.read(references.write(Reference(blob, "a.txt")))
    assert named is not None

    assert b"hare" == await content(blobs, named.blob)
    assert [None, None] == [
        await content(blobs, replace(blob, **change)) for change in ({"sha256": "00" * 32}, {"size": 3})
    ]


async def content(blobs: RemoteBlobs, blob: Blob) -> bytes | None:
    try:
        return b"".join([chunk async for chunk in blobs.open(blob)])
    except BlobNotFound:
        return None


BODIES: Final = [
    pytest.param(b"", 422, id="nothing"),
    pytest.param(b"{}", 422, id="no array"),
    pytest.param(b'[{"type":"format_disk"}]', 422, id="no call"),
    pytest.param(b'[{"type":"get","id":"\xff"}]', 422, id="no UTF-8"),
    pytest.param(b"[" * 100_000, 422, id="deep"),
    pytest.param(b'[{"type":"beat","runs":[],"worker":"a b","lease":1}]', 422, id="no name of a worker"),
    pytest.param(b"[" + b",".join([b'{"type":"cards"}'] * 1001) + b"]", 422, id="too many"),
]


@pytest.mark.parametrize(("body", "status"), BODIES)
async def test_what_is_no_call_is_refused_with_a_problem(gateway: Gateway, body: bytes, status: int) -> None:
    key = await made(gateway, MINE)

    answer = await gateway.client.post(worker_api.CALLS, headers=bearer(key), content=body)

    assert (status, "application/problem+json") == (answer.status_code, answer.headers["content-type"])


async def test_one_call_that_is_refused_harms_no_other(gateway: Gateway) -> None:
    key = await made(gateway, MINE)
    calls: list[Call] = [
        worker_api.Get("nothing"),
        worker_api.ListCards(),
        worker_api.Take([no_prediction()], "w1", 1.0),
    ]

    answer = await gateway.client.post(
        worker_api.CALLS,
        headers=bearer(key),
        content=worker_api.join([worker_api.encode_call(call) for call in calls]),
    )

    found = worker_api.decode_answers(answer.content)
    assert ["Refused", "Listings", "Refused"] == [type(one).__name__ for one in found]


def no_prediction() -> Prediction:
    return replace(a_prediction(), id="../x")
