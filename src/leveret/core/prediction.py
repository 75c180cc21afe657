"""The prediction: one request to run a model, as every part of Leveret sees it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from msgspec import Raw, Struct

NULL: Final = Raw(b"null")
"""The JSON `null`, the output of a prediction that has none yet."""

EMPTY: Final = Raw(b"{}")
"""The input of a prediction whose input is kept elsewhere, or no longer."""

MODEL_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}/[a-z0-9][a-z0-9_.-]{0,62}")
PREDICTION_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

_SEGMENT: Final = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}"
BLOB_KEY: Final = re.compile(f"{_SEGMENT}(/{_SEGMENT}){{0,7}}")

_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"


class Status(StrEnum):
    """The states, spelled as Replicate's API spells them."""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def terminal(self) -> bool:
        """Whether nothing can change any more."""
        return self not in UNFINISHED


UNFINISHED: Final = frozenset({Status.STARTING, Status.PROCESSING})


class Means(StrEnum):
    """By what means a canceled prediction was stopped, from gentle to rude."""

    NOT_BEGUN = "before it started"
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"
    KILLED = "killed"


class Priority(StrEnum):
    """How much a prediction matters among those of its account."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Blob(Struct, frozen=True):
    """A large value kept outside the message: where it is, its size in bytes and its SHA-256 in hex."""

    key: str
    size: int
    sha256: str
    content_type: str = "application/json"

    def span(self, start: int, length: int | None) -> tuple[int, int]:
        """From where to where `length` bytes from `start` on are, as far as there are so many; None: all of them."""
        begin = min(max(0, start), self.size)
        return begin, self.size if length is None else min(begin + max(0, length), self.size)


class ReplyTo(Struct, frozen=True, omit_defaults=True):
    """Where a program waits that has asked over AMQP: its queue, and the name by which it knows the reply."""

    queue: str
    correlation_id: str = ""


class HookEvent(StrEnum):
    """What a webhook can be told of, spelled as Replicate's API spells it."""

    START = "start"
    OUTPUT = "output"
    LOGS = "logs"
    COMPLETED = "completed"


class Webhook(Struct, frozen=True, omit_defaults=True):
    """A URL that is told of these events of a prediction. Links in what it gets begin with `base`."""

    url: str
    events: tuple[HookEvent, ...] = tuple(HookEvent)
    base: str = ""


class Trace(Struct, frozen=True, omit_defaults=True):
    """Where something stands in a trace: two headers of the W3C Trace Context. `core.tracing` makes only valid ones."""

    traceparent: str
    tracestate: str = ""

    @property
    def id(self) -> str:
        """That of the whole trace."""
        return self.traceparent[3:35]

    @property
    def sampled(self) -> bool:
        """Whether it is recorded by whoever has begun it."""
        return bool(int(self.traceparent[-2:], 16) & 1)


class Prediction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request to run a model, and how it has gone so far.

    The first group of fields is fixed at creation and travels in the message; the second is what the events
    of its log have made of it. Times are Unix seconds. `input` and `output` are JSON, kept as bytes: nothing
    between the client and the model needs to look inside. `priority` has had its say once the `lane` is chosen.
    `start_by` is when its first run must have begun, `deadline` when it must have ended; `retention` is for how long
    its data stays after that, in seconds, if it has a time of its own. What is `fresh` is never answered with the
    output of another one; `reused` says whose output it has, if it was. `attempt` numbers its runs; `charged` says how
    many of them have ended in a way that counts against the limit; `suspect` is the worker on which one of them has
    last crashed its model process. `ticket` is the number that it has drawn in its lane; 0 is none. `trace` is what its
    runs and the calls of its webhook belong to.
    """

    id: str
    model: str
    input: Raw
    created_at: float
    version: str = ""
    account: str = "local"
    priority: Priority = Priority.NORMAL
    lane: int = 0
    start_by: float | None = None
    deadline: float | None = None
    retention: float | None = None
    input_blob: Blob | None = None
    reply_to: ReplyTo | None = None
    webhook: Webhook | None = None
    fresh: bool = False
    trace: Trace | None = None

    ticket: int = 0
    status: Status = Status.STARTING
    attempt: int = 0
    charged: int = 0
    suspect: str = ""
    worker: str = ""
    output: Raw = NULL
    output_blob: Blob | None = None
    error: str | None = None
    stopped: Means | None = None
    logs: str = ""
    progress: float | None = None
    started_at: float | None = None
    completed_at: float | None = None
    data_removed: bool = False
    reused: str = ""


def new_id(at: float, randomness: bytes) -> str:
    """A new id: 26 characters that sort by time, a ULID in lower case (https://github.com/ulid/spec).

    `at` is in Unix seconds, `randomness` is 10 random bytes.
    """
    number = int(at * 1000) << 80 | int.from_bytes(randomness)
    return "".join([_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)])
