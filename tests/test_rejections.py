"""Rejections, on a real SQLite file: what the broker has given up, told apart by what the store knows of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.backends.sqlite.store import SqliteStore
from leveret.core.events import Canceled, Failed, Succeeded, Why
from leveret.core.letters import DeadLetter
from leveret.core.ports import Pulse, Running
from leveret.core.prediction import Prediction, Status
from leveret.errors import StoreUnavailable
from leveret.rejections import Rejections
from leveret.testing.conformance.steps import MODEL, given_up, prediction
from tests.worker.arrange import Embedded, opened, take_one


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Embedded]:
    async with opened(tmp_path) as family:
        await family.broker.declare(MODEL)
        yield family


class Forgetful(SqliteStore):
    """The embedded store; its answers to what makes dead letters are lost."""

    async def end(self, prediction_id: str, ending: Failed | Canceled) -> bool:
        await super().end(prediction_id, ending)
        raise StoreUnavailable(reason="it has answered, and nobody heard it")

    async def bury(self, letter: DeadLetter) -> None:
        await super().bury(letter)
        raise StoreUnavailable(reason="it has answered, and nobody heard it")


def rejections(family: Embedded) -> Rejections:
    return Rejections(broker=family.broker, store=family.store)


async def reject(family: Embedded, rejected: Prediction) -> None:
    """Queued, and rejected by a worker."""
    await family.broker.publish(rejected)
    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        (await take_one(deliveries)).reject()


async def reject_body(family: Embedded, body: bytes) -> None:
    """Any bytes, rejected by a worker that goes on with what stands behind them."""
    await family.broker.publish(prediction(8))
    await family.database.write(lambda connection: connection.execute("UPDATE messages SET body = ?", (body,)))
    await family.broker.publish(prediction(9))
    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        (await take_one(deliveries)).ack()


async def test_what_waits_ends_as_undeliverable(family: Embedded) -> None:
    asked = await family.store.create(prediction())
    await reject(family, asked)

    assert 1 == await rejections(family).collect()

    ended, letter = await family.store.get(asked.id), await family.store.letter(asked.id)
    assert (Status.FAILED, letter.failure.error) == (ended.status, ended.error)
    assert (Why.UNDELIVERABLE, replace(asked, ticket=0)) == (letter.failure.dead, letter.prediction)
    assert "could not be delivered" in letter.failure.error
    assert [] == await given_up(family.broker)
    assert [] == await family.store.unpublished(age=0, hold=0, limit=10)


async def test_what_runs_goes_on(family: Embedded) -> None:
    asked = await family.store.create(prediction())
    await family.store.claim([asked], worker="w1", lease=60.0)
    await reject(family, asked)

    assert 1 == await rejections(family).collect()

    ending = Succeeded(at=time.time(), attempt=1, output=Raw(b"1"))
    assert [Pulse.OURS] == await family.store.settle([(Running(asked.id, 1), ending)], worker="w1")
    assert [] == await family.store.letters(limit=10)
    assert [] == await given_up(family.broker)


async def test_what_has_ended_stays_as_it_is(family: Embedded) -> None:
    asked = await family.store.create(prediction())
    await family.store.end(asked.id, Canceled(at=2e9))
    await reject(family, asked)

    assert 1 == await rejections(family).collect()

    assert Status.CANCELED is (await family.store.get(asked.id)).status
    assert [] == await family.store.letters(limit=10)
    assert [] == await given_up(family.broker)


async def test_what_has_no_record_gets_one_that_says_what_became_of_it(family: Embedded) -> None:
    asked = prediction()
    await reject(family, asked)

    assert 1 == await rejections(family).collect()

    assert Status.FAILED is (await family.store.get(asked.id)).status
    assert asked == (await family.store.letter(asked.id)).prediction


async def test_a_message_that_is_not_ours_is_buried_as_it_is(family: Embedded) -> None:
    await reject_body(family, b'\xff{"id": 1}')

    assert 1 == await rejections(family).collect()

    (letter,) = await family.store.letters(limit=10)
    assert (b'\xff{"id": 1}', Why.FOREIGN) == (letter.body, letter.failure.dead)
    assert "not a Leveret message" in letter.failure.error
    assert MODEL in letter.failure.error
    assert [] == await given_up(family.broker)


async def test_messages_that_are_alike_are_letters_of_their_own(family: Embedded) -> None:
    for _ in range(3):
        await reject_body(family, b"?")
    await family.database.write(lambda connection: connection.execute("UPDATE rejected SET at = 1.7e9"))

    assert 3 == await rejections(family).collect()

    assert 3 == len(await family.store.letters(limit=10))


async def test_a_death_between_the_end_and_the_acknowledgement_repeats_without_harm(family: Embedded) -> None:
    asked = await family.store.create(prediction())
    await reject(family, asked)
    with pytest.raises(StoreUnavailable):
        await Rejections(broker=family.broker, store=Forgetful(family.database)).collect()
    before = await family.store.letters(limit=10)

    assert 1 == await rejections(family).collect()

    assert [asked.id] == [letter.id for letter in before]
    assert before == await family.store.letters(limit=10)
    assert [] == await given_up(family.broker)


async def test_a_death_between_the_burial_and_the_acknowledgement_makes_no_second_letter(family: Embedded) -> None:
    await reject_body(family, b"?")
    with pytest.raises(StoreUnavailable):
        await Rejections(broker=family.broker, store=Forgetful(family.database)).collect()
    before = await family.store.letters(limit=10)

    assert 1 == await rejections(family).collect()

    assert [b"?"] == [letter.body for letter in before]
    assert before == await family.store.letters(limit=10)
    assert [] == await given_up(family.broker)
