"""Files in inputs and outputs, as clients see them and as workers do."""

from __future__ import annotations

import base64
import json
import os
import time

import httpx2
import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.core import references
from leveret.core.card import Card
from leveret.core.events import Succeeded
from leveret.core.prediction import Blob, new_id
from leveret.core.references import Reference
from leveret.core.streams import once
from leveret.gateway.files.links import pack
from tests.gateway.served import ECHO, Gateway

FILE = {"type": "string", "format": "uri", "pattern": "^(data:|https?://)", "x-leveret-file": True}
LOOK = Card(
    model="local/look",
    version="10" * 32,
    input_schema=Raw(
        json.dumps(
            {
                "type": "object",
                "properties": {
                    "file": FILE,
                    "more": {"type": "array", "items": FILE},
                    "text": {"type": "string"},
                },
            }
        ).encode()
    ),
    output_schema=Raw(b"{}"),
)


@pytest.fixture(autouse=True)
async def announced(gateway: Gateway) -> None:
    await gateway.store.announce(LOOK, worker="w1", lease=60)
    await gateway.broker.declare(LOOK.model)


async def put(gateway: Gateway, content: bytes = b"hare") -> dict[str, dict[str, str]]:
    answer = await gateway.client.post("/v1/files", files={"content": ("häre.png", content, "image/png")})
    file: dict[str, dict[str, str]] = answer.json()
    return file


async def look(gateway: Gateway, **given: object) -> httpx2.Response:
    return await gateway.client.post("/v1/models/local/look/predictions", json={"input": given})


async def stored(gateway: Gateway, prediction_id: str) -> dict[str, object]:
    """The input as a worker gets it."""
    prediction = await gateway.store.get(prediction_id)
    given: dict[str, object] = json.loads(bytes(prediction.input))
    return given


async def content(gateway: Gateway, text: object) -> tuple[bytes, Reference]:
    reference = references.read(str(text))
    assert reference is not None
    return b"".join([chunk async for chunk in gateway.blobs.open(reference.blob)]), reference


