"""Hypothesis strategies for predictions, events and histories."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec import UNSET, Raw

from leveret.core.events import (
    Canceled,
    Event,
    Failed,
    Logs,
    Output,
    Progress,
    Queued,
    Reset,
    Started,
    Succeeded,
    Why,
)
from leveret.core.prediction import Blob, HookEvent, Means, Prediction, Priority, ReplyTo, Trace, Webhook

times = st.floats(min_value=0, max_value=4e9, allow_nan=False)
attempts = st.integers(min_value=1, max_value=4)
jsons = st.sampled_from([Raw(text) for text in (b"null", b"1", b'"a"', b"[]", b'{"n":[1,2]}')])
blobs = st.builds(
    Blob,
    key=st.just("outputs/x/1.json"),
    size=st.integers(min_value=0, max_value=2**40),
    sha256=st.just("0" * 64),
)

events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Queued, at=times),
    st.builds(Started, at=times, attempt=attempts, worker=st.text(max_size=5)),
    st.builds(Output, at=times, attempt=attempts, chunks=st.lists(jsons, max_size=3)),
    st.builds(Logs, at=times, attempt=attempts, text=st.text(max_size=8)),
    st.builds(Progress, at=times, attempt=attempts, fraction=st.floats(0, 1), message=st.text(max_size=4)),
    st.builds(
        Reset,
        at=times,
        attempt=attempts,
        reason=st.text(max_size=8),
        charged=st.integers(0, 4),
        suspect=st.sampled_from([UNSET, "w1"]),
        delay=st.floats(0, 86_400),
    ),
    st.builds(
        Succeeded,
        at=times,
        attempt=attempts,
        output=st.one_of(jsons, st.just(UNSET)),
        output_blob=st.none() | blobs,
    ),
    st.builds(
        Failed,
        at=times,
        error=st.text(max_size=8),
        attempt=st.none() | attempts,
        dead=st.none() | st.sampled_from(Why),
    ),
    st.builds(
        Canceled,
        at=times,
        attempt=st.none() | attempts,
        error=st.none() | st.text(max_size=8),
        stopped=st.none() | st.sampled_from(Means),
    ),
)

reports: st.SearchStrategy[Event] = st.one_of(
    st.builds(Output, at=times, attempt=st.just(1), chunks=st.lists(jsons, max_size=3)),
    st.builds(Logs, at=times, attempt=st.just(1), text=st.text(max_size=8)),
    st.builds(Progress, at=times, attempt=st.just(1), fraction=st.floats(0, 1)),
)
"""What the first run of a prediction reports."""

names = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,8}", fullmatch=True)

submissions = st.builds(
    Prediction,
    id=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    model=st.builds("{}/{}".format, names, names),
    input=st.sampled_from([Raw(b"{}"), Raw(b'{"n":3}'), Raw('{"t":"é\u2028"}'.encode())]),
    created_at=times,
    version=st.text(alphabet="0123456789abcdef", max_size=64),
    account=st.text(min_size=1, max_size=8),
    priority=st.sampled_from(Priority),
    lane=st.integers(0, 3),
    start_by=st.none() | times,
    deadline=st.none() | times,
    attempt=st.integers(0, 3),
    charged=st.integers(0, 3),
    input_blob=st.none() | blobs,
    reply_to=st.none() | st.builds(ReplyTo, st.text(min_size=1, max_size=8), st.text(max_size=8)),
    webhook=st.none()
    | st.builds(Webhook, url=st.text(), events=st.lists(st.sampled_from(HookEvent)).map(tuple), base=st.text()),
    trace=st.none()
    | st.builds(Trace, st.just("00-" + "1" * 32 + "-" + "2" * 16 + "-01"), st.sampled_from(["", "a=1"])),
)
