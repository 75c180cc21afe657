from __future__ import annotations

import pytest
from hypothesis import given
from msgspec import Raw
from msgspec.structs import replace

from leveret.core import wire
from leveret.core.events import Failed, Why
from leveret.core.letters import DeadLetter, foreign, renewed
from leveret.core.prediction import PREDICTION_ID, Prediction
from leveret.errors import NotRetriable
from tests.core.strategies import submissions

FAILED = Failed(at=1.7e9, error="it crashed (attempt 3 of 3)", attempt=3, dead=Why.EXHAUSTED)
ASKED = Prediction(id="p1", model="local/m", input=Raw(b'{"n":1}'), created_at=1.6e9)


def letter(prediction: Prediction, failure: Failed = FAILED) -> DeadLetter:
    return DeadLetter(prediction.id, wire.encode(prediction), failure)


@given(submissions)
def test_a_retry_asks_for_the_same_from_the_start(asked: Prediction) -> None:
    fresh = renewed(letter(asked), at=1.8e9)

    anew = {"id": fresh.id, "created_at": 1.8e9, "attempt": 0, "charged": 0}
    assert fresh == replace(asked, **anew, deadline=None, start_by=None, reply_to=None, trace=None)
    assert fresh.id != asked.id
    assert PREDICTION_ID.fullmatch(fresh.id)


def test_retrying_one_letter_twice_makes_one_prediction() -> None:
    assert renewed(letter(ASKED), at=1.8e9).id == renewed(letter(ASKED), at=1.9e9).id


def test_the_retries_of_two_letters_are_two_predictions() -> None:
    assert renewed(letter(ASKED), at=1.8e9).id != renewed(letter(replace(ASKED, id="p2")), at=1.8e9).id


def test_a_retry_that_dies_again_can_be_retried_again() -> None:
    first = renewed(letter(ASKED), at=1.8e9)

    assert first.id not in {ASKED.id, renewed(letter(first), at=1.9e9).id}


def test_a_foreign_message_cannot_be_retried() -> None:
    stranger = foreign(wire.encode(ASKED), reason="it stood in another model's queue", at=1.7e9)

    assert stranger.prediction is None
    with pytest.raises(NotRetriable, match=stranger.id):
        renewed(stranger, at=1.8e9)


def test_the_same_foreign_message_has_one_id_and_others_have_others() -> None:
    made = [
        foreign(b"?", reason="no JSON", at=1.7e9),
        foreign(b"!", reason="no JSON", at=1.7e9),
        foreign(b"?", reason="no JSON", at=1.7e9 + 1),
        foreign(b"?", reason="no JSON", at=1.7e9, place=1),
    ]

    assert made[0] == foreign(b"?", reason="no JSON", at=1.7e9)
    assert len({one.id for one in made}) == 4
