"""The two clients are the same but for how they wait."""

from __future__ import annotations

import inspect

import pytest

from leveret.client import AsyncClient, AsyncHandle, Client, Handle

ONLY_BLOCKING = {"letters", "monitor", "webhooks"}
"""What operators need from the command line alone."""


def public(kind: type) -> dict[str, object]:
    return {name: getattr(kind, name) for name in vars(kind) if not name.startswith("_")}


def arguments(method: object) -> str:
    assert callable(method)
    signature = inspect.signature(method)
    return str(signature.replace(return_annotation=inspect.Signature.empty))


@pytest.mark.parametrize(("blocking", "asynchronous"), [(Client, AsyncClient), (Handle, AsyncHandle)])
def test_both_clients_have_the_same_methods_with_the_same_arguments(blocking: type, asynchronous: type) -> None:
    one, other = public(blocking), public(asynchronous)

    assert one.keys() - ONLY_BLOCKING == other.keys()
    assert arguments(blocking) == arguments(asynchronous)
    for name, method in other.items():
        if not isinstance(method, property):
            assert arguments(one[name]) == arguments(method), name
            assert inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method), name
