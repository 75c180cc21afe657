"""Models, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.core.card import Card
from tests.gateway.served import ECHO, Gateway, eventually

TREE = Card(
    model="acme/tree",
    version="7e" * 32,
    input_schema=Raw(
        b'{"$ref":"#/$defs/Node","$defs":{"Node":{"type":"object","properties":'
        b'{"children":{"type":"array","items":{"$ref":"#/$defs/Node"}}}}}}'
    ),
    output_schema=Raw(b'{"type":"array","x-cog-array-type":"iterator","items":{"type":"string"}}'),
)


async def test_a_model_is_shown_as_official_clients_read_it(gateway: Gateway) -> None:
    answer = await gateway.client.get("/v1/models/local/echo")

    model = answer.json()
    version = model.pop("latest_version")
    assert {
        "url": f"{gateway.url}/v1/models/local/echo",
        "owner": "local",
        "name": "echo",
        "description": "Says it again.",
        "visibility": "public",
        "run_count": 0,
        "workers": 1,
        "problem": None,
    } == model
    assert (ECHO.version, "0.16.0") == (version["id"], version["cog_version"])
    assert datetime.fromisoformat(version["created_at"]).tzinfo is not None
    assert {"Input", "Output"} == version["openapi_schema"]["components"]["schemas"].keys()
    assert version["openapi_schema"]["openapi"].startswith("3.")


async def test_references_of_a_model_are_of_the_one_form_and_no_circle(gateway: Gateway) -> None:
    await gateway.store.announce(TREE, worker="w2", lease=60)

    model = (await gateway.client.get("/v1/models/acme/tree")).json()

    assert {
        "Input": {"$ref": "#/components/schemas/Input.Node"},
        "Input.Node": {"type": "object", "properties": {"children": {"type": "array", "items": {}}}},
        "Output": {"type": "array", "x-cog-array-type": "iterator", "items": {"type": "string"}},
    } == model["latest_version"]["openapi_schema"]["components"]["schemas"]


async def test_a_model_is_found_as_soon_as_it_is_announced(gateway: Gateway) -> None:
    before = await gateway.client.get("/v1/models/acme/tree")
    await gateway.store.announce(TREE, worker="w2", lease=60)
    after = await gateway.client.get("/v1/models/acme/tree")

    assert (404, 200) == (before.status_code, after.status_code)


async def test_all_models_stand_on_one_page(gateway: Gateway) -> None:
    await gateway.store.announce(TREE, worker="w2", lease=60)
    await gateway.client.get("/v1/models/acme/tree")

    page = (await gateway.client.get("/v1/models")).json()

    assert (None, None) == (page["next"], page["previous"])
    assert ["acme/tree", "local/echo"] == [f"{model['owner']}/{model['name']}" for model in page["results"]]


@pytest.mark.slow
async def test_a_model_without_a_worker_stays_and_says_so(gateway: Gateway) -> None:
    await gateway.store.announce(ECHO, worker="w1", lease=0)

    async def workers() -> int:
        return int((await gateway.client.get("/v1/models/local/echo")).json()["workers"])

    assert 0 == await eventually(workers, lambda count: count == 0)
    assert 201 == (await gateway.post()).status_code


async def test_the_problem_of_a_worker_is_shown_until_it_is_gone(gateway: Gateway) -> None:
    broken = replace(TREE, model="acme/broken")
    await gateway.store.announce(broken, worker="w1", lease=60, problem="RuntimeError: no device")

    async def shown() -> Mapping[str, object]:
        return dict((await gateway.client.get("/v1/models/acme/broken")).json())

    with_problem = await shown()
    await gateway.store.announce(broken, worker="w1", lease=60)
    without = await eventually(shown, lambda model: model["problem"] is None)

    assert ("RuntimeError: no device", 1) == (with_problem["problem"], with_problem["workers"])
    assert with_problem["latest_version"] == without["latest_version"]


async def test_an_unknown_model_is_not_found(gateway: Gateway) -> None:
    answer = await gateway.client.get("/v1/models/local/eco")

    assert (404, "model_not_found") == (answer.status_code, answer.json()["code"])


@pytest.mark.slow
async def test_those_who_ask_for_unknown_names_at_once_share_one_question_to_the_store(gateway: Gateway) -> None:
    await gateway.client.get("/v1/models/local/m")
    gateway.store.asked_for_cards = 0

    answers = await asyncio.gather(*[gateway.client.get(f"/v1/models/local/m{number}") for number in range(50)])

    assert {404} == {answer.status_code for answer in answers}
    assert gateway.store.asked_for_cards <= 3


async def test_a_name_that_no_model_can_have_is_not_asked_for(gateway: Gateway) -> None:
    gateway.store.asked_for_cards = 0

    answers = [await gateway.client.get("/v1/models/Local/ECHO") for _ in range(5)]

    assert {404} == {answer.status_code for answer in answers}
    assert gateway.store.asked_for_cards <= 1
