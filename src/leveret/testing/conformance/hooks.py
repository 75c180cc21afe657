"""What the gateway may expect of a Store's webhooks: hooked, sent, news, called, rest, silence, calls, secret."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.core.events import Failed, Logs, Output, Progress, Started, Succeeded
from leveret.core.ports import Running, Store
from leveret.core.prediction import HookEvent, Prediction, Status, Webhook
from leveret.core.webhooks import KEPT_CALLS, PAUSE, Call, News
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    append,
    claimed,
    eventually,
    settle,
    streamed,
    succeeded,
)

SHORT = 0.05
URL = "https://hooks.example/1"


class HooksConformance:
    """All of core.hooks.Hooks."""

    async def test_the_webhook_is_kept_with_the_prediction(self, store: Store) -> None:
        prediction = await store.create(_hooked([HookEvent.LOGS, HookEvent.COMPLETED]))

        assert (await store.get(prediction.id)).webhook == prediction.webhook

    async def test_what_waits_has_no_news(self, store: Store) -> None:
        await store.create(_hooked())

        assert await _with_news(store) == []

    async def test_what_has_begun_said_something_or_ended_has_news(self, store: Store) -> None:
        begun, said, ended = [await _running(store) for _ in range(3)]
        await _know(store, said, ended)
        await append(store, said, 1, _output(said))
        await settle(store, ended, succeeded(ended))

        assert await _with_news(store) == sorted([begun.id, said.id, ended.id])

    async def test_what_is_ended_from_outside_has_news(self, store: Store) -> None:
        canceled_one, failed_one = [await store.create(_hooked()) for _ in range(2)]
        await store.cancel(canceled_one.id)
        await store.end(failed_one.id, Failed(at=time.time(), error="no"))

        assert await _with_news(store) == sorted([canceled_one.id, failed_one.id])

    async def test_what_is_refused_at_its_claim_has_news(self, store: Store) -> None:
        prediction = await store.create(replace(_hooked(), start_by=time.time() - 1, deadline=time.time() - 1))
        await store.claim([prediction], worker="w1", lease=LONG)

        assert await _with_news(store) == [prediction.id]

    async def test_what_is_rebuilt_from_its_message_has_news_all_the_same(self, store: Store) -> None:
        run = await claimed(store, message := _hooked())

        assert await _with_news(store) == [run.id]
        assert (await store.get(run.id)).webhook == message.webhook

    async def test_a_prediction_without_a_webhook_never_has_news(self, store: Store) -> None:
        run = await claimed(store, await store.create(a_prediction()))
        await append(store, run, 1, _output(run))
        await settle(store, run, streamed(run))

        assert await _with_news(store) == []
        assert await store.news(run.id) is None

    @pytest.mark.parametrize(
        ("events", "expected"),
        [
            (["start"], [True, False, False]),
            (["output"], [False, True, True]),
            (["logs"], [False, True, False]),
            (["completed"], [False, False, True]),
            ([], [False, False, False]),
        ],
    )
    async def test_only_what_the_webhook_heeds_is_news(
        self, store: Store, events: list[str], expected: list[bool]
    ) -> None:
        run = await _running(store, [HookEvent(event) for event in events])
        begun = await _looked(store, run)
        await append(store, run, 1, _output(run), Logs(at=time.time(), attempt=run.attempt, text="a"))
        said = await _looked(store, run)
        await settle(store, run, succeeded(run))
        ended = await _looked(store, run)

        assert [begun, said, ended] == expected

    async def test_what_was_answered_is_held_whatever_happens(self, store: Store) -> None:
        run = await _running(store)
        assert await store.hooked(hold=LONG, limit=10) == [run.id]

        await append(store, run, 1, _output(run))
        await settle(store, run, streamed(run))

        assert await store.hooked(hold=LONG, limit=10) == []

    async def test_what_was_held_is_answered_again_until_somebody_has_seen_to_it(self, store: Store) -> None:
        run = await _running(store)
        assert await store.hooked(hold=SHORT, limit=10) == [run.id]

        found = await eventually(lambda: store.hooked(hold=SHORT, limit=10), bool)

        assert found == [run.id]

    async def test_what_was_sent_is_held_for_longer(self, store: Store) -> None:
        one, other = [await _running(store) for _ in range(2)]
        assert len(await store.hooked(hold=1.0, limit=10)) == 2

        await store.sent([one.id, "nothing"], hold=LONG)

        assert await eventually(lambda: store.hooked(hold=LONG, limit=10), bool) == [other.id]

    async def test_what_was_seen_to_before_it_was_noted_as_sent_is_not_held(self, store: Store) -> None:
        quiet, busy = [await _running(store) for _ in range(2)]
        await store.hooked(hold=LONG, limit=10)
        await store.rest(quiet.id, told=2)
        await append(store, busy, 1, _output(busy))
        await store.rest(busy.id, told=2)

        await store.sent([quiet.id, busy.id], hold=LONG)

        assert await store.hooked(hold=LONG, limit=10) == [busy.id]
        await append(store, quiet, 1, _output(quiet))
        assert await store.hooked(hold=LONG, limit=10) == [quiet.id]

    async def test_several_never_get_the_same(self, store: Store) -> None:
        runs = [await _running(store) for _ in range(20)]

        pages = await asyncio.gather(*[store.hooked(hold=LONG, limit=7) for _ in range(6)])

        assert sorted(found for page in pages for found in page) == sorted(run.id for run in runs)
        assert max(map(len, pages)) <= 7

    async def test_news_are_the_entries_that_the_webhook_does_not_know_and_the_prediction(self, store: Store) -> None:
        run = await _running(store)
        await append(store, run, 1, _output(run), Progress(at=time.time(), attempt=1, fraction=0.5))

        first = await _news(store, run)
        await store.called(run.id, _call(), told=3)
        second = await _news(store, run)
        await settle(store, run, streamed(run))
        third = await _news(store, run)

        assert [entry.number for entry in first.entries] == [1, 2, 3, 4]
        assert isinstance(first.entries[1].event, Started)
        assert (first.told, first.length, second.told, second.length) == (0, 4, 3, 4)
        assert [entry.number for entry in second.entries] == [4]
        assert [type(entry.event) for entry in third.entries] == [Progress, Succeeded]
        assert (first.prediction.status, first.prediction.output) == (Status.PROCESSING, Raw(b'["a"]'))
        assert (third.prediction.status, third.prediction.output) == (Status.SUCCEEDED, Raw(b'["a"]'))
        assert third.prediction == await store.get(run.id)

    async def test_nobody_has_news_of_what_is_unknown(self, store: Store) -> None:
        await store.rest("nothing", told=1)
        await store.silence("nothing")
        await store.called("nothing", _call(), told=1)

        assert await store.news("nothing") is None
        assert await store.calls("nothing") == []

    async def test_what_the_webhook_knows_never_becomes_less(self, store: Store) -> None:
        run = await _running(store)

        await store.called(run.id, _call(), told=2)
        await store.called(run.id, _call(), told=0)

        assert (await _news(store, run)).told == 2

    async def test_after_rest_there_is_no_news_until_more_happens(self, store: Store) -> None:
        run = await _running(store)
        assert await _with_news(store) == [run.id]
        await store.rest(run.id, told=2)
        assert await _with_news(store) == []

        await append(store, run, 1, _output(run))

        assert await _with_news(store) == [run.id]

    async def test_what_happened_meanwhile_is_news_at_once(self, store: Store) -> None:
        run = await _running(store)
        assert await store.hooked(hold=LONG, limit=10) == [run.id]
        await append(store, run, 1, _output(run))

        await store.rest(run.id, told=2)

        assert await store.hooked(hold=LONG, limit=10) == [run.id]

    async def test_an_update_waits_for_its_time_behind_the_last_one_and_nothing_else_counts(self, store: Store) -> None:
        run = await _running(store)
        before = (await _news(store, run)).wait
        await store.called(run.id, replace(_call(), event=HookEvent.START), told=2)
        between = (await _news(store, run)).wait

        await store.called(run.id, replace(_call(), event=HookEvent.OUTPUT), told=2)

        assert (before, between) == (0, 0)
        assert 0 <= (await _news(store, run)).wait <= PAUSE
        await eventually(lambda: _news(store, run), lambda news: news.wait == 0)

    async def test_what_is_silenced_has_no_news_for_ever(self, store: Store) -> None:
        run = await _running(store)
        await store.silence(run.id)
        await append(store, run, 1, _output(run))
        await store.rest(run.id, told=2)
        await settle(store, run, streamed(run))

        assert await _with_news(store) == []
        assert (await _news(store, run)).silenced

    async def test_calls_are_remembered_latest_first_and_so_many(self, store: Store) -> None:
        run = await _running(store)
        made = [replace(_call(), attempt=number) for number in range(1, KEPT_CALLS + 4)]
        other = await _running(store)
        await store.called(other.id, _call(), told=0)

        for call in made:
            await store.called(run.id, call, told=0)

        assert await store.calls(run.id) == made[: -KEPT_CALLS - 1 : -1]
        assert len(await store.calls(other.id)) == 1

    async def test_a_call_keeps_what_came_of_it(self, store: Store) -> None:
        run = await _running(store)
        failed = replace(_call(), status=None, error="no connection: naïve ☃")

        await store.called(run.id, failed, told=0)

        assert await store.calls(run.id) == [failed]

    async def test_what_has_ended_keeps_its_data_until_its_webhook_knows(self, store: Store) -> None:
        run = await claimed(store, await store.create(replace(_hooked(), retention=SHORT)))
        await settle(store, run, succeeded(run))
        other = await claimed(store, await store.create(replace(a_prediction(), retention=SHORT)))
        await settle(store, other, succeeded(other))

        assert [other.id] == await eventually(lambda: _due(store), bool)
        assert await _looked(store, run)
        assert run.id in await eventually(lambda: _due(store), lambda found: run.id in found)

    async def test_nothing_is_remembered_of_the_calls_of_what_is_deleted(self, store: Store) -> None:
        run = await _running(store)
        await settle(store, run, succeeded(run))
        await store.called(run.id, _call(), told=0)

        await store.delete(await store.get(run.id))

        assert await store.calls(run.id) == []
        assert await store.news(run.id) is None
        assert await store.hooked(hold=LONG, limit=10) == []

    async def test_a_secret_is_made_once_for_each_account(self, store: Store) -> None:
        found = await asyncio.gather(*[store.hook_secret("alice", fresh=f"whsec_{number}") for number in range(5)])

        assert len(set(found)) == 1
        assert await store.hook_secret("alice", fresh="whsec_other") == found[0]
        assert await store.hook_secret("bob", fresh="whsec_bob") == "whsec_bob"


def _hooked(events: Iterable[HookEvent] = HookEvent) -> Prediction:
    return replace(a_prediction(), webhook=Webhook(URL, tuple(events), base="https://gateway.example"))


async def _running(store: Store, events: Iterable[HookEvent] = HookEvent) -> Running:
    return await claimed(store, await store.create(_hooked(events)))


async def _with_news(store: Store) -> list[str]:
    """Who has news; they are let go again."""
    found = await store.hooked(hold=LONG, limit=100)
    for prediction_id in found:
        await store.rest(prediction_id, told=0)
    return sorted(found)


async def _know(store: Store, *runs: Running) -> None:
    """Their webhooks know all that has happened."""
    for run in runs:
        await store.rest(run.id, told=(await _news(store, run)).length)


async def _looked(store: Store, run: Running) -> bool:
    """Whether it has news; its webhook knows them then."""
    found = await store.hooked(hold=LONG, limit=10)
    await _know(store, run)
    return found == [run.id]


async def _news(store: Store, run: Running) -> News:
    news = await store.news(run.id)
    assert news is not None
    return news


async def _due(store: Store) -> list[str]:
    return [one.id for one in await store.outlived(hold=SHORT, limit=10)]


def _output(run: Running) -> Output:
    return Output(at=time.time(), attempt=run.attempt, chunks=[Raw(b'"a"')])


def _call() -> Call:
    return Call(at=1.7e9, event=HookEvent.START, webhook_id="msg_1", attempt=1, seconds=0.25, status=200)
