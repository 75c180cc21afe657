"""AsyncAPI: the socket, and the message that a program may publish itself, described for machines."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Annotated, Final, TypeAlias, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Raw, Struct
from starlette.requests import Request
from starlette.responses import Response

from leveret.core import lanes, wire
from leveret.core.prediction import MODEL_NAME, PREDICTION_ID, Blob, Priority, ReplyTo, Trace, Webhook
from leveret.gateway.problems import Problem
from leveret.gateway.schemas import REFERENCE, Schema, of_structs
from leveret.gateway.socket import messages
from leveret.gateway.views import PredictionView, Views


class QueuedMessage(Struct, frozen=True, kw_only=True):
    """What a program publishes itself, and so in its lane: its record is made when a worker takes it."""

    id: Annotated[str, Meta(pattern=f"^({PREDICTION_ID.pattern})$", description="new, and best a ULID in lower case")]
    model: Annotated[str, Meta(pattern=f"^({MODEL_NAME.pattern})$", description="owner/name")]
    input: Annotated[Raw, Meta(description="an object with a member for each input; the model process checks it")]
    created_at: Annotated[float, Meta(ge=0, le=wire.LATEST, description="in Unix seconds, as all times here")]
    version: Annotated[str, Meta(description="shown with the prediction; it chooses nothing")] = ""
    account: Annotated[str, Meta(description="who owns it")] = "local"
    priority: Annotated[Priority, Meta(description="only shown: the lane has been chosen")] = Priority.NORMAL
    lane: Annotated[int, Meta(ge=0, lt=lanes.COUNT, description="the lane in whose queue it is")] = 0
    start_by: Annotated[float | None, Meta(description="canceled if its first run has not begun by then")] = None
    deadline: Annotated[float | None, Meta(description="canceled if it has not ended by then")] = None
    retention: Annotated[
        float | None, Meta(description="seconds after its end until its data is removed; by the settings without it")
    ] = None
    webhook: Annotated[
        Webhook | None, Meta(description="what is told what happens to it; links in what it gets begin with `base`")
    ] = None
    input_blob: Annotated[Blob | None, Meta(description="where the input is, if it is not in the message")] = None
    fresh: Annotated[bool, Meta(description="it is run, even if its model reuses outputs")] = False
    trace: Annotated[
        Trace | None, Meta(description="what it belongs to; set it as the headers `traceparent` and `tracestate`")
    ] = None
    reply_to: Annotated[
        ReplyTo | None,
        Meta(description="where the reply goes; set it as the properties `reply_to` and `correlation_id`"),
    ] = None


_Said: TypeAlias = type[Struct]

_ASKED: Final[tuple[_Said, ...]] = get_args(messages.Operation)
_TOLD: Final[tuple[_Said, ...]] = get_args(messages.Message)
_encoder: Final = msgspec.json.Encoder()


class SocketDocument:
    """The endpoint /asyncapi.json. Everybody may ask for it, so it is made once."""

    def __init__(self, *, views: Views) -> None:
        self._views = views
        self._members: dict[str, Raw] = {}

    async def get(self, request: Request) -> Response:
        """The AsyncAPI 3 document."""
        if not self._members:
            members = document(base_url="")
            self._members = {name: Raw(_encoder.encode(member)) for name, member in members.items()}
        own = {"servers": _servers(self._views.base(request))}
        return Response(_encoder.encode({**self._members, **own}), media_type="application/json")


_BROKER: Final[Schema] = {
    "host": "{broker}",
    "protocol": "amqp",
    "description": "The RabbitMQ of this gateway; embedded, there is none.",
    "variables": {"broker": {"default": "localhost:5672", "description": "its host and port"}},
}
_LANE: Final[Schema] = {
    "address": "{owner}.{name}.{lane}",
    "description": "The routing key of a lane. The exchange has the name of the setting `namespace`.",
    "servers": [{"$ref": "#/servers/broker"}],
    "parameters": {
        "owner": {"description": "the part of the model's name before the slash, with dots doubled"},
        "name": {"description": "the part of the model's name behind the slash, with dots doubled"},
        "lane": {"description": "from the busiest to the last", "enum": [str(lane) for lane in range(lanes.COUNT)]},
    },
    "messages": {"queued": {"$ref": "#/components/messages/queued"}},
    "bindings": {
        "amqp": {
            "is": "routingKey",
            "exchange": {"name": "leveret", "type": "direct", "durable": True, "autoDelete": False},
            "bindingVersion": "0.3.0",
        }
    },
}


def document(*, base_url: str) -> Schema:
    """The whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Leveret", "version": version("leveret"), "description": "AI models behind a queue."},
        "defaultContentType": wire.CONTENT_TYPE,
        "servers": _servers(base_url),
        "channels": {"socket": _socket(), "lane": _LANE},
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _servers(base_url: str) -> Schema:
    address = urlsplit(base_url)
    protocol = "wss" if address.scheme == "https" else "ws"
    gateway: Schema = {"host": address.netloc, "pathname": address.path or "/", "protocol": protocol}
    return {"gateway": gateway, "broker": _BROKER}


def _socket() -> Schema:
    return {
        "address": "/v1/socket",
        "description": "Every message is one JSON object in a text frame.",
        "servers": [{"$ref": "#/servers/gateway"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in map(_name, (*_ASKED, *_TOLD))},
        "bindings": {"ws": {"method": "GET"}},
    }


def _operations() -> Schema:
    """What the gateway receives on the socket and answers, what it sends when it happens, and what workers receive."""
    return {
        "submit": _asked(messages.Submit, messages.Accepted, messages.Refused),
        "watch": _asked(messages.Watch, messages.Happened, messages.End, messages.Refused),
        "unwatch": _asked(messages.Unwatch),
        "cancel": _asked(messages.Cancel, messages.AfterCancel, messages.Refused),
        "tell": {"action": "send", "channel": {"$ref": "#/channels/socket"}, "messages": _on_socket(_TOLD)},
        "publish": {
            "action": "receive",
            "channel": {"$ref": "#/channels/lane"},
            "summary": "Run a prediction whose message a program has published itself",
            "messages": [{"$ref": "#/channels/lane/messages/queued"}],
            "bindings": {"amqp": {"deliveryMode": 2, "mandatory": True, "bindingVersion": "0.3.0"}},
        },
    }


def _asked(asked: _Said, *answers: _Said) -> Schema:
    channel: Schema = {"$ref": "#/channels/socket"}
    operation: Schema = {"action": "receive", "channel": channel, "messages": _on_socket([asked])}
    if answers:
        operation["reply"] = {"channel": channel, "messages": _on_socket(answers)}
    return operation


def _on_socket(said: Iterable[_Said]) -> list[Schema]:
    return [{"$ref": f"#/channels/socket/messages/{_name(one)}"} for one in said]


def _messages() -> Schema:
    said: Schema = {
        _name(one): {"name": _name(one), "summary": _summary(one), "payload": {"$ref": REFERENCE + one.__name__}}
        for one in (*_ASKED, *_TOLD)
    }
    published: Schema = {
        "name": "queued",
        "summary": _summary(QueuedMessage),
        "payload": {"$ref": REFERENCE + QueuedMessage.__name__},
    }
    return {**said, "queued": published}


def _name(said: _Said) -> str:
    """What an operation or a message calls itself."""
    return str(said.__struct_config__.tag)


def _summary(said: _Said) -> str:
    return (said.__doc__ or "").partition("\n")[0]


def _schemas() -> Schema:
    return of_structs([*_ASKED, *_TOLD, PredictionView, Problem, QueuedMessage])
