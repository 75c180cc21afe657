"""Submitting, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import Raw

from leveret.config import GatewaySettings
from leveret.core import wire
from leveret.core.prediction import Status
from leveret.errors import PublishUnconfirmed, QueueRefused
from tests.gateway.served import ECHO, Gateway, eventually, serving

MODEL = "/v1/models/local/echo/predictions"
PROBLEM = "application/problem+json"


async def test_a_created_prediction_is_answered_at_once(gateway: Gateway) -> None:
    answer = await gateway.post("hello")

    prediction = answer.json()
    address = f"{gateway.url}/v1/predictions/{prediction['id']}"
    assert answer.status_code == 201
    assert answer.headers["location"] == address
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["vary"] == "Prefer"
    assert len(prediction["id"]) == 26
    assert prediction.pop("created_at").endswith("Z")
    assert prediction == {
        "id": prediction["id"],
        "model": "local/echo",
        "version": ECHO.version,
        "input": {"text": "hello"},
        "output": None,
        "logs": "",
        "error": None,
        "status": "starting",
        "priority": "normal",
        "stopped": None,
        "data_removed": False,
        "urls": {
            "get": address,
            "cancel": address + "/cancel",
            "web": f"{gateway.url}/#/predictions/{prediction['id']}",
            "events": address + "/events",
            "stream": address.replace("/v1/predictions/", "/v1/streams/"),
        },
        "attempt": 0,
        "progress": None,
        "queue": {"position": 0, "eta_seconds": None, "is_possible": True, "reason": None},
    }


async def test_what_is_created_is_in_the_queue_and_in_the_store(gateway: Gateway) -> None:
    created = await gateway.create("hello")

    async with gateway.broker.consume("local/echo", ahead=1) as deliveries:
        (delivery,) = await deliveries.take(1)
        assert created == delivery.prediction.id
        assert b'{"text":"hello"}' == bytes(delivery.prediction.input)
        delivery.ack()
    assert Status.STARTING == (await gateway.store.get(created)).status


@pytest.mark.parametrize("path", [MODEL, "/v1/predictions"])
@pytest.mark.parametrize(("priority", "lanes"), [("low", [2, 2, 2]), ("normal", [0, 0, 1]), ("high", [0, 0, 0])])
async def test_a_priority_chooses_the_lane(gateway: Gateway, path: str, priority: str, lanes: list[int]) -> None:
    body = {"version": "local/echo", "input": {"text": "x"}, "priority": priority}

    answers = [await gateway.client.post(path, json=body) for _ in lanes]

    shown = [answer.json() for answer in answers]
    assert [(201, priority)] * 3 == [
        (answer.status_code, one["priority"]) for answer, one in zip(answers, shown, strict=True)
    ]
    assert lanes == [(await gateway.store.get(one["id"])).lane for one in shown]
    assert [lanes.count(lane) for lane in range(4)] == list(await gateway.broker.depth("local/echo"))


@pytest.mark.parametrize("priority", ["urgent", "", "HIGH", 3, None])
async def test_a_priority_that_is_none_is_refused(gateway: Gateway, priority: object) -> None:
    answer = await gateway.client.post(MODEL, json={"input": {"text": "x"}, "priority": priority})

    assert (422, PROBLEM) == (answer.status_code, answer.headers["content-type"])
    assert "priority" in answer.json()["detail"]
    assert [] == (await gateway.client.get("/v1/predictions")).json()["results"]


@pytest.mark.parametrize("version", ["local/echo", f"local/echo:{ECHO.version}", ECHO.version])
async def test_a_version_names_the_model(gateway: Gateway, version: str) -> None:
    answer = await gateway.client.post("/v1/predictions", json={"version": version, "input": {"text": "x"}})

    assert answer.status_code == 201
    assert answer.json()["model"] == "local/echo"


async def test_members_that_older_clients_send_are_ignored(gateway: Gateway) -> None:
    legacy = {"webhook": None, "webhook_completed": None, "stream": True, "version": None, "unheard": [1]}

    answer = await gateway.client.post(MODEL, json={"input": {"text": "x"}, **legacy})

    assert answer.status_code == 201


async def test_text_of_every_script_comes_back_as_it_was_sent(gateway: Gateway) -> None:
    text = 'Grüße, 日本語, 🐇\u2028 \x00 \\ "'

    created = await gateway.create(text)

    answer = await gateway.client.get(f"/v1/predictions/{created}")
    assert answer.json()["input"] == {"text": text}


async def test_links_begin_with_the_host_that_the_client_knows(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=GatewaySettings(insecure=True)) as gateway:
        answer = await gateway.post(host="rabbit.example:8443")

    assert answer.headers["location"].startswith("http://rabbit.example:8443/v1/predictions/")


async def test_a_host_that_is_none_is_not_repeated(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=GatewaySettings(insecure=True)) as gateway:
        answer = await gateway.post(host='evil"><script>')

    assert answer.headers["location"].startswith(gateway.url)


async def test_links_begin_with_the_public_address_if_it_is_set(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=GatewaySettings(base_url="https://ai.example/api/")) as gateway:
        answer = await gateway.post()

    assert answer.json()["urls"]["get"].startswith("https://ai.example/api/v1/predictions/")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b'{"input": {"text": "x"}',
        b'{"input": {"text": "x"}} trailing',
        b'{"input": {"text": "\xff"}}',
        b'{"\xff": 1, "input": {"text": "x"}}',
        b'{"input": {"text": "\\ud800"}}',
        b'{"input": {"text": "\x00"}}',
        b'{"input": {"text": NaN}}',
        "{}".encode("utf-16"),
    ],
    ids=range(10),
)
async def test_what_is_not_json_is_a_bad_request(gateway: Gateway, body: bytes) -> None:
    answer = await gateway.client.post(MODEL, content=body)

    assert (400, PROBLEM) == (answer.status_code, answer.headers["content-type"])
    assert answer.json()["code"] == "malformed_json"


@pytest.mark.parametrize("text", [rb"\ud800", rb"a\\\udbff", rb"\ud800\u0041"])
async def test_half_of_a_surrogate_pair_is_told_to_be_that(gateway: Gateway, text: bytes) -> None:
    answer = await gateway.client.post(MODEL, content=b'{"input": {"text": "' + text + b'"}}')

    assert (400, "malformed_json") == (answer.status_code, answer.json()["code"])
    assert "surrogate pair" in answer.json()["detail"]


async def test_a_body_that_ends_too_early_is_told_to_be_that(gateway: Gateway) -> None:
    answer = await gateway.client.post(MODEL, content=rb'{"input": {"text": "\ud83d\ude00')

    assert "truncated" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b" \n"])
async def test_a_body_that_is_empty_is_told_to_be_that(gateway: Gateway, body: bytes) -> None:
    answer = await gateway.client.post(MODEL, content=body)

    assert "it is empty" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [b"[]", b'"text"', b"{}", b'{"input": null}', b'{"input": [1]}', b'{"input": "x"}', b'{"input": {"times": 1e999}}'],
)
async def test_a_body_of_another_form_is_refused(gateway: Gateway, body: bytes) -> None:
    answer = await gateway.client.post(MODEL, content=body)

    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("version", [None, 3, ["local/echo"]])
async def test_a_version_must_be_text(gateway: Gateway, version: object) -> None:
    answer = await gateway.client.post("/v1/predictions", json={"version": version, "input": {"text": "x"}})

    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])


async def test_every_problem_of_an_input_is_told(gateway: Gateway) -> None:
    answer = await gateway.client.post(MODEL, json={"input": {"times": 0, "tags": ["a", 2, 3], "no/such": 1}})

    problem = answer.json()
    assert (422, "invalid_input") == (answer.status_code, problem["code"])
    assert {
        "/input/text": "it is required",
        "/input/times": "the value is less than the minimum of 1",
        "/input/tags/1": 'the value is not of type "string"',
        "/input/tags/2": 'the value is not of type "string"',
        "/input/no~1such": "the model has no such input",
    } == {error["path"]: error["message"] for error in problem["errors"]}


async def test_an_unknown_model_is_told_with_those_that_are_known(gateway: Gateway) -> None:
    answer = await gateway.client.post("/v1/models/local/eco/predictions", json={"input": {}})

    assert (404, "model_not_found") == (answer.status_code, answer.json()["code"])
    assert "local/echo" in answer.json()["detail"]


@pytest.mark.parametrize("version", ["0f" * 32, f"local/echo:{'0f' * 32}", "latest", "", "local/echo:new", ":"])
async def test_an_unknown_version_is_not_found(gateway: Gateway, version: str) -> None:
    answer = await gateway.client.post("/v1/predictions", json={"version": version, "input": {"text": "x"}})

    assert (404, "version_not_found") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("name", ["%00/x", "a/%0A", "LOCAL/echo", "a/..%2F..", "%F0%9F%90%87/x", "x/" + "y" * 2000])
async def test_an_odd_name_is_only_not_found(gateway: Gateway, name: str) -> None:
    answer = await gateway.client.post(f"/v1/models/{name}/predictions", json={"input": {}})

    assert answer.status_code == 404
    assert answer.headers["content-type"] == PROBLEM


async def test_nothing_is_stored_while_the_broker_takes_nothing(gateway: Gateway) -> None:
    gateway.broker.blocked = True

    answer = await gateway.post()

    assert (503, "broker_unavailable") == (answer.status_code, answer.json()["code"])
    assert int(answer.headers["retry-after"]) > 0
    assert [] == (await gateway.client.get("/v1/predictions")).json()["results"]


async def test_a_prediction_that_the_queue_refuses_fails_and_is_not_published_later(gateway: Gateway) -> None:
    gateway.broker.trouble = QueueRefused(model="local/echo", reason="it is full")

    answer = await gateway.post()

    assert (503, "queue_refused") == (answer.status_code, answer.json()["code"])
    assert int(answer.headers["retry-after"]) > 0
    (stored,) = (await gateway.client.get("/v1/predictions")).json()["results"]
    assert stored["status"] == "failed"
    assert "it is full" in stored["error"]
    assert [] == await gateway.store.unpublished(age=0, hold=1, limit=10)


async def test_an_unconfirmed_publish_is_accepted_and_stays_in_the_outbox(gateway: Gateway) -> None:
    gateway.broker.trouble = PublishUnconfirmed()

    answer = await gateway.post()

    assert (202, "starting") == (answer.status_code, answer.json()["status"])
    (waiting,) = await gateway.store.unpublished(age=0, hold=1, limit=10)
    assert answer.json()["id"] == waiting.id


async def test_a_store_that_is_away_is_told(gateway: Gateway) -> None:
    gateway.store.away = True

    answer = await gateway.post()

    assert (503, "store_unavailable") == (answer.status_code, answer.json()["code"])
    assert int(answer.headers["retry-after"]) > 0


async def test_a_confirmed_publish_leaves_the_outbox(gateway: Gateway) -> None:
    created = await asyncio.gather(*[gateway.create() for _ in range(5)])

    await eventually(gateway.confirmed, lambda confirmed: len(confirmed) == 5)
    assert set(created) == set(gateway.store.cleared)
    assert [] == await gateway.store.unpublished(age=0, hold=1, limit=10)


async def test_a_large_input_travels_as_a_blob_and_is_shown_whole(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=GatewaySettings(inline_limit=100)) as gateway:
        answer = await gateway.post("x" * 1000)
        shown = await gateway.client.get(answer.json()["urls"]["get"])

        stored = await gateway.store.get(answer.json()["id"])
        assert {"text": "x" * 1000} == answer.json()["input"] == shown.json()["input"]
        assert Raw(b"{}") == stored.input
        assert stored.input_blob is not None
        assert f"inputs/{stored.id}/input.json" == stored.input_blob.key
        assert len(wire.encode(stored)) < 600


async def test_an_input_at_the_limit_stays_in_the_message(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=GatewaySettings(inline_limit=len('{"text":"hello"}'))) as gateway:
        created = await gateway.create("hello")

        assert (await gateway.store.get(created)).input_blob is None


async def test_a_body_at_the_limit_is_taken_and_one_beyond_is_not(tmp_path: Path) -> None:
    body = b'{"input": {"text": "hello"}}'
    async with serving(tmp_path, settings=GatewaySettings(max_body=len(body))) as gateway:
        fits = await gateway.client.post(MODEL, content=body)
        does_not = await gateway.client.post(MODEL, content=body + b" ")

    assert fits.status_code == 201
    assert (413, "body_too_large") == (does_not.status_code, does_not.json()["code"])
    assert does_not.json()["limit"] == len(body)


async def test_a_declared_length_beyond_the_limit_is_refused_before_the_body(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection(*gateway.address)
    writer.write(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n" % MODEL.encode())

    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=GatewaySettings(max_body=1000)) as gateway:
        reader, writer = await asyncio.open_connection(*gateway.address)
        writer.write(b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % MODEL.encode())
        for _ in range(11):
            writer.write(b"64\r\n" + b" " * 100 + b"\r\n")

        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        writer.close()


async def test_a_body_that_comes_in_many_pieces_is_put_together(gateway: Gateway) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"in', b'put": {"te', b'xt": "', "é".encode()[:1], "é".encode()[1:], b'"}}'):
            yield piece

    answer = await gateway.client.post(MODEL, content=pieces())

    assert answer.json()["input"] == {"text": "é"}


async def test_a_client_that_goes_in_the_middle_of_its_body_leaves_nothing(gateway: Gateway) -> None:
    _, writer = await asyncio.open_connection(*gateway.address)
    writer.write(b'POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"input"' % MODEL.encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert [] == (await gateway.client.get("/v1/predictions")).json()["results"]


async def test_garbage_on_the_socket_harms_nobody(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection(*gateway.address)
    writer.write(b"\x00\xff\xfe garbage\r\n\r\n")
    await reader.read()
    writer.close()

    assert (await gateway.post()).status_code == 201
