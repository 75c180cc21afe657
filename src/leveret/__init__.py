"""Leveret puts a Python AI model behind RabbitMQ: accepted in a millisecond, run once, never lost."""

from leveret.model.canceled import Canceled
from leveret.model.context import Context
from leveret.model.declare import model
from leveret.model.file import File

__all__ = ["Canceled", "Context", "File", "model"]
