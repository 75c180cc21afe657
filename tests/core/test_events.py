from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.core import events as log
from leveret.core.events import Entry, Event, Failed, Queued
from leveret.errors import Undecodable
from tests.core.strategies import events


@given(events)
def test_an_event_survives_the_log(event: Event) -> None:
    assert event == log.decode(log.encode(event))


@given(st.binary(max_size=40))
def test_bytes_that_are_no_event_are_refused_cleanly(data: bytes) -> None:
    try:
        log.decode(data)
    except Undecodable as error:
        assert "event" in str(error)


def test_only_an_ending_for_good_is_final() -> None:
    assert Entry(1, Failed(1.0, "x")).final
    assert not Entry(1, Queued(1.0)).final


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(Undecodable, match="nonsense"):
        log.decode(b'{"type":"nonsense"}')
