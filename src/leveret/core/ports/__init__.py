"""The ports: what the gateway, the worker and the sweeper need of the world. Backends implement them.

* Broker: the queues. A `Delivery` ends in exactly one of ack, retry, reject. Errands: the queue of webhooks.
* Store, sixteen small Protocols, each named for who needs it or for what it keeps: Predictions, Runs, Reuse,
  Registry, Models, Attendance, Lines, Upkeep, Expiry, Letters, Files, Secrets, Hooks, Replies, ApiKeys, Accounts.
* Blobs: large values.
"""

from __future__ import annotations

from typing import Protocol

from leveret.core.hooks import Errands, Hooks
from leveret.core.ports.accounts import Accounts
from leveret.core.ports.blobs import Blobs
from leveret.core.ports.broker import Broker, Deliveries, Delivery, Rejected
from leveret.core.ports.kept import Files, Letters, Secrets
from leveret.core.ports.keys import ApiKeys
from leveret.core.ports.predictions import Predictions, Query
from leveret.core.ports.registry import Attendance, Lines, Models, Outbox, Registry
from leveret.core.ports.runs import Busy, Claim, Claimed, Early, Finished, Pulse, Reuse, Running, Runs
from leveret.core.ports.upkeep import Expiry, Replies, Upkeep, Waiting

__all__ = [
    "Accounts",
    "ApiKeys",
    "Attendance",
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
    "Lines",
    "Models",
    "Outbox",
    "Predictions",
    "Pulse",
    "Query",
    "Queues",
    "Registry",
    "Rejected",
    "Replies",
    "Reuse",
    "Running",
    "Runs",
    "Secrets",
    "Store",
    "Upkeep",
    "Waiting",
]


class Queues(Broker, Errands, Protocol):
    """Both, as one backend class."""


class Store(
    Predictions,
    Runs,
    Reuse,
    Registry,
    Models,
    Attendance,
    Lines,
    Upkeep,
    Expiry,
    Letters,
    Files,
    Secrets,
    Hooks,
    Replies,
    ApiKeys,
    Accounts,
    Protocol,
):
    """All sixteen, as one backend class."""
