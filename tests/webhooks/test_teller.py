"""What is told to real receivers, on both families of backends."""

from __future__ import annotations

import asyncio
import socket
import time
from itertools import pairwise

import pytest

from leveret.backends import Backends
from leveret.config import OutboundSettings, WebhookSettings
from leveret.core import signature, webhooks
from leveret.core.events import Canceled, Reset, Succeeded
from leveret.core.prediction import Blob, HookEvent
from leveret.core.webhooks import PAUSE, Again, Notice, demanded
from leveret.testing.conformance.arrange import claimed
from tests.webhooks.arrange import BASE, QUICK, begun, called, ended, eventually, finish, hooked, say, succeed, telling
from tests.webhooks.receiver import Receiver, receiving

GONE = "410 Gone"
BROKEN = "500 Internal Server Error"
FINE = "200 OK"


def ids(receiver: Receiver) -> list[str]:
    return [one.webhook_id for one in receiver.received]


class TestTelling:
    async def test_a_start_and_an_end_are_told_in_their_order(self, backends: Backends) -> None:
        async with receiving() as receiver, telling(backends):
            run = await begun(backends, receiver.url)
            (first,) = await receiver.wait(1)
            await succeed(backends, run, b'{"a":1}')
            *_, last = await receiver.wait(2)

        assert ("POST /hook HTTP/1.1", "application/json") == (first.head, first.headers["content-type"])
        assert (run.id, "processing", None) == (first.prediction.id, first.prediction.status, first.prediction.output)
        assert (run.id, "succeeded", {"a": 1}) == (last.prediction.id, last.prediction.status, last.prediction.output)
        assert [f"msg_{run.id}_2", f"msg_{run.id}_3"] == ids(receiver)
        assert f"{BASE}/v1/predictions/{run.id}" == last.prediction.urls["get"]

    async def test_a_call_is_signed_with_the_secret_of_the_account(self, backends: Backends) -> None:
        async with receiving() as receiver, telling(backends):
            await begun(backends, receiver.url)
            (one,) = await receiver.wait(1)

        secret = await backends.store.hook_secret("alice", fresh="whsec_none")
        at = int(one.headers["webhook-timestamp"])
        assert abs(time.time() - at) < 60
        expected = signature.headers(secret, webhook_id=one.webhook_id, at=at, body=one.body)
        assert expected.items() <= one.headers.items()

    async def test_only_what_the_webhook_heeds_is_told(self, backends: Backends) -> None:
        async with receiving() as receiver, telling(backends):
            run = await begun(backends, receiver.url, HookEvent.COMPLETED)
            await say(backends, run, 1, "a")
            await finish(backends, run)
            await receiver.wait_for("succeeded")

        assert ["succeeded"] == receiver.states

    async def test_a_start_that_is_told_late_shows_the_prediction_as_it_began(self, backends: Backends) -> None:
        async with receiving() as receiver:
            run = await ended(backends, receiver.url)
            async with telling(backends):
                first, last = await receiver.wait(2)

        assert ("processing", None, 1) == (first.prediction.status, first.prediction.output, run.attempt)
        assert "succeeded" == last.prediction.status

    async def test_every_run_is_told_of(self, backends: Backends) -> None:
        async with receiving() as receiver, telling(backends):
            run = await begun(backends, receiver.url, HookEvent.START)
            reset = Reset(at=time.time(), attempt=1, reason="it crashed", charged=1)
            await backends.store.settle([(run, reset)], worker="w1")
            await claimed(backends.store, await backends.store.get(run.id))
            first, second = await receiver.wait(2)

        assert [1, 2] == [first.prediction.attempt, second.prediction.attempt]

    async def test_what_is_canceled_before_it_began_is_told(self, backends: Backends) -> None:
        async with receiving() as receiver, telling(backends):
            prediction = await backends.store.create(hooked(receiver.url))
            await backends.store.end(prediction.id, Canceled(at=time.time()))
            await receiver.wait_for("canceled")

        assert ["canceled"] == receiver.states

    async def test_what_has_been_told_is_told_once(self, backends: Backends) -> None:
        async with receiving() as receiver:
            async with telling(backends):
                run = await ended(backends, receiver.url)
                await called(backends, run, 2)
            async with telling(backends):
                other = await ended(backends, receiver.url)
                await called(backends, other, 2)

        assert 4 == len(set(ids(receiver))) == len(receiver.received)


