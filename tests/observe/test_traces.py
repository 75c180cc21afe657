"""Spans as others see them: whose they are, how they are called, and what is not in them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from msgspec import Raw
from msgspec.structs import replace
from opentelemetry import trace as api
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from leveret.core.prediction import Prediction, Trace
from leveret.observe.traces import Traces

WHOLE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = Trace(f"00-{WHOLE}-{PARENT}-01", "vendor=hare")
ASKED = Prediction(id="p1", model="local/m", input=Raw(b"{}"), created_at=1.6e9, lane=2, trace=SAMPLED)


class Recorder:
    """Traces, and what they have recorded."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.traces = Traces(self.provider, system="rabbitmq")

    @property
    def one(self) -> ReadableSpan:
        (span,) = self.exporter.get_finished_spans()
        return span


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.provider.shutdown()


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_what_follows_from_a_span_is_in_its_trace_with_the_state_of_others(recorder: Recorder) -> None:
    with recorder.traces.publish(ASKED) as span:
        trace = span.trace

    assert trace is not None
    assert (WHOLE, "vendor=hare") == (trace.id, trace.tracestate)
    assert PARENT not in trace.traceparent
    assert attributes(recorder.one) == {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": "local/m",
        "messaging.message.id": "p1",
        "messaging.operation.type": "send",
        "messaging.operation.name": "publish",
        "leveret.model": "local/m",
        "leveret.prediction.id": "p1",
    }


@pytest.mark.parametrize("flags", ["00", "02"])
def test_a_trace_that_is_not_sampled_is_passed_on_and_not_recorded(recorder: Recorder, flags: str) -> None:
    theirs = Trace(f"00-{WHOLE}-{PARENT}-{flags}", "vendor=hare")
    recorder.traces.queued(replace(ASKED, trace=theirs))
    with recorder.traces.publish(replace(ASKED, trace=theirs)) as span:
        passed = span.trace

    assert theirs == passed
    assert () == recorder.exporter.get_finished_spans()


def test_a_batch_is_recorded_if_any_of_its_members_is(recorder: Recorder) -> None:
    theirs = Trace(f"00-{WHOLE}-{PARENT}-00")
    recorder.traces.batch("local/m", [theirs, theirs]).end()
    recorder.traces.batch("local/m", [theirs, SAMPLED]).end()

    assert 2 == attributes(recorder.one)["messaging.batch.message_count"]


def test_of_a_request_the_sampler_says_whether_it_is_recorded() -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF)
    with Traces(provider, system="rabbitmq").request("POST", "/v1", SAMPLED) as span:
        trace = span.trace

    assert trace is not None
    assert (WHOLE, False) == (trace.id, trace.sampled)


def test_a_request_is_a_part_of_what_somebody_else_records_of_the_server(recorder: Recorder) -> None:
    with recorder.provider.get_tracer("theirs").start_as_current_span("server") as theirs:
        recorder.traces.request("POST", "/v1", SAMPLED).end(status=201)
    ours, _ = recorder.exporter.get_finished_spans()

    assert ours.parent is not None
    assert theirs.get_span_context().span_id == ours.parent.span_id


def test_but_what_happens_to_a_prediction_is_not_a_part_of_whatever_is_current(recorder: Recorder) -> None:
    with recorder.provider.get_tracer("theirs").start_as_current_span("something"):
        recorder.traces.attempt(replace(ASKED, trace=None), 1, "w1").end(status="succeeded")
    ours, _ = recorder.exporter.get_finished_spans()

    assert ours.parent is None


@pytest.mark.parametrize(("status", "expected"), [(422, StatusCode.UNSET), (503, StatusCode.ERROR)])
def test_a_mistake_of_the_client_is_no_error_of_the_server(
    recorder: Recorder, status: int, expected: StatusCode
) -> None:
    recorder.traces.request("POST", "/v1", None).end(status=status, error="a_code")

    assert expected == recorder.one.status.status_code
    assert "a_code" == attributes(recorder.one)["error.type"]


def test_only_the_first_end_counts_and_what_is_raised_is_told_by_its_kind(recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="secret"), recorder.traces.publish(ASKED) as span:
        raise ValueError("secret")
    span.end(status="succeeded")

    assert "ValueError" == attributes(recorder.one)["error.type"]
    assert "secret" not in recorder.one.to_json()


def test_a_wait_begins_with_the_creation_unless_that_clock_is_ahead(recorder: Recorder) -> None:
    recorder.traces.queued(ASKED)
    recorder.traces.queued(replace(ASKED, created_at=time.time() + 60))
    usual, ahead = recorder.exporter.get_finished_spans()

    assert int(1.6e18) == usual.start_time
    assert ahead.start_time == ahead.end_time


def test_of_a_webhook_only_the_host_is_recorded(recorder: Recorder) -> None:
    recorder.traces.call(ASKED, "https://user:secret@hooks.example/secret?secret=1", 3).end(status=500, error="no")
    told = attributes(recorder.one)

    assert ("https", "hooks.example", 443) == (told["url.scheme"], told["server.address"], told["server.port"])
    assert 2 == told["http.request.resend_count"]
    assert "secret" not in recorder.one.to_json()


def test_nothing_is_left_current(recorder: Recorder) -> None:
    with recorder.traces.publish(ASKED):
        assert not api.get_current_span().get_span_context().is_valid
