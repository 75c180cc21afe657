"""The admin API's queues, over HTTP."""

from __future__ import annotations

from tests.gateway.served import ECHO, Gateway
from tests.gateway.test_models import TREE


async def test_each_model_shows_what_waits_what_runs_and_who_works(gateway: Gateway) -> None:
    await gateway.store.announce(TREE, worker="w2", lease=0.0)
    await gateway.store.announce(ECHO, worker="w3", lease=60)
    created = [await gateway.create() for _ in range(4)]
    async with gateway.broker.consume(ECHO.model, ahead=1) as deliveries:
        (delivery,) = await deliveries.take(1)
        await gateway.worker.start(delivery.prediction.id)
        delivery.ack()
    assert created

    found = (await gateway.client.get("/admin/v1/queues")).json()["results"]

    assert [ECHO.model] == [queue["model"] for queue in found]
    assert {"waiting": 3, "lanes": [1, 2, 0, 0], "running": 1, "workers": 2} == {
        name: value for name, value in found[0].items() if name != "model"
    }


async def test_a_model_without_workers_or_predictions_is_shown(gateway: Gateway) -> None:
    await gateway.store.announce(TREE, worker="w2", lease=60)
    await gateway.store.announce(TREE, worker="w2", lease=0)

    tree, echo = (await gateway.client.get("/admin/v1/queues")).json()["results"]

    assert (TREE.model, 0, [0, 0, 0, 0], 0, 0) == tuple(tree.values())
    assert (ECHO.model, 1) == (echo["model"], echo["workers"])
