"""The ports: what the gateway, the worker and the sweeper need of the world. Backends implement them.

* Broker: the queues. A `Delivery` ends in exactly one of ack, retry, reject.
* Store, nine small Protocols, each named for who needs it or for what it keeps: Predictions, Runs, Registry, Upkeep,
  Expiry, Letters, Files, Secrets, Replies.
* Blobs: large values.
"""

from __future__ import annotations

from typing import Protocol

from leveret.core.ports.blobs import Blobs
from leveret.core.ports.broker import Broker, Deliveries, Delivery, Rejected
from leveret.core.ports.kept import Files, Letters, Secrets
from leveret.core.ports.predictions import Predictions, Query
from leveret.core.ports.registry import Registry
from leveret.core.ports.runs import Busy, Claim, Claimed, Early, Finished, Pulse, Running, Runs
from leveret.core.ports.upkeep import Expiry, Replies, Upkeep, Waiting

__all__ = [
    "Blobs",
    "Broker",
    "Busy",
    "Claim",
    "Claimed",
    "Deliveries",
    "Delivery",
    "Early",
    "Expiry",
    "Files",
    "Finished",
    "Letters",
    "Predictions",
    "Pulse",
    "Query",
    "Registry",
    "Rejected",
    "Replies",
    "Running",
    "Runs",
    "Secrets",
    "Store",
    "Upkeep",
    "Waiting",
]


class Store(Predictions, Runs, Registry, Upkeep, Expiry, Letters, Files, Secrets, Replies, Protocol):
    """All nine, as one backend class."""
