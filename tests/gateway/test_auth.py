"""Keys, scopes and accounts, over HTTP and on the socket."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx2
import pytest
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from leveret.config import GatewaySettings
from leveret.core import keys
from leveret.core.events import Canceled
from leveret.core.keys import ApiKey, Scope
from leveret.gateway.app import create_app
from leveret.gateway.auth import Keyring, needed
from leveret.testing.conformance.arrange import a_prediction
from tests.gateway.served import Gateway, eventually, serving

ECHOED = {"input": {"text": "hello"}}
OPEN = {
    *("/health/live", "/health/ready", "/openapi.json", "/asyncapi.json", "/docs", "/docs/{name}"),
    *("/", "/dashboard/{name:path}"),
    *("/v1/streams/{prediction_id}", "/v1/files/{file_id}/download"),
}
"""Open to everybody, or to whoever has a link."""


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path) as gateway:
        yield gateway


async def made(gateway: Gateway, *scopes: str, account: str = "alice", expires_at: float | None = None) -> str:
    """A key that the gateway knows of."""
    key = keys.new_key(os.urandom(keys.SIZE))
    about = ApiKey(
        digest=keys.digest(key), account=account, scopes=scopes, created_at=time.time(), expires_at=expires_at
    )
    await gateway.store.add_key(about)

    async def status() -> int:
        return (await gateway.client.get("/v1/models")).status_code

    await eventually(status, lambda found: found == 401)
    return key


def bearer(key: str, kind: str = "Bearer") -> dict[str, str]:
    return {"Authorization": f"{kind} {key}"}


async def post(gateway: Gateway, key: str) -> httpx2.Response:
    return await gateway.client.post("/v1/models/local/echo/predictions", json=ECHOED, headers=bearer(key))


async def test_nobody_is_asked_for_a_key_before_there_is_one(gateway: Gateway) -> None:
    assert 201 == (await gateway.post()).status_code
    assert "local" == (await gateway.client.get("/v1/account")).json()["username"]


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "Token"])
async def test_a_key_is_taken_in_each_form_that_clients_send(gateway: Gateway, kind: str) -> None:
    key = await made(gateway, Scope.PREDICT)

    answer = await gateway.client.get("/v1/account", headers=bearer(key, kind))

    assert (200, "alice") == (answer.status_code, answer.json()["username"])


async def test_without_a_key_that_is_valid_it_is_401_and_says_what_to_do(gateway: Gateway) -> None:
    await made(gateway, Scope.PREDICT)
    expired = await made(gateway, Scope.PREDICT, expires_at=time.time() - 1)
    tried = [{}, bearer("lv_nothing"), bearer(expired), {"Authorization": "lv_bare"}, {"Authorization": "Basic eDp5"}]

    answers = [await gateway.client.get("/v1/predictions", headers=headers) for headers in tried]

    assert [401] * 5 == [answer.status_code for answer in answers]
    assert {"unauthenticated"} == {answer.json()["code"] for answer in answers}
    assert all(answer.headers["WWW-Authenticate"].startswith("Bearer") for answer in answers)
    assert "leveret keys create" in answers[0].json()["detail"]
    assert "expired" in answers[2].json()["detail"]


async def test_a_key_without_the_scope_is_403_and_names_it(gateway: Gateway) -> None:
    reader, worker = await made(gateway, Scope.READ), await made(gateway, "worker:local/echo")

    answers = [
        await post(gateway, reader),
        await gateway.client.get("/admin/v1/queues", headers=bearer(reader)),
        await gateway.client.get("/v1/webhooks/default/secret", headers=bearer(reader)),
        await gateway.client.get("/v1/models", headers=bearer(worker)),
        await gateway.client.get("/metrics", headers=bearer(reader)),
    ]

    assert [403] * 5 == [answer.status_code for answer in answers]
    assert ["predict", "admin", "predict", "read", "metrics"] == [answer.json()["scope"] for answer in answers]


async def test_an_account_knows_nothing_of_what_others_have(gateway: Gateway) -> None:
    alice, bob = await made(gateway, Scope.PREDICT), await made(gateway, Scope.PREDICT, account="bob")
    created = (await post(gateway, alice)).json()
    uploaded = (
        await gateway.client.post("/v1/files", files={"content": ("a.txt", b"hare")}, headers=bearer(alice))
    ).json()
    path, file = f"/v1/predictions/{created['id']}", f"/v1/files/{uploaded['id']}"

    refused = [
        await gateway.client.get(path, headers=bearer(bob)),
        await gateway.client.delete(path, headers=bearer(bob)),
        await gateway.client.post(f"{path}/cancel", headers=bearer(bob)),
        await gateway.client.post(f"{path}/retry", headers=bearer(bob)),
        await gateway.client.get(f"{path}/events", headers=bearer(bob)),
        await gateway.client.get(f"{path}/webhooks", headers=bearer(bob)),
        await gateway.client.post(f"{path}/webhooks/redeliver", headers=bearer(bob)),
        await gateway.client.get(f"/v1/streams/{created['id']}", headers=bearer(bob)),
        await gateway.client.get(f"/v1/streams/{created['id']}"),
        await gateway.client.get(file, headers=bearer(bob)),
        await gateway.client.delete(file, headers=bearer(bob)),
    ]
    listed = [(await gateway.client.get(one, headers=bearer(bob))).json() for one in ("/v1/predictions", "/v1/files")]
    own = [(await gateway.client.get(one, headers=bearer(alice))).status_code for one in (path, file)]

    assert [404] * len(refused) == [answer.status_code for answer in refused]
    assert [[], []] == [page["results"] for page in listed]
    assert [200, 200] == own
    assert "starting" == (await gateway.client.get(path, headers=bearer(alice))).json()["status"]


async def test_each_account_signs_webhooks_with_a_secret_of_its_own(gateway: Gateway) -> None:
    users = [await made(gateway, Scope.PREDICT), await made(gateway, Scope.PREDICT, account="bob")]

    secrets = [
        (await gateway.client.get("/v1/webhooks/default/secret", headers=bearer(key))).json()["key"] for key in users
    ]

    assert 2 == len(set(secrets))


async def test_a_stream_is_opened_by_its_link_alone_and_by_no_other(gateway: Gateway) -> None:
    alice = await made(gateway, Scope.PREDICT)
    created, other = [(await post(gateway, alice)).json() for _ in range(2)]
    run = await gateway.worker.start(created["id"])
    await gateway.worker.succeed(run, b'"done"')
    link = created["urls"]["stream"]

    opened = await gateway.client.get(link)
    swapped = await gateway.client.get(link.replace(created["id"], other["id"]))
    changed = await gateway.client.get(re.sub(r"expiry=\d+", "expiry=9999999999", link))

    assert (200, True) == (opened.status_code, "done" in opened.text)
    assert [404, 404] == [swapped.status_code, changed.status_code]


async def test_a_link_is_taken_whatever_else_is_sent_with_it(gateway: Gateway) -> None:
    alice = await made(gateway, Scope.PREDICT)
    files = {"content": ("a.txt", b"hare")}
    uploaded = (await gateway.client.post("/v1/files", files=files, headers=bearer(alice))).json()
    link = uploaded["urls"]["download"]

    answers = [await gateway.client.get(link, headers=bearer(key)) for key in ("lv_of-somebody-else", alice)]

    assert [b"hare", b"hare"] == [answer.content for answer in answers]


async def test_what_a_program_has_submitted_for_no_account_is_not_everybodys(gateway: Gateway) -> None:
    await made(gateway, Scope.READ)
    prediction = await gateway.store.create(a_prediction(account=""))
    await gateway.store.end(prediction.id, Canceled(time.time()))

    assert 404 == (await gateway.client.get(f"/v1/streams/{prediction.id}")).status_code


async def test_a_key_that_may_not_read_opens_no_stream_without_its_link(gateway: Gateway) -> None:
    alice, counter = await made(gateway, Scope.PREDICT), await made(gateway, Scope.METRICS)
    created = (await post(gateway, alice)).json()
    await gateway.store.end(created["id"], Canceled(time.time()))
    path = f"/v1/streams/{created['id']}"

    statuses = [(await gateway.client.get(path, headers=bearer(key))).status_code for key in (alice, counter)]

    assert [200, 404] == statuses


async def test_a_revoked_key_is_soon_refused(gateway: Gateway) -> None:
    admin, other = await made(gateway, Scope.ADMIN), await made(gateway, Scope.READ)
    assert 200 == (await gateway.client.get("/v1/models", headers=bearer(other))).status_code

    revoked = await gateway.client.delete(f"/admin/v1/keys/{keys.digest(other)[:12]}", headers=bearer(admin))

    async def status() -> int:
        return (await gateway.client.get("/v1/models", headers=bearer(other))).status_code

    assert 204 == revoked.status_code
    assert 401 == await eventually(status, lambda found: found == 401)


async def test_the_end_of_the_last_key_opens_nothing(gateway: Gateway) -> None:
    keyring, only = Keyring(gateway.store, unguarded=True), keys.digest("lv_only")

    await keyring.renew()
    before = keyring.required
    await gateway.store.add_key(ApiKey(digest=only, account="alice", scopes=("read",), created_at=time.time()))
    await keyring.renew()
    await gateway.store.revoke_key(only)
    await keyring.renew()

    assert (False, True) == (before, keyring.required)


async def test_keys_are_made_and_listed_by_the_admin_api_and_shown_once(gateway: Gateway) -> None:
    admin = await made(gateway, Scope.ADMIN, account="ops")
    wanted = {"account": "bob", "scopes": ["read"], "name": "phone", "expires_in": 3600}

    created = await gateway.client.post("/admin/v1/keys", json=wanted, headers=bearer(admin))
    listed = await gateway.client.get("/admin/v1/keys", headers=bearer(admin))
    changes: list[dict[str, object]] = [{"scopes": ["write"]}, {"scopes": []}, {"account": "B/b"}, {"expires_in": -1}]
    wrong = [
        await gateway.client.post("/admin/v1/keys", json={**wanted, **change}, headers=bearer(admin))
        for change in changes
    ]
    used = await gateway.client.get("/v1/account", headers=bearer(created.json()["key"]))

    assert (201, "bob") == (created.status_code, used.json()["username"])
    assert [("ops", "admin"), ("bob", "read")] == [(one["account"], *one["scopes"]) for one in listed.json()["results"]]
    assert created.json()["key"] not in listed.text
    assert [422] * 4 == [answer.status_code for answer in wrong]


async def test_a_socket_needs_a_key_and_shows_what_is_its_accounts(gateway: Gateway) -> None:
    alice, bob = await made(gateway, Scope.PREDICT), await made(gateway, Scope.PREDICT, account="bob")
    created = (await post(gateway, alice)).json()
    address = gateway.url.replace("http", "ws") + "/v1/socket"

    with pytest.raises(InvalidStatus) as refused:
        await connect(address)
    async with connect(address, additional_headers=bearer(bob)) as socket:
        for operation in ("watch", "cancel"):
            await socket.send(json.dumps({"op": operation, "id": created["id"]}))
        said = [json.loads(await socket.recv()) for _ in range(2)]
        await socket.send(json.dumps({"op": "submit", "model": "local/echo", **ECHOED}))
        accepted = json.loads(await socket.recv())

    assert 401 == refused.value.response.status_code
    assert ["prediction_not_found"] * 2 == [one["problem"]["code"] for one in said]
    assert "bob" == (await gateway.store.get(accepted["prediction"]["id"])).account


async def test_a_revoked_key_is_soon_refused_on_the_socket_that_it_has_opened(gateway: Gateway) -> None:
    await made(gateway, Scope.ADMIN)  # or everything would be open again
    key = await made(gateway, Scope.PREDICT)
    created = (await post(gateway, key)).json()
    wanted: list[dict[str, object]] = [
        {"op": "submit", "model": "local/echo", **ECHOED},
        {"op": "cancel", "id": created["id"]},
        {"op": "watch", "id": created["id"]},
    ]

    async with connect(gateway.url.replace("http", "ws") + "/v1/socket", additional_headers=bearer(key)) as socket:

        async def code(operation: Mapping[str, object]) -> str:
            await socket.send(json.dumps(operation))
            said = json.loads(await socket.recv())
            return str(said["problem"]["code"] if said["type"] == "error" else said["type"])

        before = await code(wanted[0])
        await gateway.store.revoke_key(keys.digest(key))
        await eventually(lambda: code(wanted[0]), lambda found: found != "accepted")
        refused = [await code(operation) for operation in wanted]

    assert ("accepted", ["unauthenticated"] * 3) == (before, refused)
    assert "starting" == (await gateway.store.get(created["id"])).status


async def test_the_same_key_of_two_accounts_names_two_predictions(gateway: Gateway) -> None:
    users = [await made(gateway, Scope.PREDICT), await made(gateway, Scope.PREDICT, account="bob")]
    named = {"Idempotency-Key": "k1"}

    ids = [
        (
            await gateway.client.post(
                "/v1/models/local/echo/predictions", json=ECHOED, headers={**bearer(key), **named}
            )
        ).json()["id"]
        for key in users
    ]

    assert 2 == len(set(ids))


async def test_every_endpoint_but_those_that_are_open_needs_a_scope(gateway: Gateway) -> None:
    app = create_app(store=gateway.store, broker=gateway.broker, blobs=gateway.blobs, settings=GatewaySettings())
    routes = [route for route in app.routes if isinstance(route, Route | WebSocketRoute)]

    opened = {
        route.path
        for route in routes
        for method in (getattr(route, "methods", None) or {"POST"})
        if needed(method, route.path) is None
    }

    assert OPEN == opened
    assert all(
        needed(method, route.path) is Scope.ADMIN
        for route in routes
        if route.path.startswith("/admin/") and not route.path.endswith("/scale")
        for method in ("GET", "POST", "DELETE")
    )


async def test_a_gateway_that_others_reach_asks_for_keys_before_there_are_any(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=GatewaySettings(host="0.0.0.0")) as gateway:
        answers = [await gateway.client.get(path) for path in ("/v1/models", "/health/live", "/openapi.json")]

    assert [401, 200, 200] == [answer.status_code for answer in answers]