class TestUpdates:
    async def test_of_further_output_only_the_latest_state_is_told_and_never_too_often(
        self, backends: Backends
    ) -> None:
        async with receiving() as receiver, telling(backends):
            run = await begun(backends, receiver.url)
            await receiver.wait(1)
            for number in range(1, 41):
                await say(backends, run, number, "line\n")
                await asyncio.sleep(0)
            whole = list(range(1, 41))
            await eventually(lambda: _outputs(receiver), lambda outputs: whole in outputs)
            await finish(backends, run)
            await receiver.wait_for("succeeded")

        updates = [one for one in receiver.received if one.prediction.status == "processing"][1:]
        assert whole == updates[-1].prediction.output
        assert "line\n" * 40 == updates[-1].prediction.logs
        gaps = [later.at - earlier.at for earlier, later in pairwise(updates)]
        assert all(gap > PAUSE - 0.01 for gap in gaps)
        assert len(updates) < 40

    async def test_an_update_that_fails_is_told_in_its_latest_state(self, backends: Backends) -> None:
        async with receiving(BROKEN, FINE) as receiver, telling(backends):
            run = await begun(backends, receiver.url, HookEvent.OUTPUT)
            await say(backends, run, 1)
            await receiver.wait(1)
            await say(backends, run, 2)
            await eventually(lambda: _outputs(receiver), lambda outputs: [1, 2] in outputs)
            calls = await called(backends, run, 2)

        assert [(1, 500), (2, 200)] == [(call.attempt, call.status) for call in calls]

    async def test_an_end_comes_after_an_update_that_fails(self, backends: Backends) -> None:
        async with receiving(BROKEN, FINE) as receiver, telling(backends):
            run = await begun(backends, receiver.url, HookEvent.OUTPUT, HookEvent.COMPLETED)
            await say(backends, run, 1)
            await receiver.wait(1)
            await finish(backends, run)
            await receiver.wait_for("succeeded")

        assert ["processing", "succeeded"] == receiver.states

    async def test_an_update_is_given_up_after_so_many_calls(self, backends: Backends) -> None:
        async with receiving(BROKEN, BROKEN, FINE) as receiver, telling(backends, WebhookSettings(max_attempts=2)):
            run = await begun(backends, receiver.url, HookEvent.OUTPUT)
            await say(backends, run, 1)
            await called(backends, run, 2)
            await say(backends, run, 2)
            calls = await called(backends, run, 3)

        assert [(1, 500), (2, 500), (1, 200)] == [(call.attempt, call.status) for call in calls]


class TestFailing:
    @pytest.mark.parametrize("answer", [BROKEN, "302 Found\r\nLocation: /elsewhere", "404 Not Found"])
    async def test_what_is_refused_is_told_again_under_the_same_id(self, backends: Backends, answer: str) -> None:
        async with receiving(answer, FINE) as receiver, telling(backends):
            run = await ended(backends, receiver.url, HookEvent.COMPLETED)
            calls = await called(backends, run, 2)

        assert [f"msg_{run.id}_3"] * 2 == ids(receiver)
        assert receiver.received[0].body == receiver.received[1].body
        assert all(one.head.startswith("POST /hook ") for one in receiver.received)
        assert [(1, int(answer[:3])), (2, 200)] == [(call.attempt, call.status) for call in calls]
        assert {HookEvent.COMPLETED} == {call.event for call in calls}

    async def test_a_start_that_fails_does_not_keep_the_end(self, backends: Backends) -> None:
        async with receiving(BROKEN, FINE) as receiver, telling(backends):
            run = await ended(backends, receiver.url)
            calls = await called(backends, run, 3)

        assert ["processing", "succeeded", "processing"] == receiver.states
        assert [("start", 1), ("completed", 1), ("start", 2)] == [(call.event, call.attempt) for call in calls]

    async def test_it_is_given_up_after_so_many_calls(self, backends: Backends) -> None:
        async with receiving(BROKEN) as receiver, telling(backends):
            run = await ended(backends, receiver.url, HookEvent.COMPLETED)
            await called(backends, run, QUICK.max_attempts)
            other = await ended(backends, receiver.url, HookEvent.COMPLETED)
            await called(backends, other, QUICK.max_attempts)

        assert 2 * QUICK.max_attempts == len(receiver.received)

    async def test_a_receiver_that_was_down_is_told_once_it_is_up(self, backends: Backends) -> None:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        async with telling(backends, WebhookSettings(max_attempts=100)):
            run = await ended(backends, f"http://127.0.0.1:{port}/hook")
            calls = await called(backends, run, 2)
            async with receiving(port=port) as receiver:
                await receiver.wait(2)

        assert {"processing", "succeeded"} == set(receiver.states)
        assert "ConnectError" in str(calls[0].error)
        assert calls[0].status is None

    async def test_a_receiver_that_wants_to_be_called_later_is(self, backends: Backends) -> None:
        async with receiving("503 Busy\r\nRetry-After: 2", FINE) as receiver, telling(backends):
            await ended(backends, receiver.url, HookEvent.COMPLETED)
            first, second = await receiver.wait(2)

        assert second.at - first.at > 1.9

    async def test_a_receiver_that_is_gone_is_called_no_more(self, backends: Backends) -> None:
        async with receiving(GONE) as receiver, telling(backends):
            run = await begun(backends, receiver.url)
            await called(backends, run, 1)
            await say(backends, run, 1)
            await finish(backends, run)
            other = await ended(backends, receiver.url, HookEvent.COMPLETED)
            await called(backends, other, 1)

        news = await backends.store.news(run.id)
        assert news is not None
        assert news.silenced
        assert [run.id, other.id] == [one.prediction.id for one in receiver.received]

    async def test_what_failed_before_is_not_repeated_to_a_receiver_that_is_gone(self, backends: Backends) -> None:
        async with receiving(BROKEN, GONE) as receiver, telling(backends):
            run = await ended(backends, receiver.url)
            await called(backends, run, 2)
            other = await ended(backends, receiver.url, HookEvent.COMPLETED)
            await receiver.wait(3)

        assert [run.id, run.id, other.id] == [one.prediction.id for one in receiver.received]

    async def test_a_receiver_that_does_not_answer_in_time_has_failed(self, embedded: Backends) -> None:
        async with receiving(None, FINE) as receiver, telling(embedded, WebhookSettings(timeout=0.2)):
            run = await ended(embedded, receiver.url, HookEvent.COMPLETED)
            calls = await called(embedded, run, 2)

        assert [("no answer within 0.2 seconds", None), (None, 200)] == [(call.error, call.status) for call in calls]

    async def test_what_is_not_allowed_is_not_called(self, embedded: Backends) -> None:
        async with receiving() as receiver, telling(embedded, outbound=OutboundSettings(allow_http=True)):
            run = await ended(embedded, receiver.url, HookEvent.COMPLETED)
            (call, *_) = await called(embedded, run, 1)

        assert "not an address of the public internet" in str(call.error)
        assert [] == receiver.received

    async def test_a_prediction_that_cannot_be_shown_is_remembered_with_the_reason(self, embedded: Backends) -> None:
        gone = Blob("outputs/gone.json", 3, "ab" * 32)
        async with receiving() as receiver, telling(embedded):
            run = await begun(embedded, receiver.url, HookEvent.COMPLETED)
            ending = Succeeded(at=time.time(), attempt=run.attempt, output_blob=gone)
            await embedded.store.settle([(run, ending)], worker="w1")
            (call, *_) = await called(embedded, run, 1)

        assert "gone" in str(call.error)
        assert [] == receiver.received


