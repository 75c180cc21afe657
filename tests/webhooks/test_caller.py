"""What a receiver answers, as it is understood."""

from __future__ import annotations

import pytest

from leveret.webhooks.caller import retry_after

NOW = 1_792_567_680.0
"""Wed, 21 Oct 2026 07:28:00 GMT."""


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (None, None),
        (" 7 ", 7.0),
        ("9" * 400, 9_999_999_999.0),
        ("Wed, 21 Oct 2026 07:28:05 GMT", 5.0),
        ("Wed, 21 Oct 2026 07:28:05 -0000", 5.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("Wed, 21 Oct 99999 07:28:05 GMT", None),
        (f"Wed, 21 Oct 2026 {'9' * 20}:28:05 GMT", None),
    ],
)
def test_whatever_a_receiver_writes_is_a_time_or_nothing(given: str | None, seconds: float | None) -> None:
    assert seconds == retry_after(given, now=NOW)
