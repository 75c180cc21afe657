"""Mutations: what was valid, with a few of its bytes taken for others."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec import Struct

INTERESTING = (
    b"",
    b"\0",
    b"\xff",
    b'"',
    b"\\",
    b"{",
    b"[",
    b"null",
    b"-1",
    b"1e999",
    b"9" * 400,
    b"[" * 2000,
    b"\\ud800",
)


class Change(Struct, frozen=True):
    """In place of `length` bytes at `at`, counted around, stands `new`."""

    at: int
    length: int
    new: bytes

    def made(self, data: bytes) -> bytes:
        at = self.at % (len(data) + 1)
        return data[:at] + self.new + data[at + self.length :]


changes = st.lists(
    st.builds(
        Change,
        at=st.integers(0, 10_000),
        length=st.integers(0, 12),
        new=st.one_of(st.sampled_from(INTERESTING), st.binary(max_size=6)),
    ),
    min_size=1,
    max_size=4,
)


def mutated(valid: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Some of these with some changes."""

    def apply(data: bytes, made: list[Change]) -> bytes:
        for change in made:
            data = change.made(data)
        return data

    return st.builds(apply, valid, changes)
