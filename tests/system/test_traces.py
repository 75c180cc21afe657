"""One trace from the request to the webhook, across the queue, on both families of backends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Final

import httpx2
import pika
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from leveret.config import GatewaySettings, OutboundSettings, Settings, SweeperSettings, WorkerSettings
from leveret.launch import Launcher
from leveret.observe.traces import Traces
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.webhooks.receiver import receiving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PATIENCE: Final = 60.0
WHOLE: Final = "0af7651916cd43dd8448eb211c80319c"
CLIENT: Final = "b7ad6b7169203331"
GIVEN: Final = {"traceparent": f"00-{WHOLE}-{CLIENT}-01", "tracestate": "vendor=hare"}
SECRET: Final = "carrot-in-the-input"
MODELS: Final = """
from leveret import Context, Retry, model

@model
def tell(text: str, context: Context, fail: bool = False, retry: bool = False) -> str:
    if fail:
        raise ValueError(text)
    if retry and context.attempt == 1:
        raise Retry("once more", after=0.1)
    return context.traceparent

@model(batch=4, batch_window=2.0)
def together(texts: list[str]) -> list[str]:
    return texts
"""

_namespaces = count(1)


class Site:
    """A gateway and its workers, and the spans that they have ended."""

    def __init__(self, url: str, exporter: InMemorySpanExporter) -> None:
        self.url = url
        self.broker_url = ""
        self.namespace = ""
        self._exporter = exporter

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    async def until(self, look: Callable[[Sequence[ReadableSpan]], bool]) -> Sequence[ReadableSpan]:
        """The spans that have ended as soon as they look like this."""
        async with asyncio.timeout(PATIENCE):
            while not look(self.spans):
                await asyncio.sleep(0.01)
        return self.spans

    async def run(self, model: str, headers: dict[str, str], **body: object) -> dict[str, object]:
        """The prediction, as it has ended."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=PATIENCE) as client:
            answer = await client.post(
                f"/v1/models/local/{model}/predictions", json=body, headers={"Prefer": "wait=60", **headers}
            )
        shown: dict[str, object] = answer.json()
        return shown


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    with ExitStack() as stack:
        yield stack.enter_context(RabbitServer()).url, stack.enter_context(RedisServer()).url