class TestDemands:
    async def test_what_is_demanded_is_told_as_it_is_even_to_one_that_was_gone(self, backends: Backends) -> None:
        async with receiving(GONE, FINE) as receiver, telling(backends):
            run = await ended(backends, receiver.url)
            await called(backends, run, 1)
            again = Again(demanded(await backends.store.get(run.id), "msg_new"), demanded=True)
            await backends.broker.send(webhooks.encode(again))
            await receiver.wait(2)

        assert [f"msg_{run.id}_2", "msg_new"] == ids(receiver)
        assert ["processing", "succeeded"] == receiver.states


class TestCrashes:
    async def test_what_was_being_told_is_told_again_under_the_same_id(self, backends: Backends) -> None:
        async with receiving(None, FINE) as receiver:
            async with telling(backends):
                run = await ended(backends, receiver.url, HookEvent.COMPLETED)
                await receiver.wait(1)
            async with telling(backends):
                calls = await called(backends, run, 1)

        assert [f"msg_{run.id}_3"] * 2 == ids(receiver)
        assert [200] == [call.status for call in calls]

    async def test_an_errand_that_nobody_noted_finds_nothing_left(self, backends: Backends) -> None:
        async with receiving() as receiver, telling(backends):
            run = await ended(backends, receiver.url, HookEvent.COMPLETED)
            await called(backends, run, 1)
            for errand in (webhooks.Fresh(run.id), webhooks.Fresh("nothing")):
                await backends.broker.send(webhooks.encode(errand))
            other = await ended(backends, receiver.url, HookEvent.COMPLETED)
            await called(backends, other, 1)

        assert [run.id, other.id] == [one.prediction.id for one in receiver.received]

    async def test_what_is_no_errand_is_given_up_and_the_next_one_is_done(self, backends: Backends) -> None:
        async with receiving() as receiver, telling(backends):
            await backends.broker.send(b"what?")
            await ended(backends, receiver.url, HookEvent.COMPLETED)
            await receiver.wait(1)

            async def given_up() -> list[bytes]:
                async with backends.broker.rejected(limit=10) as found:
                    return [one.body for one in found]

            await eventually(given_up, lambda bodies: bodies == [b"what?"])

    async def test_an_errand_of_what_is_unknown_is_done(self, backends: Backends) -> None:
        notice = Notice(prediction_id="nothing", event=HookEvent.START, number=2, webhook_id="msg_1")
        async with receiving() as receiver, telling(backends):
            await backends.broker.send(webhooks.encode(Again(notice)))
            await ended(backends, receiver.url, HookEvent.COMPLETED)
            await receiver.wait(1)

        async with backends.broker.rejected(limit=10) as found:
            assert [] == found


class TestCrowds:
    async def test_a_host_that_does_not_answer_leaves_room_for_another(self, embedded: Backends) -> None:
        settings = WebhookSettings(concurrency=4)
        async with receiving(None) as slow, receiving() as quick, telling(embedded, settings):
            for _ in range(6):
                await ended(embedded, slow.url, HookEvent.COMPLETED)
            await slow.wait(1)
            await ended(embedded, quick.url, HookEvent.COMPLETED)
            await quick.wait(1)

        assert 1 == len(slow.received)


async def _outputs(receiver: Receiver) -> list[object]:
    return [one.prediction.output for one in receiver.received]
