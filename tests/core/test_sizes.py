"""Sizes as people write them."""

from __future__ import annotations

import pytest

from leveret.core import sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512 B", 512),
        ("2 GiB", 2 * 1024**3),
        ("1.5gib", 3 * 1024**3 // 2),
        (" 300MB ", 300_000_000),
        ("1 KiB", 1024),
        ("0.5 TB", 500_000_000_000),
    ],
)
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert size == sizes.parse(text)


@pytest.mark.parametrize("text", ["", "2", "GiB", "2 hares", "-1 GiB", "1e3 KB", "2 GiB more", "٢ GiB"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write for example '2 GiB'"):
        sizes.parse(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (2 * 1024**3, "2 GiB"),
        (2_469_606_195, "2.3 GiB"),
        (2**52, "4096 TiB"),
    ],
)
def test_a_size_is_shown_in_a_unit_that_is_easy_to_read(size: int, text: str) -> None:
    assert text == sizes.shown(size)
