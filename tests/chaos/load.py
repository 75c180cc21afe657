"""The load: clients that submit, watch, poll, wait and cancel, and write down everything they are answered."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

import httpx2
import msgspec
from msgspec import Raw, Struct

from leveret.core import events
from leveret.core.events import Entry
from leveret.core.prediction import Status
from tests.chaos.history import Accepted, History, Output, Polled, Refused, Seen, now, output

PATIENCE: Final = 8.0
"""Seconds after which a client hangs up and asks again: a gateway that is stopped answers nothing."""

LENGTHS: Final = (0.0, 0.005, 0.02, 0.05, 0.3, 2.0, 5.0)
LENGTH_WEIGHTS: Final = (50, 40, 40, 40, 20, 8, 2)
"""How long the runs take, in seconds: most are over soon, some outlast a lease, so that always something runs."""

BEHAVIOURS: Final = ("leave", "poll", "watch", "wait", "cancel", "cancel late")
BEHAVIOUR_WEIGHTS: Final = (25, 25, 25, 10, 10, 5)

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0


class Shown(Struct):
    """What the load looks at in a prediction."""

    id: str
    status: Status
    attempt: int
    output: Raw


class Load:
    """A client for each prediction. `submit` goes on for some seconds; `watched` is over when every client is."""

    def __init__(self, url: str, history: History, *, seed: int, rate: float) -> None:
        self._history = history
        self._random = random.Random(f"load {seed}")
        self._rate = rate
        self._numbers = itertools.count()
        self._streams = itertools.count()
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=50)
        self._client = httpx2.AsyncClient(base_url=url, timeout=PATIENCE, limits=limits)

    async def run(self, seconds: float, submitted: asyncio.Event) -> None:
        """Submit for so many seconds, set `submitted`, and return when everybody has seen how it ended."""
        until = now() + seconds
        async with self._client, asyncio.TaskGroup() as clients:
            while now() < until:
                clients.create_task(self._be_client(next(self._numbers)))
                await asyncio.sleep(self._random.expovariate(self._rate))
            submitted.set()

    async def _be_client(self, number: int) -> None:
        model = self._random.choice(("square", "count"))
        (seconds,) = self._random.choices(LENGTHS, LENGTH_WEIGHTS)
        (behaviour,) = self._random.choices(BEHAVIOURS, BEHAVIOUR_WEIGHTS)
        delay = self._random.uniform(0.0, 0.3 if behaviour == "cancel" else 3.0)
        accepted = await self._submit(number, model, seconds, wait=behaviour == "wait")
        match behaviour:
            case _ if accepted is None:
                return
            case "poll":
                await self._poll(accepted)
            case "watch":
                await self._watch(accepted)
            case "cancel" | "cancel late":
                await asyncio.sleep(delay)
                await self._cancel(accepted)
                await self._poll(accepted)

    async def _submit(self, number: int, model: str, seconds: float, *, wait: bool) -> str | None:
        """The id, if it was accepted. What was refused is not tried again: the next client comes anyway."""
        asked = now()
        answer = await self._request(
            "submit",
            "POST",
            f"/v1/models/local/{model}/predictions",
            content=msgspec.json.encode({"input": {"n": number, "seconds": seconds}}),
            headers={"Prefer": "wait=5"} if wait else {},
        )
        if answer is None:
            return None
        shown = _shown(answer)
        expected: Output = number * number if model == "square" else [number, number + 1, number + 2]
        self._history.add(Accepted(now(), shown.id, f"local/{model}", expected, answer.status_code == 201))
        if wait:
            self._history.add(_polled(shown, asked, "wait"))
        return shown.id

    async def _poll(self, prediction_id: str) -> None:
        pause = FIRST_PAUSE
        while True:
            asked = now()
            answer = await self._request("get", "GET", f"/v1/predictions/{prediction_id}")
            if answer is not None:
                shown = _shown(answer)
                self._history.add(_polled(shown, asked, "get"))
                if shown.status.terminal:
                    return
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)

    async def _cancel(self, prediction_id: str) -> None:
        while True:
            asked = now()
            answer = await self._request("cancel", "POST", f"/v1/predictions/{prediction_id}/cancel")
            if answer is not None:
                self._history.add(_polled(_shown(answer), asked, "cancel"))
                return
            await asyncio.sleep(FIRST_PAUSE)

    async def _watch(self, prediction_id: str) -> None:
        """Follow the events to the final one, through as many streams as it takes."""
        last = 0
        pause = FIRST_PAUSE
        while True:
            stream = next(self._streams)
            try:
                async with aclosing(self._events(prediction_id, last)) as entries:
                    async for entry in entries:
                        self._history.add(Seen(now(), prediction_id, stream, entry.number, entry.event))
                        last, pause = entry.number, FIRST_PAUSE
                        if entry.final:
                            return
            except httpx2.TransportError:
                self._history.add(Refused(now(), "watch", 0))
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)

    async def _events(self, prediction_id: str, last: int) -> AsyncGenerator[Entry, None]:
        headers = {"Last-Event-ID": str(last)} if last else {}
        async with self._client.stream("GET", f"/v1/predictions/{prediction_id}/events", headers=headers) as answer:
            if answer.status_code != 200:
                await answer.aread()
                self._history.add(Refused(now(), "watch", answer.status_code, answer.text[:500]))
                return
            number = 0
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    number = int(line.removeprefix("id: "))
                elif line.startswith("data: "):
                    yield Entry(number, events.decode(line.removeprefix("data: ").encode()))

    async def _request(
        self, what: str, method: str, path: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx2.Response | None:
        try:
            answer = await self._client.request(method, path, content=content, headers=headers)
        except httpx2.TransportError:
            self._history.add(Refused(now(), what, 0))
            return None
        if answer.status_code not in {200, 201, 202}:
            self._history.add(Refused(now(), what, answer.status_code, answer.text[:500]))
            return None
        return answer


def _shown(answer: httpx2.Response) -> Shown:
    return msgspec.json.decode(answer.content, type=Shown)


def _polled(shown: Shown, asked: float, by: str) -> Polled:
    return Polled(asked, now(), by, shown.id, shown.status, shown.attempt, output(shown.output))
