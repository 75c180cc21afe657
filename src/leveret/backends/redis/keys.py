"""The keys: what is kept where.

{ns}:p:{id}             hash    the record: `spec` is the prediction as it was submitted, the other fields are what
                                its events have made of it (an absent one has its default) and the run's lease
{ns}:e:{id}             list    the log, one JSON event per entry; also the channel on which new ones are published
{ns}:account:{account}  zset    its predictions, for listing
{ns}:outstanding        hash    how many predictions of a model an account has that have not ended
{ns}:lines              hash    how many predictions of a model have come and gone: "model what", or "model what lane"
{ns}:outbox             zset    created and not yet known to be queued, by when the sweeper may take them, in ms
{ns}:waiting            zset    known to be queued and not begun, by since when, in ms
{ns}:leases             zset    running, by when their lease expires, in ms
{ns}:deadlines          zset    not ended, by when the next of its deadlines passes, in ms
{ns}:cards              hash    the cards by model
{ns}:dead             zset    the ids of the dead letters, for listing
{ns}:dead-models      zset    "model id" of those that are predictions, for listing by model
{ns}:dead:{id}        hash    a dead letter: its `model`, `body` and `failure`
{ns}:blob:{key}         hash    a large value: its chunks by their numbers from 0, its `size`, and whose `put` it was
{ns}:presence           zset    model and worker, by when they count as gone, in ms
{ns}:problems           hash    why those of them that cannot serve now cannot
"""

from __future__ import annotations


class Keys:
    """All keys of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.outstanding = f"{namespace}:outstanding"
        self.lines = f"{namespace}:lines"
        self.outbox = f"{namespace}:outbox"
        self.waiting = f"{namespace}:waiting"
        self.leases = f"{namespace}:leases"
        self.deadlines = f"{namespace}:deadlines"
        self.cards = f"{namespace}:cards"
        self.presence = f"{namespace}:presence"
        self.dead = f"{namespace}:dead"
        self.dead_models = f"{namespace}:dead-models"
        self.problems = f"{namespace}:problems"
        self._records = f"{namespace}:p:"
        self._logs = f"{namespace}:e:"
        self._blobs = f"{namespace}:blob:"
        self._accounts = f"{namespace}:account:"
        self._letters = f"{namespace}:dead:"

    def record(self, prediction_id: str) -> str:
        """The record of a prediction."""
        return self._records + prediction_id

    def log(self, prediction_id: str) -> str:
        """The log of a prediction."""
        return self._logs + prediction_id

    def account(self, account: str) -> str:
        """The predictions of an account."""
        return self._accounts + account

    def letter(self, letter_id: str) -> str:
        """A dead letter."""
        return self._letters + letter_id

    def blob(self, key: str) -> str:
        """A large value."""
        return self._blobs + key
