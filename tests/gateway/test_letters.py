"""The admin API's dead letters, over HTTP."""

from __future__ import annotations

import time

import httpx2
import pytest
from msgspec import Raw

from leveret.core import wire
from leveret.core.events import Failed, Why
from leveret.core.letters import DeadLetter, foreign
from leveret.core.prediction import Prediction
from leveret.errors import PublishUnconfirmed, QueueRefused
from leveret.gateway.admin.letters import PAGE
from tests.gateway.served import ECHO, Gateway

DEAD = "/admin/v1/dead"
STRANGER = foreign(b'{"id": \xff}', reason="this is not a Leveret message", at=1.7e9)


async def died(gateway: Gateway, text: str = "hello") -> str:
    """The id of a prediction that has failed for good."""
    prediction_id = await gateway.create(text)
    run = await gateway.worker.start(prediction_id)
    failure = Failed(at=time.time(), attempt=run.attempt, error="it crashed (attempt 1 of 1)", dead=Why.EXHAUSTED)
    assert await gateway.worker.end(run, failure)
    return prediction_id


async def buried(gateway: Gateway, count: int, *, model: str = ECHO.model) -> list[str]:
    """The ids of so many dead letters, newest first."""
    letters = [letter(number, model=model) for number in range(count)]
    for one in letters:
        await gateway.store.bury(one)
    return sorted([one.id for one in letters], reverse=True)


def letter(number: int, *, model: str = ECHO.model) -> DeadLetter:
    asked = Prediction(
        id=f"{number:04}-{model.replace('/', '-')}", model=model, input=Raw(b'{"text":"a"}'), created_at=1.6e9
    )
    return DeadLetter(asked.id, wire.encode(asked), Failed(at=1.7e9, error="no", dead=Why.POISON))


async def listed(gateway: Gateway, query: str = "") -> list[str]:
    answer = await gateway.client.get(DEAD + query)
    assert 200 == answer.status_code, answer.text
    return [one["id"] for one in answer.json()["results"]]


async def retried(gateway: Gateway, letter_id: str) -> httpx2.Response:
    return await gateway.client.post(f"{DEAD}/{letter_id}/retry")


async def test_what_has_failed_for_good_is_listed_with_its_reason(gateway: Gateway) -> None:
    prediction_id = await died(gateway)

    (found,) = (await gateway.client.get(DEAD)).json()["results"]

    assert (prediction_id, "local/echo", "exhausted", 1) == tuple(found[it] for it in ("id", "model", "why", "attempt"))
    assert "it crashed (attempt 1 of 1)" == found["error"]
    assert found["created_at"] <= found["failed_at"]
    assert "failed" == (await gateway.client.get(found["urls"]["prediction"])).json()["status"]
    assert prediction_id == (await gateway.client.get(found["urls"]["get"])).json()["id"]


async def test_what_merely_failed_is_not(gateway: Gateway) -> None:
    await gateway.worker.fail(await gateway.worker.start(await gateway.create()), "ValueError: no")

    assert [] == await listed(gateway)


async def test_one_shows_what_was_asked_for(gateway: Gateway) -> None:
    prediction_id = await died(gateway, "hello")

    found = (await gateway.client.get(f"{DEAD}/{prediction_id}")).json()

    assert ({"text": "hello"}, "local", ECHO.version) == (found["input"], found["account"], found["version"])
    assert (None, False) == (found["body"], found["data_removed"])


async def test_a_large_input_is_shown_whole_and_run_again(gateway: Gateway) -> None:
    text = "x" * 100_000
    prediction_id = await died(gateway, text)

    shown = (await gateway.client.get(f"{DEAD}/{prediction_id}")).json()
    again = (await retried(gateway, prediction_id)).json()

    assert {"text": text} == shown["input"] == again["input"]


async def test_a_foreign_message_is_shown_as_far_as_it_is_text(gateway: Gateway) -> None:
    await gateway.store.bury(STRANGER)

    found = (await gateway.client.get(f"{DEAD}/{STRANGER.id}")).json()

    assert ('{"id": \\xff}', "foreign", None) == (found["body"], found["why"], found["model"])
    assert (None, None) == (found["input"], found["urls"]["prediction"])


