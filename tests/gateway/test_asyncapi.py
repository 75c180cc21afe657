"""The description of the socket and of the messages in the queues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, TypeAlias, get_args

import jsonschema_rs
import msgspec
import pytest
from msgspec import Raw
from websockets.asyncio.client import connect

from leveret.core import wire
from leveret.core.prediction import Prediction
from leveret.gateway.asyncapi import QueuedMessage, document
from leveret.gateway.socket import messages
from tests.gateway.served import Gateway

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

NOT_PUBLISHED: Final = {"attempt", "charged"}
"""Stand in a message that was put back, which is none that a program publishes first."""

ASKED: Final = [
    {"op": "submit", "ref": "1", "model": "local/echo", "input": {"text": "hello"}, "watch": True},
    {"op": "submit", "version": "local/echo", "input": {"text": "hello"}, "priority": "high", "cancel_after": "1m30s"},
    {"op": "watch", "id": "0", "after": 3},
    {"op": "unwatch", "id": "0"},
    {"op": "cancel", "id": "0", "ref": "2"},
]


@pytest.fixture(scope="module")
def described() -> dict[str, Json]:
    found: dict[str, Json] = json.loads(msgspec.json.encode(document(base_url="https://hare.example/deep")))
    return found


def at(node: Json, *path: str) -> Json:
    for step in path:
        assert isinstance(node, dict)
        node = node[step]
    return node


def names(node: Json) -> set[str]:
    """What is in it."""
    assert isinstance(node, dict)
    return set(node)


def references(node: Json) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def payload(described: dict[str, Json], name: str) -> jsonschema_rs.Validator:
    """What checks a message of this name."""
    schema = at(described, "components", "messages", name, "payload")
    assert isinstance(schema, dict)
    return jsonschema_rs.validator_for({**schema, "components": described["components"]})


def test_every_reference_leads_somewhere(described: dict[str, Json]) -> None:
    found = set(references(described))

    assert found
    for reference in found:
        assert at(described, *reference.removeprefix("#/").split("/")) is not None


def test_every_component_is_a_schema(described: dict[str, Json]) -> None:
    schemas = at(described, "components", "schemas")

    assert isinstance(schemas, dict)
    for schema in schemas.values():
        assert isinstance(schema, dict)
        jsonschema_rs.meta.validate(schema)


def test_the_document_has_the_form_of_asyncapi(described: dict[str, Json]) -> None:
    """What the specification requires of each object, https://www.asyncapi.com/docs/reference/specification/v3.0.0."""
    servers, channels, operations = (described[name] for name in ("servers", "channels", "operations"))
    assert isinstance(servers, dict)
    assert isinstance(channels, dict)
    assert isinstance(operations, dict)

    assert "3.0.0" == described["asyncapi"]
    assert {"title", "version"} <= names(described["info"])
    for server in servers.values():
        assert isinstance(server, dict)
        assert {"host", "protocol"} <= server.keys()
    for operation in operations.values():
        assert at(operation, "action") in {"send", "receive"}
        (channel,) = references(at(operation, "channel"))
        for message in references(at(operation, "messages")):
            assert message.startswith(f"{channel}/messages/")


def test_the_servers_are_those_that_the_client_knows(described: dict[str, Json]) -> None:
    assert {"host": "hare.example", "pathname": "/deep", "protocol": "wss"} == at(described, "servers", "gateway")


def test_every_operation_and_every_message_is_described(described: dict[str, Json]) -> None:
    said = {str(one.__struct_config__.tag) for one in (*get_args(messages.Operation), *get_args(messages.Message))}

    assert said == names(at(described, "channels", "socket", "messages"))
    assert said | {"queued"} == names(at(described, "components", "messages"))


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: str(asked["op"]))
def test_what_is_described_is_understood(described: dict[str, Json], asked: dict[str, object]) -> None:
    payload(described, str(asked["op"])).validate(asked)

    assert messages.decode(json.dumps(asked)).__struct_config__.tag == asked["op"]


async def test_what_is_said_is_what_is_described(gateway: Gateway) -> None:
    described = (await gateway.client.get("/asyncapi.json")).json()
    said: set[str] = set()
    async with connect(f"{gateway.url.replace('http', 'ws')}/v1/socket") as connection:
        await connection.send(json.dumps(ASKED[0]))
        await connection.send("{")
        while "end" not in said:
            message = json.loads(await connection.recv())
            payload(described, message["type"]).validate(message)
            said.add(message["type"])
            if message["type"] == "accepted":
                await connection.send(json.dumps({"op": "cancel", "id": message["prediction"]["id"]}))

    assert {"accepted", "event", "error", "end"} <= said


def test_a_message_that_is_described_is_one_that_workers_take(described: dict[str, Json]) -> None:
    message = QueuedMessage(id="a1", model="local/echo", input=Raw(b'{"text":"hello"}'), created_at=1.7e9, lane=2)
    body = msgspec.json.encode(message)

    payload(described, "queued").validate(json.loads(body))

    prediction = wire.decode(body)
    assert msgspec.structs.asdict(message).items() <= msgspec.structs.asdict(prediction).items()


def test_every_member_that_is_taken_from_a_message_is_described() -> None:
    told = Prediction(id="a1", model="local/echo", input=Raw(b"{}"), created_at=1.0)
    kept = set(msgspec.structs.asdict(told)) - reset_by_wire()

    assert set(QueuedMessage.__struct_fields__) == kept - NOT_PUBLISHED


def reset_by_wire() -> set[str]:
    """The members that a message may have and that are not looked at."""
    foreign = {
        "ticket": 3,
        "suspect": "w1",
        "worker": "w1",
        "output": 1,
        "output_blob": {"key": "k", "size": 1, "sha256": ""},
        "error": "no",
        "stopped": "killed",
        "logs": "text",
        "progress": 0.5,
        "status": "failed",
        "started_at": 1.0,
        "completed_at": 1.0,
        "data_removed": True,
        "reused": "a2",
    }
    plain = {"id": "a1", "model": "local/echo", "input": {}, "created_at": 1.0}
    assert wire.decode(json.dumps({**plain, **foreign}).encode()) == wire.decode(json.dumps(plain).encode())
    return set(foreign)
