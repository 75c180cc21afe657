"""The words of Leveret as values and pure functions: no I/O, no asyncio, no clock."""
