"""Dead letters: what has failed for good is kept, so that somebody can look at it, run it again or throw it away."""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct

from leveret.core import wire
from leveret.core.events import Failed, Why
from leveret.core.prediction import Prediction, new_id
from leveret.errors import NotRetriable

_RANDOMNESS = 10
"""The random bytes of an id."""


class DeadLetter(Struct, frozen=True):
    """A prediction that has failed for good, or a message that is none.

    `id` is the prediction's; a foreign message has one of its own. `body` is the message as it could be published
    again; of a foreign one, what stood in the queue.
    """

    id: str
    body: bytes
    failure: Failed

    @property
    def prediction(self) -> Prediction | None:
        """What was asked for; None of a foreign message. Raises Undecodable."""
        return None if self.failure.dead is Why.FOREIGN else wire.decode(self.body)


def foreign(body: bytes, *, reason: str, at: float, place: int = 0) -> DeadLetter:
    """The letter for a message that is not ours, which a queue gave up `at` that time.

    Its id follows from the arguments, so that the same message makes one letter however often it is looked at.
    `place` tells apart those that are alike.
    """
    digest = sha256(f"{at!r} {place} {reason}\n".encode() + body).digest()
    return DeadLetter(new_id(at, digest[:_RANDOMNESS]), body, Failed(at=at, error=reason, dead=Why.FOREIGN))


def renewed(letter: DeadLetter, *, at: float) -> Prediction:
    """The new prediction that asks for the same, as if it was submitted `at` that time. Raises NotRetriable.

    Its id follows from the letter, so that who retries it twice, or dies in between, makes one prediction. It has
    all its attempts before it and no deadline: that of the first one may have passed long ago. Who asked for that over
    AMQP has had the reply.
    """
    prediction = letter.prediction
    if prediction is None:
        raise NotRetriable(letter_id=letter.id)
    fresh = new_id(letter.failure.at, sha256(letter.id.encode()).digest()[:_RANDOMNESS])
    return Prediction(
        id=fresh,
        model=prediction.model,
        version=prediction.version,
        account=prediction.account,
        lane=prediction.lane,
        priority=prediction.priority,
        retention=prediction.retention,
        input=prediction.input,
        input_blob=prediction.input_blob,
        webhook=prediction.webhook,
        created_at=at,
    )