async def test_a_list_goes_on_by_pages_and_by_model(gateway: Gateway) -> None:
    mine = await buried(gateway, PAGE + 5)
    await buried(gateway, 3, model="acme/other")
    await gateway.store.bury(STRANGER)

    first = (await gateway.client.get(f"{DEAD}?model=local/echo")).json()
    second = (await gateway.client.get(first["next"])).json()

    assert mine == [one["id"] for page in (first, second) for one in page["results"]]
    assert second["next"] is None
    assert 3 == len(await listed(gateway, "?model=acme/other"))


async def test_a_retry_is_a_new_prediction_that_runs_and_the_letter_is_gone(gateway: Gateway) -> None:
    prediction_id = await died(gateway)

    answer = await retried(gateway, prediction_id)

    again = answer.json()
    assert (201, "starting", {"text": "hello"}) == (answer.status_code, again["status"], again["input"])
    assert answer.headers["location"] == f"{gateway.url}/v1/predictions/{again['id']}"
    assert again["id"] != prediction_id
    assert await gateway.worker.succeed(await gateway.worker.start(again["id"]))
    assert "failed" == (await gateway.client.get(f"/v1/predictions/{prediction_id}")).json()["status"]
    assert [] == await listed(gateway)
    assert 2 == sum(await gateway.broker.depth(ECHO.model))  # the first one's message, which nobody took, and its own


async def test_retrying_one_letter_from_two_sides_makes_one_prediction(gateway: Gateway) -> None:
    prediction_id = await died(gateway)
    kept = await gateway.store.letter(prediction_id)

    first = (await retried(gateway, prediction_id)).json()
    await gateway.store.bury(kept)  # as if the gateway had died before it discarded it
    second = (await retried(gateway, prediction_id)).json()

    assert first["id"] == second["id"]
    assert {first["id"], prediction_id} == {
        one["id"] for one in (await gateway.client.get("/v1/predictions")).json()["results"]
    }


async def test_a_retry_that_is_repeated_when_the_new_one_has_ended_answers_its_result(gateway: Gateway) -> None:
    prediction_id = await died(gateway)
    kept = await gateway.store.letter(prediction_id)
    again = (await retried(gateway, prediction_id)).json()
    await gateway.worker.succeed(await gateway.worker.start(again["id"]))
    await gateway.store.bury(kept)
    waiting = await gateway.broker.depth(ECHO.model)

    answer = await retried(gateway, prediction_id)

    assert ("succeeded", "done") == (answer.json()["status"], answer.json()["output"])
    assert waiting == await gateway.broker.depth(ECHO.model)


@pytest.mark.parametrize("trouble", [PublishUnconfirmed(), QueueRefused(model="local/echo", reason="it is full")])
async def test_a_retry_that_the_broker_does_not_take_now_stays_in_the_outbox(
    gateway: Gateway, trouble: Exception
) -> None:
    prediction_id = await died(gateway)
    gateway.broker.trouble = trouble

    answer = await retried(gateway, prediction_id)

    assert (202, "starting") == (answer.status_code, answer.json()["status"])
    (waiting,) = await gateway.store.unpublished(age=0, hold=60, limit=10)
    assert answer.json()["id"] == waiting.id


async def test_without_a_broker_a_retry_is_refused_and_the_letter_stays(gateway: Gateway) -> None:
    prediction_id = await died(gateway)
    gateway.broker.blocked = True

    answer = await retried(gateway, prediction_id)

    assert (503, "broker_unavailable") == (answer.status_code, answer.json()["code"])
    assert [prediction_id] == await listed(gateway)


async def test_a_foreign_message_cannot_be_retried_and_stays(gateway: Gateway) -> None:
    await gateway.store.bury(STRANGER)

    answer = await retried(gateway, STRANGER.id)

    assert (409, "not_retriable") == (answer.status_code, answer.json()["code"])
    assert [STRANGER.id] == await listed(gateway)


