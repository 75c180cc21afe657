from __future__ import annotations

import pytest

from leveret.core import control
from leveret.core.control import Cancel
from leveret.errors import Undecodable


def test_a_message_says_what_was_meant() -> None:
    message = control.encode(Cancel("p1"))

    assert b'{"type":"cancel","prediction_id":"p1"}' == message
    assert Cancel("p1") == control.decode(message)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"type":"dance","prediction_id":"p1"}',
        b'{"type":"cancel"}',
        b'{"type":"cancel","prediction_id":1}',
        b'{"type":"cancel","prediction_id":"p1","at":1}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_message_of_ours_is_refused_cleanly(message: bytes) -> None:
    with pytest.raises(Undecodable, match="control message"):
        control.decode(message)