@pytest.fixture(params=["embedded", "distributed"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    urls = request.getfixturevalue("servers") if request.param == "distributed" else ("", "")
    async with _serving(tmp_path, *urls) as serving:
        yield serving


@asynccontextmanager
async def _serving(folder: Path, broker_url: str = "", store_url: str = "") -> AsyncIterator[Site]:
    """Apart, the gateway and the worker have nothing in common but the queue and the store."""
    (folder / "models.py").write_text(MODELS)
    targets = [f"{folder}/models.py:tell", f"{folder}/models.py:together"]
    settings = Settings(
        data_dir=str(folder / "data"),
        broker_url=broker_url,
        store_url=store_url,
        namespace=f"traces{next(_namespaces)}",
        gateway=GatewaySettings(port=0),
        worker=WorkerSettings(grace=5.0, beat=0.2, lease=5.0),
        sweeper=SweeperSettings(period=0.2, hold=0.5),
        outbound=OutboundSettings(allow_http=True, allow="127.0.0.1/32"),
    )
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces = Traces(provider, system="rabbitmq" if broker_url else "leveret")
    if broker_url:
        launchers = [
            Launcher(settings, gateway=True, tracer=traces),
            Launcher(settings, gateway=False, targets=targets, tracer=traces),
        ]
    else:
        launchers = [Launcher(settings, gateway=True, targets=targets, tracer=traces)]
    async with asyncio.TaskGroup() as group:
        for launcher in launchers:
            group.create_task(launcher.run())
        async with asyncio.timeout(PATIENCE):
            for launcher in launchers:
                await launcher.ready.wait()
        site = Site(launchers[0].url, exporter)
        site.broker_url, site.namespace = broker_url, settings.namespace
        yield site
        for launcher in launchers:
            launcher.stop()


def named(spans: Sequence[ReadableSpan], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name == name]


def one(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    (span,) = named(spans, name)
    return span


def number(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"{context.span_id:016x}"


def whole(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}"


def parent(span: ReadableSpan) -> str:
    return "" if span.parent is None else f"{span.parent.span_id:016x}"


async def test_a_prediction_is_one_trace_from_its_request_to_its_webhook(site: Site) -> None:
    async with receiving() as receiver:
        ended = await site.run(
            "tell",
            GIVEN,
            input={"text": SECRET},
            webhook=f"{receiver.url}?token={SECRET}",
            webhook_events_filter=["completed"],
        )
        (told,) = await receiver.wait(1)
        spans = await site.until(lambda spans: bool(named(spans, "POST")))
    request = one(spans, "POST /v1/models/{owner}/{name}/predictions")
    publish, waited = one(spans, "publish local/tell"), one(spans, "queued local/tell")
    attempt, run, call = one(spans, "process local/tell"), one(spans, "run local/tell"), one(spans, "POST")

    assert {WHOLE} == {whole(span) for span in (request, publish, waited, attempt, run, call)}
    assert [CLIENT, number(request)] == [parent(request), parent(publish)]
    assert {number(publish)} == {parent(span) for span in (waited, attempt, call)}
    assert number(attempt) == parent(run)
    assert f"00-{WHOLE}-{number(run)}-01" == ended["output"]
    assert f"00-{WHOLE}-{number(call)}-01" == told.headers["traceparent"]
    assert "vendor=hare" == told.headers["tracestate"]
    assert [SpanKind.SERVER, SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.CLIENT] == [
        span.kind for span in (request, publish, attempt, call)
    ]
    assert ended["id"] == (attempt.attributes or {})["messaging.message.id"]
    assert SECRET not in "".join(span.to_json() for span in site.spans)


async def test_a_retry_belongs_to_the_trace_of_its_prediction(site: Site) -> None:
    ended = await site.run("tell", GIVEN, input={"text": "hare", "retry": True})
    spans = await site.until(lambda spans: len(named(spans, "process local/tell")) == 2)
    first, second = named(spans, "process local/tell")

    assert "succeeded" == ended["status"]
    assert {WHOLE} == {whole(first), whole(second)}
    assert parent(first) == parent(second) == number(one(spans, "publish local/tell"))
    assert [1, 2] == [(span.attributes or {})["leveret.attempt"] for span in (first, second)]
    assert StatusCode.ERROR == first.status.status_code
    assert StatusCode.ERROR != second.status.status_code


async def test_a_failure_is_marked_without_what_the_model_has_said(site: Site) -> None:
    ended = await site.run("tell", {}, input={"text": SECRET, "fail": True})
    spans = await site.until(lambda spans: bool(named(spans, "process local/tell")))
    run = one(spans, "run local/tell")

    assert SECRET in str(ended["error"])
    assert StatusCode.ERROR == run.status.status_code
    assert "raised" == (run.attributes or {})["error.type"]
    assert SECRET not in "".join(span.to_json() for span in site.spans)


async def test_a_batch_is_linked_with_the_traces_of_its_members(site: Site) -> None:
    ended = await asyncio.gather(*[site.run("together", {}, input={"texts": text}) for text in "abcd"])
    spans = await site.until(lambda spans: len(named(spans, "process local/together")) == 4)
    batches = named(spans, "batch local/together")
    members = {number(span) for span in named(spans, "process local/together")}
    linked = {f"{link.context.span_id:016x}" for batch in batches for link in batch.links}

    assert {"succeeded"} == {str(one["status"]) for one in ended}
    assert batches
    assert linked <= members
    assert {number(batch) for batch in batches} >= {
        f"{link.context.span_id:016x}" for run in named(spans, "run local/together") for link in run.links
    }


async def test_a_setup_is_a_trace_of_its_own(site: Site) -> None:
    setups = [span for span in site.spans if span.name.startswith("setup ")]

    assert ["setup local/tell", "setup local/together"] == sorted(span.name for span in setups)
    assert [None, None] == [span.parent for span in setups]


async def test_a_refused_request_is_told_by_its_code(site: Site) -> None:
    await site.run("nobody", GIVEN, input={})
    request = one(await site.until(bool), "POST /v1/models/{owner}/{name}/predictions")

    assert 404 == (request.attributes or {})["http.response.status_code"]
    assert "model_not_found" == (request.attributes or {})["error.type"]
    assert StatusCode.UNSET == request.status.status_code


async def test_who_publishes_over_amqp_sets_the_trace_in_the_header(servers: tuple[str, str], tmp_path: Path) -> None:
    async with _serving(tmp_path, *servers) as site:
        await asyncio.to_thread(_publish, site)
        spans = await site.until(lambda spans: bool(named(spans, "process local/tell")))
        attempt = one(spans, "process local/tell")

    assert [WHOLE, CLIENT] == [whole(attempt), parent(attempt)]


def _publish(site: Site) -> None:
    with pika.BlockingConnection(pika.URLParameters(site.broker_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(
            exchange=site.namespace,
            routing_key="local.tell.0",
            body=b'{"id":"amqp1","model":"local/tell","input":{"text":"hare","retry":true},"created_at":1.6e9}',
            properties=pika.BasicProperties(delivery_mode=2, headers=dict(GIVEN)),
            mandatory=True,
        )
