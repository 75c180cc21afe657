"""A load of predictions, and the proof of what became of each that was accepted."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field

import httpx2

SUBMITTERS = 8


@dataclass
class Load:
    """Submits until `count` were accepted; a refusal or a broken connection is no acceptance and is tried again."""

    base_url: str
    model: str
    count: int = 0
    accepted: dict[str, int] = field(default_factory=dict)
    key: str = ""

    def _client(self) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx2.AsyncClient(base_url=self.base_url, timeout=20, headers=headers)

    async def submit(self, *, disturb: Callable[[], Awaitable[None]]) -> None:
        """Submit everything; when half is accepted, `disturb` runs beside it."""
        numbers = iter(range(self.count))
        half = asyncio.Event()
        async with self._client() as client, asyncio.TaskGroup() as group:
            for _ in range(SUBMITTERS):
                group.create_task(self._submit_some(client, numbers, half))
            await half.wait()
            await disturb()

    async def steadily(self, rate: float, *, disturb: Callable[[], Coroutine[None, None, None]]) -> None:
        """Submit so many in a second for as long as `disturb` takes."""
        numbers = itertools.count()
        async with self._client() as client, asyncio.TaskGroup() as group:
            disturbing = group.create_task(disturb())
            while not disturbing.done():
                group.create_task(self._submit_one(client, next(numbers)))
                await asyncio.sleep(1 / rate)

    async def results(self, patience: float = 90.0) -> None:
        """Wait until every accepted prediction has ended, and check each of them.

        Every one has succeeded with its own result, and its log says so exactly once.
        """
        async with asyncio.timeout(patience), self._client() as client:
            waiting = list(self.accepted)
            while waiting:
                states = await self._states(client, waiting)
                waiting = [name for name, state in states.items() if state["status"] not in ("succeeded", "failed")]
                for name in states.keys() - set(waiting):
                    assert states[name]["status"] == "succeeded", states[name]
                    assert states[name]["output"] == self.accepted[name], states[name]
                if waiting:
                    await asyncio.sleep(0.25)
            for name in self.accepted:
                kinds = await self._kinds(client, name)
                assert kinds["succeeded"] == 1, (name, kinds)
                assert kinds["started"] == kinds["reset"] + 1, (name, kinds)

    async def _submit_some(self, client: httpx2.AsyncClient, numbers: Iterator[int], half: asyncio.Event) -> None:
        for number in numbers:
            await self._submit_one(client, number)
            if 2 * len(self.accepted) >= self.count:
                half.set()

    async def _submit_one(self, client: httpx2.AsyncClient, number: int) -> None:
        while (accepted := await self._accepted(client, number)) is None:
            await asyncio.sleep(0.1)
        self.accepted[accepted] = number

    async def _accepted(self, client: httpx2.AsyncClient, number: int) -> str | None:
        try:
            answer = await client.post(f"/v1/models/{self.model}/predictions", json={"input": {"n": number}})
        except httpx2.TransportError:
            return None
        if answer.status_code in (201, 202):
            return str(answer.json()["id"])
        assert answer.status_code in (404, 503), answer.text  # 404: just started, no card seen yet
        return None

    async def _states(self, client: httpx2.AsyncClient, names: list[str]) -> dict[str, dict[str, object]]:
        async def state(name: str) -> dict[str, object]:
            while True:
                try:
                    answer = await client.get(f"/v1/predictions/{name}")
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)
                    continue
                if answer.status_code == 503:
                    await asyncio.sleep(0.1)
                    continue
                assert answer.status_code == 200, answer.text
                found: dict[str, object] = answer.json()
                return found

        found: dict[str, dict[str, object]] = {}
        for start in range(0, len(names), 50):
            some = names[start : start + 50]
            found.update(zip(some, await asyncio.gather(*map(state, some)), strict=True))
        return found

    async def _kinds(self, client: httpx2.AsyncClient, name: str) -> Counter[str]:
        answer = await client.get(f"/v1/predictions/{name}/events")
        lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
        return Counter(json.loads(line.removeprefix("data: "))["type"] for line in lines)
