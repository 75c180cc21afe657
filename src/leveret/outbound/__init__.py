"""Outbound: calls to addresses that somebody else has chosen, so that they reach nothing they should not."""

from leveret.outbound.fetching import Fetched, Fetcher
from leveret.outbound.guard import Guard, Lookup, Target
from leveret.outbound.transport import open_client

__all__ = ["Fetched", "Fetcher", "Guard", "Lookup", "Target", "open_client"]
