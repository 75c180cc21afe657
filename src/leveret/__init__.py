"""Leveret puts a Python AI model behind RabbitMQ: accepted in a millisecond, run once, never lost."""