class TestInputs:
    @pytest.mark.parametrize("kind", ["get", "download"])
    async def test_a_file_that_is_kept_here_goes_to_the_worker_as_a_reference(
        self, gateway: Gateway, kind: str
    ) -> None:
        url = (await put(gateway))["urls"][kind]

        answer = await look(gateway, file=url, more=[url, "data:,x"], text=url)

        assert answer.status_code == 201
        assert {"file": url, "more": [url, "data:,x"], "text": url} == answer.json()["input"]
        given = await stored(gateway, answer.json()["id"])
        found, reference = await content(gateway, given["file"])
        assert (b"hare", "image/png", "häre.png") == (found, reference.blob.content_type, reference.name)
        assert {"file": given["file"], "more": [given["file"], "data:,x"], "text": url} == given

    async def test_it_is_shown_by_its_address(self, gateway: Gateway) -> None:
        url = (await put(gateway))["urls"]["get"]
        created = (await look(gateway, file=url)).json()

        shown = (await gateway.client.get(created["urls"]["get"])).json()
        (listed,) = (await gateway.client.get("/v1/predictions")).json()["results"]

        assert {"file": url} == shown["input"] == listed["input"]

    async def test_under_whatever_name_the_gateway_was_reached(self, gateway: Gateway) -> None:
        url = (await put(gateway))["urls"]["get"].replace("127.0.0.1", "leveret.example")

        given = await stored(gateway, (await look(gateway, file=url)).json()["id"])

        assert references.read(str(given["file"])) is not None

    async def test_an_output_of_one_model_is_an_input_of_another(self, gateway: Gateway) -> None:
        url = await a_file_put_out(gateway)

        answer = await look(gateway, file=url)
        given = await stored(gateway, answer.json()["id"])
        shown = (await gateway.client.get(answer.json()["urls"]["get"])).json()["input"]["file"]

        assert b"drawn" == (await content(gateway, given["file"]))[0]
        assert "signature" not in shown
        assert 404 == (await gateway.client.get(shown)).status_code

    @pytest.mark.parametrize(
        "url",
        [
            "https://example.org/a.png",
            "https://example.org/v1/files/" + "0" * 26,
            "https://example.org/v1/files/other/download?owner=local&expiry=1&signature=x",
            "http://[broken/v1/files/" + "0" * 26,
            "data:image/png;base64,AAAA",
        ],
    )
    async def test_what_is_kept_elsewhere_is_left_to_the_worker(self, gateway: Gateway, url: str) -> None:
        answer = await look(gateway, file=url)

        assert {"file": url} == await stored(gateway, answer.json()["id"])

    async def test_what_leads_here_and_to_no_file_is_refused(self, gateway: Gateway) -> None:
        file = await put(gateway)
        await gateway.client.delete(file["urls"]["get"])
        drawn = await a_file_put_out(gateway)
        other = await put(gateway)
        upload = await gateway.store.file(str(other["id"]))
        await gateway.store.keep(replace(upload, account="other"))
        urls = [
            *file["urls"].values(),
            other["urls"]["get"],
            f"{gateway.url}/v1/files/nothing",
            drawn.partition("/download")[0],
            drawn.replace("signature=", "signature=x"),
        ]

        answers = [await look(gateway, file=url) for url in urls]

        assert {(422, "invalid_input")} == {(answer.status_code, answer.json()["code"]) for answer in answers}
        assert all("signature" not in answer.text for answer in answers)

    @pytest.mark.parametrize("scheme", ["leveret-blob:", "leveret-spool:", "file:///etc/passwd?"])
    async def test_no_client_can_name_what_is_kept_inside(self, gateway: Gateway, scheme: str) -> None:
        blob = await gateway.keep(b"secret")

        answer = await look(gateway, file=references.write(Reference(blob)).replace("leveret-blob:", scheme))

        assert 422 == answer.status_code

    async def test_nor_can_it_read_that_by_writing_it_as_text(self, gateway: Gateway) -> None:
        text = references.write(Reference(await gateway.keep(b"secret")))
        created = (await gateway.post(text)).json()
        run = await gateway.worker.start(created["id"])
        await gateway.worker.succeed(run, json.dumps(text).encode())

        shown = (await gateway.client.get(created["urls"]["get"])).json()

        assert text == shown["output"]
        assert "signature" not in shown["input"]["text"]


async def a_file_put_out(gateway: Gateway, drawn: bytes = b"drawn") -> str:
    """The link to a file in the output of a prediction."""
    created = await gateway.create()
    await put_out(gateway, created, drawn)
    shown = (await gateway.client.get(f"/v1/predictions/{created}")).json()
    return str(shown["output"]["picture"])


async def put_out(gateway: Gateway, prediction_id: str, drawn: bytes) -> Reference:
    run = await gateway.worker.start(prediction_id)
    blob = await gateway.blobs.put(f"outputs/{prediction_id}/1/a.png", once(drawn), content_type="image/png")
    reference = Reference(blob, "drawn.png")
    await gateway.worker.succeed(run, json.dumps({"picture": references.write(reference), "n": 1}).encode())
    return reference


