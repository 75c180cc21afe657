"""The inbox: makes deliveries of what arrives for a model. What is not for it becomes a dead letter."""

from __future__ import annotations

import structlog
from pika.spec import BasicProperties

from leveret.backends.rabbitmq.ledger import Ledger, RabbitDelivery, Republish
from leveret.backends.rabbitmq.reading import read
from leveret.core.prediction import Prediction
from leveret.errors import Undecodable

_log = structlog.get_logger()


class Inbox:
    """Reads the messages of one model."""

    def __init__(self, model: str, *, republish: Republish) -> None:
        self.model = model
        self._republish = republish

    def receive(self, body: bytes, properties: BasicProperties, *, tag: int, ledger: Ledger) -> RabbitDelivery | None:
        """The delivery, entered into the ledger; None if it is not for this model."""
        ledger.enter(tag)
        try:
            prediction = self._decode(body, properties)
        except Undecodable as error:
            _log.warning("a foreign message becomes a dead letter", model=self.model, reason=str(error))
            ledger.reject(tag)
            return None
        return RabbitDelivery(prediction, tag=tag, ledger=ledger, republish=self._republish)

    def _decode(self, body: bytes, properties: BasicProperties) -> Prediction:
        prediction = read(body, properties)
        if prediction.model != self.model:
            raise Undecodable(
                what="message", reason=f"it is for {prediction.model} and stood in a lane of {self.model}"
            )
        return prediction