async def test_all_are_retried_page_by_page_and_what_is_foreign_stays(gateway: Gateway) -> None:
    await buried(gateway, PAGE + 5)
    await gateway.store.bury(STRANGER)  # the newest

    first = (await gateway.client.post(f"{DEAD}/retry")).json()
    second = (await gateway.client.post(first["next"])).json()

    assert (PAGE - 1, 1) == (first["retried"], first["skipped"])
    assert {"retried": 6, "skipped": 0, "next": None} == second
    assert [STRANGER.id] == await listed(gateway)
    assert PAGE + 5 == sum(await gateway.broker.depth(ECHO.model))


async def test_the_dead_letters_of_one_model_are_retried(gateway: Gateway) -> None:
    await buried(gateway, 2)
    others = await buried(gateway, 2, model="acme/other")

    answer = (await gateway.client.post(f"{DEAD}/retry?model=local/echo")).json()

    assert {"retried": 2, "skipped": 0, "next": None} == answer
    assert others == await listed(gateway)


async def test_one_is_purged_and_its_prediction_stays(gateway: Gateway) -> None:
    prediction_id, other = await died(gateway), await died(gateway)

    answer = await gateway.client.delete(f"{DEAD}/{prediction_id}")

    assert (204, b"") == (answer.status_code, answer.content)
    assert [other] == await listed(gateway)
    assert 200 == (await gateway.client.get(f"/v1/predictions/{prediction_id}")).status_code


async def test_all_are_purged_however_many_there_are(gateway: Gateway) -> None:
    await buried(gateway, 2 * PAGE + 5)
    await gateway.store.bury(STRANGER)

    answer = await gateway.client.delete(DEAD)

    assert (200, {"purged": 2 * PAGE + 6}) == (answer.status_code, answer.json())
    assert [] == await listed(gateway)


async def test_the_dead_letters_of_one_model_are_purged(gateway: Gateway) -> None:
    await buried(gateway, 2)
    others = await buried(gateway, 2, model="acme/other")

    answer = await gateway.client.delete(f"{DEAD}?model=local/echo")

    assert {"purged": 2} == answer.json()
    assert others == await listed(gateway)


@pytest.mark.parametrize("letter_id", ["nothing", "no%20id"])
async def test_what_is_no_dead_letter_is_not_found(gateway: Gateway, letter_id: str) -> None:
    answers = [
        await gateway.client.get(f"{DEAD}/{letter_id}"),
        await gateway.client.delete(f"{DEAD}/{letter_id}"),
        await retried(gateway, letter_id),
    ]

    assert [(404, "dead_letter_not_found")] * 3 == [(one.status_code, one.json()["code"]) for one in answers]


@pytest.mark.parametrize("query", ["modle=local/echo", "model=local/echo&all=1", "model=", "model=echo", "cursor=a b"])
async def test_a_slip_in_the_parameters_purges_and_retries_nothing(gateway: Gateway, query: str) -> None:
    await buried(gateway, 2)

    answers = [await gateway.client.delete(f"{DEAD}?{query}"), await gateway.client.post(f"{DEAD}/retry?{query}")]

    assert [422, 422] == [answer.status_code for answer in answers]
    assert 2 == len(await listed(gateway))


async def test_a_letter_that_this_version_cannot_read_is_listed_and_shown_all_the_same(gateway: Gateway) -> None:
    (unreadable,) = await buried(gateway, 1)
    await gateway.store._database.write(lambda connection: connection.execute("UPDATE letters SET body = ?", (b"v9",)))

    shown = (await gateway.client.get(f"{DEAD}/{unreadable}")).json()

    assert [unreadable] == await listed(gateway)
    assert ("v9", "poison") == (shown["body"], shown["why"])
    assert 422 == (await retried(gateway, unreadable)).status_code
    assert 1 == (await gateway.client.post(f"{DEAD}/retry")).json()["skipped"]
