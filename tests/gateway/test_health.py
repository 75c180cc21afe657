"""Health, over HTTP."""

from __future__ import annotations

from tests.gateway.served import Gateway


async def test_a_process_that_answers_is_live(gateway: Gateway) -> None:
    gateway.broker.blocked = gateway.store.away = True

    assert 200 == (await gateway.client.get("/health/live")).status_code


async def test_it_is_ready_when_broker_and_store_are_there(gateway: Gateway) -> None:
    assert 200 == (await gateway.client.get("/health/ready")).status_code


async def test_it_says_what_it_lacks(gateway: Gateway) -> None:
    gateway.broker.blocked = gateway.store.away = True

    answer = await gateway.client.get("/health/ready")

    problem = answer.json()
    assert (503, "unavailable") == (answer.status_code, problem["code"])
    assert "not connected" in problem["broker"]
    assert "it was switched off" in problem["store"]
    assert "retry-after" in answer.headers


async def test_it_is_ready_again_when_the_store_is_back(gateway: Gateway) -> None:
    gateway.store.away = True
    away = await gateway.client.get("/health/ready")
    gateway.store.away = False

    back = await gateway.client.get("/health/ready")

    assert (503, 200) == (away.status_code, back.status_code)
