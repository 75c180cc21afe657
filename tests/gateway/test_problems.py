"""Errors as problems, over HTTP."""

from __future__ import annotations

import pytest

from leveret.errors import IllegalTransition, LeveretError
from leveret.gateway.problems import answer
from tests.gateway.served import Gateway

PROBLEM = "application/problem+json"


def leaves(error: type[LeveretError]) -> list[type[LeveretError]]:
    return [error] + [leaf for below in error.__subclasses__() for leaf in leaves(below)]


async def test_a_problem_has_the_members_of_the_standard(gateway: Gateway) -> None:
    response = await gateway.client.get("/v1/predictions/nothing")

    assert (404, PROBLEM) == (response.status_code, response.headers["content-type"])
    assert {
        "type": "urn:leveret:problem:prediction_not_found",
        "title": "Prediction not found",
        "status": 404,
        "detail": "there is no prediction 'nothing'; check the id that its creation answered",
        "code": "prediction_not_found",
        "prediction_id": "nothing",
    } == response.json()


@pytest.mark.parametrize("path", ["/v1", "/v1/predictions/", "/v1/models/local/echo/", "/v1/models/a/b/c", "/%ff"])
async def test_a_path_without_an_endpoint_is_not_found(gateway: Gateway, path: str) -> None:
    response = await gateway.client.get(path)

    assert (404, "path_not_found") == (response.status_code, response.json()["code"])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/predictions", "GET, HEAD, POST"),
        ("PUT", "/v1/predictions/x", "DELETE, GET, HEAD"),
        ("GET", "/v1/predictions/x/cancel", "POST"),
        ("OPTIONS", "/v1/models/local/echo/predictions", "POST"),
        ("QUERY", "/v1/models/local/echo", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_possible_names_those_that_are(
    gateway: Gateway, method: str, path: str, allowed: str
) -> None:
    response = await gateway.client.request(method, path)

    assert (405, "method_not_allowed") == (response.status_code, response.json()["code"])
    assert allowed == response.headers["allow"]


async def test_what_nobody_expected_tells_nothing_of_the_inside(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.broker.trouble = ZeroDivisionError("secret")

    response = await gateway.post()

    assert (500, PROBLEM, "internal") == (
        response.status_code,
        response.headers["content-type"],
        response.json()["code"],
    )
    assert "secret" not in response.text
    assert "secret" in caplog.text


async def test_a_problem_outlives_the_data_of_its_error() -> None:
    error = IllegalTransition(status="succeeded", attempt=1, event="started")

    assert b'"status":409' in bytes(answer(error).body)
    assert b'"event":"started"' in bytes(answer(error).body)


def test_every_code_is_used_once_or_inherited() -> None:
    own = [error.code for error in leaves(LeveretError) if "code" in error.__dict__]

    assert sorted(set(own)) == sorted(own)
