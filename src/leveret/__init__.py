"""Leveret puts a Python AI model behind RabbitMQ: accepted in a millisecond, run once, never lost."""

from leveret.model.canceled import Canceled
from leveret.model.context import Context
from leveret.model.declare import model
from leveret.model.file import File
from leveret.model.retry import Retry

__all__ = ["Canceled", "Context", "File", "Retry", "model"]
