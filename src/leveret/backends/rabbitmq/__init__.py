"""The Broker on RabbitMQ 3.10 and later, by pika."""

from leveret.backends.rabbitmq.broker import RabbitBroker, open_broker

__all__ = ["RabbitBroker", "open_broker"]
