"""POSTs that are sent again, over real sockets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from leveret.config import GatewaySettings
from leveret.errors import PublishUnconfirmed
from tests.gateway.served import Gateway, eventually, serving

MODEL = "/v1/models/local/echo/predictions"
PROBLEM = "application/problem+json"
TOKEN = {"authorization": "Bearer one"}


def body(text: str, path: str) -> bytes:
    return json.dumps({"input": {"text": text}} | ({} if path == MODEL else {"version": "local/echo"})).encode()


async def post(gateway: Gateway, text: str = "hello", path: str = MODEL, **headers: str) -> httpx2.Response:
    """A create that is accepted."""
    sent = {name.replace("_", "-"): value for name, value in {**TOKEN, **headers}.items()}
    answer = await gateway.client.post(path, content=body(text, path), headers=sent)
    assert answer.status_code == 201, answer.text
    return answer


async def dropped(gateway: Gateway, text: str = "hello", *, token: bool = True) -> str:
    """The prediction that a client has asked for whose connection broke while it waited for the result."""
    content = body(text, MODEL)
    authorization = b"Authorization: Bearer one\r\n" if token else b""
    before = len(gateway.store.missing)
    _, writer = await asyncio.open_connection(*gateway.address)
    writer.write(
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nPrefer: wait\r\n%sContent-Length: %d\r\n\r\n%s"
        % (MODEL.encode(), authorization, len(content), content)
    )
    await eventually(gateway.followers, lambda number: number == 1)
    writer.transport.abort()
    await eventually(gateway.followers, lambda number: number == 0)
    if not token:
        return await gateway.newest()
    return (await eventually(gateway.missing, lambda missing: len(missing) > before))[-1]


def identity(answer: httpx2.Response) -> tuple[str, bool]:
    """The prediction, and whether the answer says that it was there before."""
    return str(answer.json()["id"]), answer.headers.get("idempotent-replayed") == "true"


async def count(gateway: Gateway) -> int:
    return len((await gateway.client.get("/v1/predictions")).json()["results"])


async def test_the_same_key_and_body_are_answered_the_same_prediction(gateway: Gateway) -> None:
    first = await post(gateway, idempotency_key='"8e03978e-40d5"')

    again = await post(gateway, idempotency_key='"8e03978e-40d5"')

    assert (identity(first)[0], True) == identity(again)
    assert not identity(first)[1]
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert 1 == await count(gateway)
    assert 1 == sum(await gateway.broker.depth("local/echo"))


@pytest.mark.parametrize(("one", "other"), [('"a b"', "a b"), (r'"a\"b\\"', r'a"b\ '), ("x" * 255, f'"{"x" * 255}"')])
async def test_a_key_is_the_same_quoted_and_bare(gateway: Gateway, one: str, other: str) -> None:
    first = await post(gateway, idempotency_key=one)

    assert (identity(first)[0], True) == identity(await post(gateway, idempotency_key=other.rstrip(" ")))


async def test_another_key_makes_another_prediction(gateway: Gateway) -> None:
    ids = {identity(await post(gateway, idempotency_key=key))[0] for key in ("a", "b", "A")}

    assert 3 == len(ids)


async def test_a_key_is_bound_to_the_account_and_not_to_the_token(gateway: Gateway) -> None:
    first = await post(gateway, idempotency_key="a")

    assert (identity(first)[0], True) == identity(await post(gateway, idempotency_key="a", authorization="Bearer two"))


@pytest.mark.parametrize("text", ["other", "hello "])
async def test_the_same_key_with_another_body_is_refused(gateway: Gateway, text: str) -> None:
    await post(gateway, idempotency_key="a")

    answer = await gateway.post(text, **{"idempotency-key": "a"})

    assert (422, PROBLEM) == (answer.status_code, answer.headers["content-type"])
    assert "idempotency_mismatch" == answer.json()["code"]
    assert 1 == await count(gateway)


async def test_the_same_key_at_another_path_is_refused(gateway: Gateway) -> None:
    body = {"version": "local/echo", "input": {"text": "x"}}
    first = await gateway.client.post("/v1/predictions", json=body, headers={"Idempotency-Key": "a"})

    answer = await gateway.client.post(MODEL, json=body, headers={"Idempotency-Key": "a"})

    assert (201, 422) == (first.status_code, answer.status_code)


@pytest.mark.parametrize(
    "key", ["", '""', '"', '"a', '"a"b"', '"a"; x=1', "x" * 256, f'"{"x" * 256}"', "a\tb", "schlüssel", r'"a\b"']
)
async def test_a_key_that_is_none_is_refused(gateway: Gateway, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]

    answer = await gateway.client.post(MODEL, json={"input": {"text": "x"}}, headers=headers)

    assert (400, PROBLEM) == (answer.status_code, answer.headers["content-type"])
    assert "invalid_idempotency_key" == answer.json()["code"]
    assert 0 == await count(gateway)


async def test_two_keys_are_refused(gateway: Gateway) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]

    answer = await gateway.client.post(MODEL, json={"input": {"text": "x"}}, headers=headers)

    assert 400 == answer.status_code


async def test_many_at_once_make_one_prediction(gateway: Gateway) -> None:
    answers = await asyncio.gather(*[post(gateway, idempotency_key="a") for _ in range(20)])

    assert 1 == len({identity(answer)[0] for answer in answers})
    assert 19 == sum(identity(answer)[1] for answer in answers)
    assert 1 == sum(await gateway.broker.depth("local/echo"))


async def test_what_was_refused_leaves_the_key_free(gateway: Gateway) -> None:
    wrong = await gateway.client.post(MODEL, json={"input": {}}, headers={"Idempotency-Key": "a"})
    gateway.broker.blocked = True
    away = await gateway.post(**{"idempotency-key": "a"})
    gateway.broker.blocked = False

    assert (422, 503) == (wrong.status_code, away.status_code)
    assert not identity(await post(gateway, idempotency_key="a"))[1]


async def test_a_key_is_forgotten_after_its_lifetime(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=GatewaySettings(idempotency_lifetime=0.05)) as gateway:
        first = await post(gateway, idempotency_key="a")

        async def again() -> httpx2.Response:
            return await post(gateway, idempotency_key="a")

        await eventually(again, lambda answer: identity(answer)[0] != identity(first)[0])


async def test_a_repetition_is_answered_what_has_become_of_it(gateway: Gateway) -> None:
    first = await post(gateway, idempotency_key="a")
    run = await gateway.worker.start(identity(first)[0])
    await gateway.worker.say(run, b'"a part"')
    running = await post(gateway, idempotency_key="a")
    await gateway.worker.succeed(run, b'"done"')
    ended = await post(gateway, idempotency_key="a", prefer="wait")

    assert ("starting", None) == (running.json()["status"], running.json()["output"])
    assert ("succeeded", "done", "wait") == (
        ended.json()["status"],
        ended.json()["output"],
        ended.headers["preference-applied"],
    )
    assert (await gateway.client.get(f"/v1/predictions/{identity(first)[0]}")).json() == ended.json()


async def test_a_repetition_can_wait_for_the_result(gateway: Gateway) -> None:
    first = await post(gateway, idempotency_key="a")
    run = await gateway.worker.start(identity(first)[0])
    await gateway.worker.say(run, b'"a"')
    waiting = asyncio.create_task(post(gateway, idempotency_key="a", prefer="wait"))
    await eventually(gateway.followers, lambda number: number == 1)
    await gateway.worker.say(run, b'"b"')

    await gateway.worker.finish(run)

    assert ("succeeded", ["a", "b"], True) == (
        (await waiting).json()["status"],
        (await waiting).json()["output"],
        identity(await waiting)[1],
    )


async def test_a_large_input_is_stored_once(gateway: Gateway, tmp_path: Path) -> None:
    first, again = [await post(gateway, "x" * 100_000, idempotency_key="a") for _ in range(2)]
    other = await gateway.post("y" * 100_000, **{"idempotency-key": "a"})

    assert (422, first.json()) == (other.status_code, again.json())
    assert [identity(first)[0]] == [path.parent.name for path in (tmp_path / "blobs").rglob("*.json")]


async def test_a_repetition_of_what_the_broker_has_not_confirmed_is_published_once(gateway: Gateway) -> None:
    gateway.broker.trouble = PublishUnconfirmed()
    first = await gateway.post(**{"idempotency-key": "a"})
    gateway.broker.trouble = None

    again = await gateway.post(**{"idempotency-key": "a"})

    assert (202, 201) == (first.status_code, again.status_code)
    assert (identity(first)[0], True) == identity(again)
    assert 0 == sum(await gateway.broker.depth("local/echo"))  # it is for the sweeper, which the outbox tells
    (left,) = await gateway.store.unpublished(age=0, hold=60.0, limit=10)
    assert left.id == identity(first)[0]


async def test_a_counted_retry_is_answered_the_prediction_of_the_try_before(gateway: Gateway) -> None:
    tries = [await post(gateway, x_stainless_retry_count=str(number)) for number in range(3)]

    assert [(identity(tries[0])[0], again) for again in (False, True, True)] == [identity(answer) for answer in tries]


async def test_two_first_tries_are_two_predictions_and_a_retry_is_the_latest(gateway: Gateway) -> None:
    one, two = [await post(gateway, x_stainless_retry_count="0") for _ in range(2)]

    again = await post(gateway, x_stainless_retry_count="1")

    assert identity(one)[0] != identity(two)[0]
    assert (identity(two)[0], True) == identity(again)


async def test_a_retry_whose_first_try_did_not_arrive_makes_a_prediction(gateway: Gateway) -> None:
    one, two = [await post(gateway, x_stainless_retry_count=number) for number in ("1", "2")]

    assert [(identity(one)[0], False), (identity(one)[0], True)] == [identity(one), identity(two)]


@pytest.mark.parametrize("other", [{"text": "other"}, {"authorization": "Bearer two"}, {"path": "/v1/predictions"}])
async def test_a_retry_of_another_request_or_token_is_another_prediction(
    gateway: Gateway, other: dict[str, str]
) -> None:
    first = await post(gateway, x_stainless_retry_count="0")

    again = await post(gateway, **{"x_stainless_retry_count": "1", **other})

    assert identity(first)[0] != identity(again)[0]


@pytest.mark.parametrize("headers", [{}, {"x_stainless_retry_count": "x"}, {"authorization": ""}])
async def test_what_is_sent_twice_without_a_mark_is_two_predictions(gateway: Gateway, headers: dict[str, str]) -> None:
    answers = [await post(gateway, **headers) for _ in range(3)]

    assert 3 == len({identity(answer)[0] for answer in answers})
    assert not any(identity(answer)[1] for answer in answers)


async def test_a_wait_whose_connection_breaks_is_taken_up_by_the_next_post_and_only_by_that(gateway: Gateway) -> None:
    broken = await dropped(gateway)

    again = await post(gateway, prefer="wait=0.1")
    third = await post(gateway)

    assert (broken, True) == identity(again)
    assert (2, False) == (await count(gateway), identity(third)[1])


async def test_a_create_whose_client_goes_before_it_is_recorded_is_taken_up_by_the_next_post(gateway: Gateway) -> None:
    gateway.store.gate.clear()
    content = body("hello", MODEL)
    _, writer = await asyncio.open_connection(*gateway.address)
    writer.write(
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer one\r\nContent-Length: %d\r\n\r\n%s"
        % (MODEL.encode(), len(content), content)
    )
    await eventually(gateway.creating, lambda number: number == 1)
    writer.transport.abort()
    await eventually(gateway.connections, lambda number: number == 0)
    gateway.store.gate.set()
    (gone,) = await eventually(gateway.missing, bool)

    assert (gone, True) == identity(await post(gateway))


async def test_as_many_as_were_broken_are_taken_up_each_by_one(gateway: Gateway) -> None:
    broken = {await dropped(gateway) for _ in range(3)}

    taken = [identity(answer) for answer in await asyncio.gather(*[post(gateway) for _ in range(5)])]

    assert broken == {one for one, again in taken if again}
    assert 5 == await count(gateway)


async def test_one_that_is_broken_again_is_taken_up_again(gateway: Gateway) -> None:
    for _ in range(3):
        broken = await dropped(gateway)
    answer = await post(gateway)

    assert (broken, True) == identity(answer)
    assert 1 == await count(gateway)


@pytest.mark.parametrize(
    "other", [{"text": "other"}, {"authorization": "Bearer two"}, {"x_stainless_retry_count": "0"}]
)
async def test_what_was_broken_is_not_taken_up_by_another_request(gateway: Gateway, other: dict[str, str]) -> None:
    broken = await dropped(gateway)

    assert broken != identity(await post(gateway, **other))[0]


async def test_without_a_token_nothing_is_taken_up(gateway: Gateway) -> None:
    await dropped(gateway, token=False)

    answer = await gateway.post("hello")

    assert (201, False) == (answer.status_code, identity(answer)[1])
    assert 2 == await count(gateway)
