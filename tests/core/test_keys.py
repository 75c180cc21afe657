from __future__ import annotations

import os

import pytest

from leveret.core.keys import SIZE, ApiKey, Scope, digest, is_scope, new_key


def key(*scopes: str, expires_at: float | None = None) -> ApiKey:
    return ApiKey(digest=digest("lv_a"), account="alice", scopes=scopes, created_at=1.0, expires_at=expires_at)


def test_every_key_is_another_one_and_fits_into_a_header() -> None:
    made = {new_key(os.urandom(SIZE)) for _ in range(100)}

    assert 100 == len(made)
    assert all(one.startswith("lv_") and len(one) == 46 and one.isascii() and " " not in one for one in made)


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        ("read", {Scope.READ}),
        ("predict", {Scope.READ, Scope.PREDICT}),
        ("admin", set(Scope)),
        ("worker:acme/ocr", set()),
    ],
)
def test_wider_scopes_imply_narrower_ones_and_a_workers_none(scope: str, may: set[Scope]) -> None:
    assert may == {one for one in Scope if key(scope).may(one)}


def test_a_key_is_valid_until_it_expires() -> None:
    assert key("read").valid(at=1e12)
    assert key("read", expires_at=5.0).valid(at=4.9)
    assert not key("read", expires_at=5.0).valid(at=5.0)


@pytest.mark.parametrize("text", ["read", "predict", "admin", "worker:acme/ocr"])
def test_these_are_scopes(text: str) -> None:
    assert is_scope(text)


@pytest.mark.parametrize("text", ["", "write", "worker:", "worker:acme", "Admin"])
def test_these_are_none(text: str) -> None:
    assert not is_scope(text)
