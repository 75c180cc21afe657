"""What the admin API and the sweeper may expect of a Store's dead letters: letters, letter, bury, discard."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import time

import pytest
from msgspec.structs import replace

from leveret.core import wire
from leveret.core.events import Failed, Why
from leveret.core.letters import DeadLetter, foreign
from leveret.core.ports import Running, Store
from leveret.core.prediction import Blob, Status
from leveret.errors import DeadLetterNotFound
from leveret.testing.conformance.arrange import (
    a_prediction,
    a_run,
    canceled,
    claimed,
    failed,
    reset,
    settle,
    succeeded,
)

UNDELIVERABLE = Failed(at=1.7e9, error="it came back too often", dead=Why.UNDELIVERABLE)
_KINDS = pytest.mark.parametrize("why", [Why.POISON, Why.EXHAUSTED])


class LettersConformance:
    """What becomes a dead letter, and what can be done with it."""

    @_KINDS
    async def test_a_run_that_fails_for_good_leaves_a_dead_letter(self, store: Store, why: Why) -> None:
        prediction = await store.create(
            replace(a_prediction(), version="3f0c", input_blob=Blob("in/1", 12, "ab" * 32, "image/png"))
        )
        run = await claimed(store, prediction)
        failure = replace(failed(run, "it crashed: naïve ☃"), dead=why)

        assert await settle(store, run, failure)

        letter = await store.letter(prediction.id)
        assert letter == DeadLetter(prediction.id, letter.body, failure)
        assert letter.prediction is not None
        assert replace(letter.prediction, lane=0) == replace(prediction, lane=0, ticket=0)
        assert await store.letters(limit=10) == [letter]

    async def test_what_is_ended_from_outside_can_leave_one_too(self, store: Store) -> None:
        prediction = await store.create(a_prediction())

        assert await store.end(prediction.id, UNDELIVERABLE)

        assert (await store.letter(prediction.id)).failure == UNDELIVERABLE
        assert (await store.get(prediction.id)).status is Status.FAILED

    async def test_what_ends_in_another_way_leaves_none(self, store: Store) -> None:
        runs = [await a_run(store) for _ in range(4)]
        await settle(store, runs[0], succeeded(runs[0]))
        await settle(store, runs[1], failed(runs[1]))
        await settle(store, runs[2], reset(runs[2]))
        await store.end(runs[3].id, canceled())

        assert await store.letters(limit=10) == []

    async def test_a_failure_that_comes_too_late_leaves_none(self, store: Store) -> None:
        run = await a_run(store)
        await settle(store, run, succeeded(run))

        assert not await settle(store, run, replace(failed(run), dead=Why.EXHAUSTED))
        assert not await store.end(run.id, UNDELIVERABLE)

        assert await store.letters(limit=10) == []

    async def test_what_runs_is_not_undeliverable(self, store: Store) -> None:
        run = await a_run(store)

        assert not await store.end(run.id, UNDELIVERABLE)

        assert (await store.get(run.id)).status is Status.PROCESSING
        assert await store.letters(limit=10) == []
        assert await settle(store, run, succeeded(run))

    async def test_a_repeated_failure_does_not_bring_back_what_was_discarded(self, store: Store) -> None:
        run = await a_run(store)
        failure = replace(failed(run), dead=Why.EXHAUSTED)
        assert await settle(store, run, failure)
        assert await store.discard([run.id]) == 1

        assert await settle(store, run, failure)

        assert await store.letters(limit=10) == []

    async def test_they_are_listed_from_the_highest_id_down_and_by_pages(self, store: Store) -> None:
        dead = sorted([(await _died(store)).id for _ in range(5)], reverse=True)

        first = await store.letters(limit=3)
        second = await store.letters(before=first[-1].id, limit=3)

        assert [letter.id for letter in first + second] == dead
        assert await store.letters(before=dead[-1], limit=3) == []

    async def test_they_are_listed_by_model(self, store: Store) -> None:
        mine = sorted([(await _died(store, model="acme/ocr")).id for _ in range(3)], reverse=True)
        for model in ("acme/ocr2", "acme/oc", "acme/ocr.x", "bcme/ocr"):
            await _died(store, model=model)
        await store.bury(foreign(b"?", reason="no JSON", at=1.7e9))

        first = await store.letters(limit=2, model="acme/ocr")
        second = await store.letters(before=first[-1].id, limit=2, model="acme/ocr")

        assert [letter.id for letter in first + second] == mine
        assert await store.letters(limit=2, model="acme/nothing") == []
        assert len(await store.letters(limit=10)) == 8

    async def test_an_unknown_one_is_not_found(self, store: Store) -> None:
        await store.create(alive := a_prediction())

        for letter_id in ("nothing", alive.id):
            with pytest.raises(DeadLetterNotFound) as caught:
                await store.letter(letter_id)
            assert caught.value.data == {"letter_id": letter_id}

    @pytest.mark.parametrize("body", [b"", b"\xff\x00", b"x" * 1_000_000], ids=["empty", "binary", "large"])
    async def test_a_foreign_message_is_kept_as_it_is(self, store: Store, body: bytes) -> None:
        letter = foreign(body, reason="it is not ours: naïve ☃", at=time.time())

        await store.bury(letter)

        assert await store.letter(letter.id) == letter
        assert await store.letters(limit=10) == [letter]

    async def test_burying_twice_keeps_the_first(self, store: Store) -> None:
        letter = foreign(b"?", reason="no JSON", at=1.7e9)
        await store.bury(letter)

        await store.bury(replace(letter, body=b"!"))

        assert await store.letters(limit=10) == [letter]

    async def test_a_prediction_without_a_record_can_be_buried(self, store: Store) -> None:
        message = a_prediction(model="acme/ocr")
        letter = DeadLetter(message.id, wire.encode(message), UNDELIVERABLE)

        await store.bury(letter)

        assert await store.letters(limit=10, model="acme/ocr") == [letter]

    async def test_what_is_discarded_is_forgotten_and_counted(self, store: Store) -> None:
        gone, kept, foreigner = await _died(store), await _died(store), foreign(b"?", reason="no JSON", at=1.7e9)
        await store.bury(foreigner)

        assert await store.discard([gone.id, "nothing", foreigner.id]) == 2
        assert await store.discard([gone.id]) == 0
        assert await store.discard([]) == 0

        assert [letter.id for letter in await store.letters(limit=10)] == [kept.id]
        assert [letter.id for letter in await store.letters(limit=10, model="local/echo")] == [kept.id]
        assert (await store.get(gone.id)).status is Status.FAILED


async def _died(store: Store, *, model: str = "local/echo") -> Running:
    run = await claimed(store, await store.create(a_prediction(model=model)))
    assert await settle(store, run, replace(failed(run), dead=Why.EXHAUSTED))
    return run