class TestOutputs:
    async def test_a_file_is_a_link_that_needs_nothing_else(self, gateway: Gateway) -> None:
        url = await a_file_put_out(gateway)

        async with httpx2.AsyncClient() as stranger:
            answers = [await stranger.get(url), await stranger.get(url, headers={"Authorization": "Bearer any"})]
            part = await stranger.get(url, headers={"Range": "bytes=1-2"})

        assert [(200, b"drawn", "image/png")] * 2 == [
            (answer.status_code, answer.content, answer.headers["content-type"]) for answer in answers
        ]
        assert 'filename="drawn.png"' in answers[0].headers["content-disposition"]
        assert (206, b"ra") == (part.status_code, part.content)

    async def test_it_is_a_link_wherever_it_is_shown(self, gateway: Gateway) -> None:
        created = await gateway.create()
        run = await gateway.worker.start(created)
        blob = await gateway.blobs.put(f"outputs/{created}/1/a.png", once(b"drawn"), content_type="image/png")
        text = json.dumps(references.write(Reference(blob))).encode()
        await gateway.worker.say(run, text, b'"text"')
        await gateway.worker.finish(run)

        shown = (await gateway.client.get(f"/v1/predictions/{created}")).json()["output"]
        (listed,) = (await gateway.client.get("/v1/predictions")).json()["results"]
        events = (await gateway.client.get(f"/v1/predictions/{created}/events")).text
        stream = (await gateway.client.get(f"/v1/streams/{created}")).text

        link, word = shown
        assert "text" == word
        assert b"drawn" == (await gateway.client.get(link)).content
        assert [link, "text"] == listed["output"]
        assert json.dumps(link) in events
        assert f"data: {link}\n" in stream
        assert "leveret-blob" not in events + stream

    async def test_a_large_output_has_links_too(self, gateway: Gateway) -> None:
        created = await gateway.create()
        run = await gateway.worker.start(created)
        blob = await gateway.blobs.put(f"outputs/{created}/1/a.png", once(b"drawn"), content_type="image/png")
        whole = json.dumps([references.write(Reference(blob)), "x" * 100_000]).encode()
        large = await gateway.blobs.put(f"outputs/{created}/1.json", once(whole), content_type="application/json")
        await gateway.worker.end(run, Succeeded(time.time(), run.attempt, output_blob=large))

        shown = (await gateway.client.get(f"/v1/predictions/{created}")).json()["output"]
        stream = (await gateway.client.get(f"/v1/streams/{created}")).text

        assert b"drawn" == (await gateway.client.get(shown[0])).content
        assert f"data: {shown[0]}\n" in stream

    async def test_a_file_of_another_prediction_is_not_made_readable(self, gateway: Gateway) -> None:
        first, second = await gateway.create(), await gateway.create()
        secret = await put_out(gateway, first, b"secret")
        run = await gateway.worker.start(second)
        await gateway.worker.succeed(run, json.dumps(references.write(secret)).encode())

        shown = (await gateway.client.get(f"/v1/predictions/{second}")).json()["output"]

        assert references.write(secret) == shown

    async def test_a_file_that_is_gone_is_not_found(self, gateway: Gateway) -> None:
        created = await gateway.create()
        reference = await put_out(gateway, created, b"drawn")
        url = (await gateway.client.get(f"/v1/predictions/{created}")).json()["output"]["picture"]
        await gateway.blobs.delete(reference.blob)

        assert 404 == (await gateway.client.get(url)).status_code

    async def test_an_id_says_nothing_without_its_signature(self, gateway: Gateway) -> None:
        file_id = pack(Reference(Blob("outputs/p/1/a.png", 5, "00" * 32, "image/png")))
        nonsense = base64.urlsafe_b64encode(b"nonsense").decode().rstrip("=")

        for one in (file_id, nonsense, new_id(time.time(), os.urandom(10))):
            answer = await gateway.client.get(f"/v1/files/{one}/download?owner=local&expiry=9999999999&signature=x")
            assert (403, "link_refused") == (answer.status_code, answer.json()["code"])

    @pytest.mark.parametrize("kind", ["text/html\r\nSet-Cookie: a=b", "häre/x", "", "x" * 1000])
    async def test_a_content_type_is_no_way_into_the_headers(self, gateway: Gateway, kind: str) -> None:
        created = await gateway.create()
        run = await gateway.worker.start(created)
        blob = await gateway.blobs.put(f"outputs/{created}/1/a", once(b"drawn"), content_type=kind)
        await gateway.worker.succeed(run, json.dumps(references.write(Reference(blob, 'a"\r\nb.png'))).encode())

        url = (await gateway.client.get(f"/v1/predictions/{created}")).json()["output"]
        answer = await gateway.client.get(url)

        assert (200, "application/octet-stream") == (answer.status_code, answer.headers["content-type"])
        assert "set-cookie" not in answer.headers
        assert answer.headers["content-disposition"].startswith('inline; filename="a___b.png"; filename*=')


async def test_a_model_without_files_costs_nothing_more(gateway: Gateway) -> None:
    url = (await put(gateway))["urls"]["get"]

    answer = await gateway.post(url)

    assert {"text": url} == await stored(gateway, answer.json()["id"])
    assert b"x-leveret-file" not in bytes(ECHO.input_schema)
