"""Who does not answer, or does not take more now."""

from __future__ import annotations

from leveret.errors.root import LeveretError


class Unavailable(LeveretError):
    """A part that is needed cannot be reached now; trying again later may work."""

    code = "unavailable"
    status = 503
    message = "a part that is needed cannot be reached now; try again in a few seconds"


class BrokerUnavailable(Unavailable):
    """The broker is not connected, or blocks publishers."""

    code = "broker_unavailable"
    message = "the broker takes no messages now ({reason}); nothing was queued, try again in a few seconds"


class StoreUnavailable(Unavailable):
    """The store does not answer."""

    code = "store_unavailable"
    message = "the store does not answer ({reason}); try again in a few seconds"


class QueueRefused(Unavailable):
    """The broker refused the message: the queue is full, or the model has none."""

    code = "queue_refused"
    message = "the queue of {model} did not take the prediction ({reason}); try again later"


class Overloaded(Unavailable):
    """So much waits already that a prediction would wait longer than it should."""

    code = "overloaded"
    message = (
        "a prediction of {model} would wait about {wait:.0f} s now, and no more than {limit:g} s are wanted; try again "
        "in {retry_after:.0f} s"
    )


class TooManyConnections(Unavailable):
    """As many clients are connected as may be."""

    code = "too_many_connections"
    message = "this gateway has {limit} connections, as many as it may; try again in a few seconds"


class PublishUnconfirmed(Unavailable):
    """The connection broke before the broker confirmed: the message may or may not be queued."""

    code = "publish_unconfirmed"
    message = "the broker did not confirm in time; the prediction is stored and will be published again"


class GatewayUnreachable(Unavailable):
    """No gateway answers at this address."""

    code = "gateway_unreachable"
    message = (
        "no gateway answers at {url} ({reason}); start one with `leveret serve` or `leveret gateway`, or say where "
        "it is with --url or LEVERET_URL"
    )


class HostUnresolved(Unavailable):
    """The host of a URL has no address now."""

    code = "host_unresolved"
    message = "no address is known for the host {host!r} ({reason}); check its name, or try again later"
