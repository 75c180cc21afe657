"""The OpenAPI document, over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

import jsonschema_rs
import pytest
from msgspec import Raw, json
from starlette.routing import Route

from leveret.config import GatewaySettings
from leveret.core.card import Card
from leveret.core.letters import foreign
from leveret.gateway.admin import operations as admin
from leveret.gateway.app import create_app
from leveret.gateway.files import operations as files
from leveret.gateway.operations import OPERATIONS
from leveret.gateway.webhooks import operations as webhooks
from leveret.gateway.worker_api import operations as workers
from tests.gateway.served import ECHO, Gateway
from tests.gateway.test_models import TREE

Node: TypeAlias = "dict[str, Node]"
"""A part of the document: as far as these tests look, everything is an object."""

TWIN = Card(model="acme.tree/a", version="1e" * 32, input_schema=ECHO.input_schema, output_schema=Raw(b"{}"))
OTHER_TWIN = Card(model="acme/tree.a", version="2e" * 32, input_schema=ECHO.input_schema, output_schema=Raw(b"{}"))


@pytest.fixture
async def document(gateway: Gateway) -> Node:
    for card in (TREE, TWIN, OTHER_TWIN):
        await gateway.store.announce(card, worker="w2", lease=60)
    await gateway.client.get("/health/ready")  # which renews the catalog
    return await fetched(gateway)


async def fetched(gateway: Gateway) -> Node:
    answer = await gateway.client.get("/openapi.json")
    assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
    return json.decode(answer.content, type=dict)


def operations(document: Node) -> Iterator[tuple[str, str, Node]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def references(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for inner in node:
            yield from references(inner)
    elif isinstance(node, dict):
        for key, inner in node.items():
            if key == "$ref" and isinstance(inner, str):
                yield inner
            yield from references(inner)


def test_every_served_model_has_its_own_path_with_its_own_schemas(document: Node) -> None:
    operation = document["paths"]["/v1/models/acme/tree/predictions"]["post"]

    body = operation["requestBody"]["content"]["application/json"]["schema"]
    answer = operation["responses"]["201"]["content"]["application/json"]["schema"]
    assert ["#/components/schemas/acme.tree.Input"] == list(references(body["properties"]["input"]))
    assert "#/components/schemas/acme.tree.Output" in references(answer)
    schemas = document["components"]["schemas"]
    assert ["#/components/schemas/acme.tree.Input.Node"] == list(references(schemas["acme.tree.Input"]))


def test_every_reference_leads_somewhere(document: Node) -> None:
    found = set(references(document))

    assert found
    for reference in found:
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_every_component_has_a_legal_name_and_is_a_schema(document: Node) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
        jsonschema_rs.meta.validate(schema)


def test_every_operation_has_a_name_of_its_own_and_answers(document: Node) -> None:
    names = [str(operation["operationId"]) for _, _, operation in operations(document)]

    assert len(set(names)) == len(names)
    assert all({"4XX", "5XX"} < operation["responses"].keys() for _, _, operation in operations(document))


def test_every_parameter_of_a_path_is_described(document: Node) -> None:
    known = document["components"]["parameters"]
    for _, path, operation in operations(document):
        named = [known[reference.rpartition("/")[2]] for reference in references(operation["parameters"])]
        in_path = {str(parameter["name"]) for parameter in named if str(parameter["in"]) == "path"}
        assert set(re.findall(r"{(\w+)}", path)) == in_path


def test_models_whose_names_look_alike_do_not_share_schemas(document: Node) -> None:
    inputs = {references_of(document, f"/v1/models/{card.model}/predictions") for card in (TWIN, OTHER_TWIN)}

    assert len(inputs) == 2


def references_of(document: Node, path: str) -> tuple[str, ...]:
    return tuple(references(document["paths"][path]["post"]["requestBody"]))


async def test_every_endpoint_is_described_and_nothing_else(gateway: Gateway) -> None:
    app = create_app(store=gateway.store, broker=gateway.broker, blobs=gateway.blobs, settings=GatewaySettings())

    routes = [route for route in app.routes if isinstance(route, Route)]
    served = {(method.lower(), route.path) for route in routes for method in (route.methods or set()) - {"HEAD"}}

    everything = (*OPERATIONS, *files.OPERATIONS, *webhooks.OPERATIONS, *admin.OPERATIONS, *workers.OPERATIONS)
    described = {(operation.method, operation.path) for operation in everything}
    pages = {("get", path) for path in ("/docs", "/docs/{name}", "/", "/dashboard/{name:path}")}  # for people
    assert served == described | pages | {("query", "/v1/models")}  # OpenAPI 3.1 has no place for this method


async def test_what_is_answered_is_what_is_described(gateway: Gateway) -> None:
    document = await fetched(gateway)
    created = (await gateway.post()).json()
    await gateway.store.bury(stranger := foreign(b"?", reason="no JSON", at=1.7e9))
    answers = {
        "Prediction": created,
        "PredictionPage": (await gateway.client.get("/v1/predictions")).json(),
        "Model": (await gateway.client.get("/v1/models/local/echo")).json(),
        "ModelPage": (await gateway.client.get("/v1/models")).json(),
        "File": (await gateway.client.post("/v1/files", files={"content": ("a.txt", b"hare")})).json(),
        "FilePage": (await gateway.client.get("/v1/files")).json(),
        "Problem": (await gateway.client.get("/v1/predictions/nothing")).json(),
        "DeadLetterPage": (await gateway.client.get("/admin/v1/dead")).json(),
        "DeadLetterDetail": (await gateway.client.get(f"/admin/v1/dead/{stranger.id}")).json(),
        "Scale": (await gateway.client.get("/admin/v1/models/local/echo/scale")).json(),
        "QueueList": (await gateway.client.get("/admin/v1/queues")).json(),
        "Retried": (await gateway.client.post("/admin/v1/dead/retry")).json(),
        "Purged": (await gateway.client.delete("/admin/v1/dead")).json(),
    }

    for name, answer in answers.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema_rs.validator_for(schema).validate(answer)


async def test_the_document_changes_with_the_models(gateway: Gateway) -> None:
    before = await fetched(gateway)
    await gateway.store.announce(TREE, worker="w2", lease=60)
    await gateway.client.get("/v1/models/acme/tree")
    after = await fetched(gateway)

    assert {"/v1/models/acme/tree/predictions"} == after["paths"].keys() - before["paths"].keys()


async def test_the_document_names_the_address_that_the_client_knows(gateway: Gateway) -> None:
    answer = await gateway.client.get("/openapi.json", headers={"host": "rabbit.example"})

    assert [{"url": "http://rabbit.example"}] == answer.json()["servers"]
