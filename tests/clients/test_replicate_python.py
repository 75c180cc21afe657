"""The official Python client, unchanged."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeAlias

import httpx
import pytest
import replicate
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.prediction import Prediction
from replicate.webhook import InvalidSignatureError, Webhooks

from tests.clients.models import TEXTS
from tests.webhooks.receiver import receiving

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(120)]

PATIENCE = 20.0

Strategy: TypeAlias = Literal["base64", "url"]


@pytest.fixture(scope="module", autouse=True)
def silence(address: str) -> Iterator[Future[list[str]]]:
    """A stream that is silent for longer than the client's patience of 30 s, beside all the other tests."""

    def stream() -> list[str]:
        client = Client(api_token="anything", base_url=address)
        try:
            return [str(event) for event in client.stream("local/silent", input={"seconds": 32})]
        finally:
            client._client.close()

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(stream)


@pytest.fixture
async def client(address: str) -> AsyncIterator[Client]:
    client = Client(api_token="anything", base_url=address)
    yield client
    client._client.close()  # the client itself has no way to be closed
    await client._async_client.aclose()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """What `gated` waits for; opened at the end whatever happens, or the next test would find its process busy."""
    gate = tmp_path / "gate"
    yield gate
    gate.touch()


def eventually(look: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < until
        time.sleep(0.02)


def listed(output: object) -> list[object]:
    assert isinstance(output, Iterator | list), output
    return list(output)


def text_of(texts: list[str]) -> str:
    """What the client makes of a stream of these: it takes every kind of line break for a line feed."""
    return "".join(texts).replace("\u2028", "\n")


def begun(client: Client, gate: Path) -> Prediction:
    """A prediction that runs and waits."""
    prediction = client.predictions.create(model="local/gated", input={"gate": str(gate)})

    def running() -> bool:
        prediction.reload()
        return prediction.output == ["first"]

    eventually(running)
    return prediction


def test_run_waits_for_the_output(client: Client) -> None:
    assert client.run("local/greet", input={"name": "Ada", "times": 2}) == "hello Ada hello Ada"


def test_run_polls_where_it_shall_not_wait(client: Client) -> None:
    assert client.run("local/greet", input={"name": "Ada"}, wait=False) == "hello Ada"


def test_run_by_version(client: Client) -> None:
    version = client.models.get("local/greet").latest_version
    assert version is not None
    assert client.run(f"local/greet:{version.id}", input={"name": "Ada"}) == "hello Ada"


def test_run_iterates_over_what_is_streamed(client: Client) -> None:
    assert listed(client.run("local/tell", input={"texts": TEXTS})) == TEXTS
    version = client.models.get("local/tell").latest_version
    assert version is not None
    assert listed(client.run(f"local/tell:{version.id}", input={"texts": TEXTS}, wait=False)) == TEXTS


def test_a_wait_that_is_too_short_is_polled_on(client: Client, gate: Path) -> None:
    opening = threading.Timer(2.0, gate.touch)
    opening.start()
    assert listed(client.run("local/gated", input={"gate": str(gate)}, wait=1)) == ["first", "second"]
    opening.join()


def test_run_raises_what_the_model_raised(client: Client) -> None:
    with pytest.raises(ModelError) as failed:
        client.run("local/fail", input={"reason": "no such luck"})
    assert failed.value.prediction.error == "ValueError: no such luck"
    assert failed.value.prediction.status == "failed"


async def test_async_run(client: Client) -> None:
    assert await client.async_run("local/greet", input={"name": "Ada"}) == "hello Ada"
    assert await client.async_run("local/tell", input={"texts": TEXTS}) == TEXTS


def test_stream_has_every_character(client: Client) -> None:
    events = list(client.stream("local/tell", input={"texts": TEXTS}))
    assert [event.event.value for event in events[-1:]] == ["done"]
    assert "".join(map(str, events[:-1])) == text_of(TEXTS)
    assert [event.data for event in events if event.event.value == "output"] == [text_of([text]) for text in TEXTS]


def test_stream_goes_on_while_the_model_does(client: Client, gate: Path) -> None:
    stream = client.stream("local/gated", input={"gate": str(gate)})
    seen = [next(stream), next(stream)]
    assert {str(event.event.value): event.data for event in seen} == {"logs": "waiting\n", "output": "first"}
    gate.touch()
    assert [event.data for event in stream if event.event.value == "output"] == ["second"]


async def test_async_stream(client: Client) -> None:
    events = [event async for event in await client.async_stream("local/tell", input={"texts": TEXTS})]
    assert "".join([event.data for event in events if event.event.value == "output"]) == text_of(TEXTS)


def test_stream_of_what_is_no_stream(client: Client) -> None:
    events = list(client.stream("local/greet", input={"name": "Ada"}))
    assert [(event.event.value, event.data) for event in events] == [("output", "hello Ada"), ("done", "{}")]


def test_stream_raises_what_the_model_raised(client: Client) -> None:
    with pytest.raises(RuntimeError, match="no such luck"):
        list(client.stream("local/fail", input={"reason": "no such luck"}))


def test_stream_ends_with_a_cancel(client: Client, gate: Path) -> None:
    prediction = begun(client, gate)
    stream = prediction.stream()
    prediction.cancel()
    events = list(stream)
    assert (events[-1].event.value, events[-1].data) == ("done", '{"reason":"canceled"}')


def test_create_get_wait_cancel(client: Client, gate: Path) -> None:
    prediction = begun(client, gate)
    assert client.predictions.get(prediction.id).status == "processing"
    prediction.cancel()
    prediction.wait()
    assert prediction.status == "canceled"
    gate.touch()
    assert client.predictions.cancel(prediction.id).status == "canceled"


def test_progress_is_read_from_the_logs(client: Client, gate: Path) -> None:
    prediction = begun(client, gate)

    def told() -> bool:
        prediction.reload()
        return prediction.progress is not None

    eventually(told)
    assert prediction.progress is not None
    assert prediction.progress.percentage == 0.5
    gate.touch()
    prediction.wait()
    assert prediction.logs == "waiting\n"


def test_output_iterator_polls_a_growing_list(client: Client, gate: Path) -> None:
    output = client.predictions.create(model="local/gated", input={"gate": str(gate)}).output_iterator()
    assert next(output) == "first"
    gate.touch()
    assert list(output) == ["second"]


def test_list_and_paginate(client: Client) -> None:
    created = [client.predictions.create(model="local/greet", input={"name": str(n)}).id for n in range(101)]
    pages = iter(replicate.paginate(client.predictions.list))
    first, second = next(pages), next(pages)
    assert [prediction.id for prediction in first] == list(reversed(created))[:100]
    assert second[0].id == created[0]
    assert len(first) == 100


def test_a_deployment_is_its_model(client: Client) -> None:
    prediction = client.deployments.predictions.create("local/greet", input={"name": "Ada"})
    prediction.wait()
    assert prediction.output == "hello Ada"
    deployment = client.deployments.get("local/greet")
    assert deployment.current_release is not None
    assert deployment.current_release.model == "local/greet"
    assert "greet" in [deployment.name for deployment in client.deployments.list()]
    prediction = deployment.predictions.create({"name": "Bob"})
    prediction.wait()
    assert prediction.output == "hello Bob"


def test_models_and_versions(client: Client) -> None:
    assert {"fail", "film", "gated", "greet", "silent", "tell", "turn"} == {
        model.name for model in client.models.list()
    }
    model = client.models.get("local", "greet")
    assert (model.owner, model.name, model.description) == ("local", "greet", "Says hello.")
    (version,) = model.versions.list()
    assert model.versions.get(version.id) == version == model.latest_version
    assert set(version.openapi_schema["components"]["schemas"]["Input"]["properties"]) == {"name", "times"}


def test_models_are_searched_by_words(client: Client) -> None:
    assert [model.name for model in client.models.search("says HELLO")] == ["greet"]
    assert {model.name for model in client.models.search("says")} == {"gated", "greet", "silent", "tell"}
    assert list(client.models.search("nothing like that")) == []


def test_account_and_hardware(client: Client) -> None:
    assert client.accounts.current().username == "local"
    assert len(client.hardware.list()) == 1


def read(url: object) -> httpx.Response:
    """As somebody without a token reads it: over plain HTTP a file in an output is a string."""
    assert isinstance(url, str)
    return httpx.get(url, follow_redirects=False)


@pytest.fixture
def hare(tmp_path: Path) -> Path:
    path = tmp_path / "hare.txt"
    path.write_bytes(b"hare" * 1000)
    return path


def test_files_are_put_found_and_deleted(client: Client, hare: Path) -> None:
    with hare.open("rb") as opened:
        file = client.files.create(opened, metadata={"for": "a test"})
    named = client.files.create(hare)

    assert (file.name, file.content_type, file.size) == ("hare.txt", "text/plain", 4000)
    assert file.metadata == {"for": "a test"}
    assert file.etag == hashlib.md5(hare.read_bytes()).hexdigest()
    assert file.checksums["sha256"] == hashlib.sha256(hare.read_bytes()).hexdigest()
    assert file.expires_at is not None
    assert client.files.get(file.id) == file
    assert [one.id for one in client.files.list()][:2] == [named.id, file.id]
    assert b"hare" * 1000 == read(file.urls["download"]).content
    client.files.delete(file.id)
    with pytest.raises(ReplicateError) as missing:
        client.files.get(file.id)
    assert missing.value.status == 404
    client.files.delete(named.id)


@pytest.mark.parametrize("strategy", ["url", "base64"])
def test_a_file_in_the_input_and_one_in_the_output(client: Client, hare: Path, strategy: Strategy) -> None:
    with hare.open("rb") as opened:
        output = client.run("local/turn", input={"file": opened}, file_encoding_strategy=strategy)

    answer = read(output)
    assert (200, b"erah" * 1000, "text/plain") == (answer.status_code, answer.content, answer.headers["content-type"])
    with_token = client._client.get(str(output))  # as the client reads an output that is a file
    assert (200, answer.content) == (with_token.status_code, with_token.content)


async def test_a_file_in_the_input_of_an_async_run(client: Client) -> None:
    first = await client.async_run("local/turn", input={"file": io.BytesIO(b"hare")})
    assert b"erah" == read(first).content
    assert b"hare" == read(await client.async_run("local/turn", input={"file": str(first)})).content


def test_files_that_are_streamed(client: Client) -> None:
    assert [b"frame 0", b"frame 1"] == [read(one).content for one in listed(client.run("local/film", {"frames": 2}))]
    events = [event for event in client.stream("local/film", input={"frames": 2}) if event.event.value == "output"]
    assert [b"frame 0", b"frame 1"] == [read(str(event)).content for event in events]


async def test_a_webhook_is_valid_by_the_secret_that_the_client_asks_for(client: Client) -> None:
    async with receiving() as receiver:
        prediction = await client.predictions.async_create(
            model="local/greet", input={"name": "Ada"}, webhook=receiver.url, webhook_events_filter=["completed"]
        )
        (received,) = await receiver.wait(1)
    secret = await client.webhooks.default.async_secret()

    Webhooks.validate(headers=dict(received.headers), body=received.body.decode(), secret=secret, tolerance=60)
    await prediction.async_reload()
    assert Prediction(**json.loads(received.body)).dict() == prediction.dict()
    with pytest.raises(InvalidSignatureError):
        Webhooks.validate(headers=dict(received.headers), body=received.body.decode() + " ", secret=secret)


def test_errors_say_what_is_wrong(client: Client) -> None:
    with pytest.raises(ReplicateError) as missing:
        client.predictions.get("nothing")
    assert (missing.value.status, missing.value.title) == (404, "Prediction not found")
    with pytest.raises(ReplicateError) as unknown:
        client.run("local/unknown", input={})
    assert (unknown.value.status, unknown.value.detail is not None) == (404, True)
    with pytest.raises(ReplicateError) as invalid:
        client.run("local/greet", input={"name": 7})
    assert invalid.value.status == 422
    assert "name" in str(invalid.value.detail)


def test_stream_survives_silence(silence: Future[list[str]]) -> None:
    assert silence.result(60) == ["there", ""]


def test_a_limit_that_is_reached_is_an_error_with_the_time_to_come_back(limited: str) -> None:
    httpx.post(f"{limited}/v1/models/local/greet/predictions", json={"input": {"name": "Ada"}})
    client = Client(api_token="anything", base_url=limited)
    with pytest.raises(ReplicateError) as reached:
        client.predictions.create(model="local/greet", input={"name": "Ada"})
    client._client.close()

    assert (reached.value.status, reached.value.title) == (429, "Rate exceeded")
    assert "try again in" in str(reached.value.detail)
