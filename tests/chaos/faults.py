"""The faults: a schedule that a seed decides, and what does them to a deployment."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import psutil
from msgspec import Struct
from pika.exceptions import AMQPError

from leveret.core import lanes
from leveret.testing.rabbitmq_server import NoRabbitMQ
from tests.chaos.deployment import MODELS, Deployment
from tests.chaos.history import History, Struck, now
from tests.system.program import Program


class Kind(Struct, frozen=True):
    """A kind of fault: how often it is chosen, what it strikes, and between how many seconds until it is undone."""

    weight: int
    parts: tuple[str, ...]
    shortest: float
    longest: float


WORKERS: Final = ("worker 0", "worker 1")
LANES: Final = tuple(f"{model} {lane}" for model in MODELS for lane in range(lanes.COUNT))

KINDS: Final = {
    "kill": Kind(5, WORKERS, 0.0, 3.0),
    "stop": Kind(5, WORKERS, 0.5, 12.0),  # the lease is 3 seconds
    "restart": Kind(2, WORKERS, 0.0, 0.5),
    "kill model": Kind(5, WORKERS, 0.0, 0.0),
    "stop model": Kind(2, WORKERS, 0.5, 4.0),
    "kill gateway": Kind(3, ("gateway",), 0.0, 1.5),
    "stop gateway": Kind(2, ("gateway",), 0.5, 4.0),
    "kill redis": Kind(3, ("redis",), 0.0, 4.0),
    "stop redis": Kind(1, ("redis",), 0.5, 4.0),
    "kill rabbit": Kind(2, ("rabbit",), 0.0, 2.0),
    "cut connections": Kind(1, ("rabbit",), 0.0, 0.0),
    "block publishers": Kind(2, ("rabbit",), 0.5, 3.0),
    "delete lane": Kind(4, LANES, 0.0, 0.0),
}

SHORTEST_GAP: Final = 0.3
LONGEST_GAP: Final = 3.5
"""Seconds between two faults: often the next one strikes before the last is undone."""


class Fault(Struct, frozen=True):
    """One fault of the schedule: `at` so many seconds after the beginning."""

    at: float
    kind: str
    part: str
    seconds: float


def schedule(seed: int, seconds: float, kinds: Sequence[str] = tuple(KINDS)) -> list[Fault]:
    """The faults of this seed. Those of a longer time begin with those of a shorter one."""
    chance = random.Random(f"faults {seed}")
    planned: list[Fault] = []
    at = 0.0
    while (at := at + chance.uniform(SHORTEST_GAP, LONGEST_GAP)) < seconds:
        (name,) = chance.choices(kinds, [KINDS[kind].weight for kind in kinds])
        kind = KINDS[name]
        planned.append(Fault(at, name, chance.choice(kind.parts), chance.uniform(kind.shortest, kind.longest)))
    return planned


class Faults:
    """Does them. What would strike a part whose last fault is not undone yet is left out, the more the slower it is."""

    def __init__(self, deployment: Deployment, history: History) -> None:
        self._deployment = deployment
        self._history = history
        self._turns: dict[str, asyncio.Lock] = {}
        self._acts: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "kill": self._kill_worker,
            "stop": self._stop_worker,
            "restart": self._restart,
            "kill model": self._kill_model,
            "stop model": self._stop_model,
            "kill gateway": self._kill_gateway,
            "stop gateway": self._stop_gateway,
            "kill redis": self._kill_redis,
            "stop redis": self._stop_redis,
            "kill rabbit": self._kill_rabbit,
            "cut connections": self._cut_connections,
            "block publishers": self._block_publishers,
            "delete lane": self._delete_lane,
        }

    async def run(self, planned: Sequence[Fault]) -> None:
        """Do all of them, and return when the last is undone."""
        clock = asyncio.get_running_loop().time
        began = clock()
        async with asyncio.TaskGroup() as group:
            for fault in planned:
                await asyncio.sleep(max(0.0, began + fault.at - clock()))
                group.create_task(self._strike(fault))

    async def _strike(self, fault: Fault) -> None:
        part = "rabbit" if fault.part in LANES else fault.part
        turn = self._turns.setdefault(part, asyncio.Lock())
        if turn.locked():
            self._note(fault, missed="its part is struck already")
            return
        async with turn:
            self._note(fault)
            try:
                await self._acts[fault.kind](fault)
            except (NoRabbitMQ, AMQPError, psutil.NoSuchProcess, OSError) as error:
                self._note(fault, missed=repr(error))
            else:
                self._note(fault, healed=True)

    async def _kill_worker(self, fault: Fault) -> None:
        await self._kill(self._worker(fault), fault.seconds)

    async def _kill_gateway(self, fault: Fault) -> None:
        await self._kill(self._deployment.gateway, fault.seconds)

    async def _stop_worker(self, fault: Fault) -> None:
        await self._stop(self._worker(fault), fault.seconds)

    async def _stop_gateway(self, fault: Fault) -> None:
        await self._stop(self._deployment.gateway, fault.seconds)

    async def _restart(self, fault: Fault) -> None:
        worker = self._worker(fault)
        if worker.process.poll() is None:
            await asyncio.to_thread(worker.terminate)
        await asyncio.sleep(fault.seconds)
        worker.start()

    async def _kill_model(self, fault: Fault) -> None:
        for process in self._deployment.model_processes(_number(fault)):
            process.kill()

    async def _stop_model(self, fault: Fault) -> None:
        processes = self._deployment.model_processes(_number(fault))
        for process in processes:
            process.suspend()
        await asyncio.sleep(fault.seconds)
        for process in processes:
            process.resume()

    async def _kill_redis(self, fault: Fault) -> None:
        await asyncio.to_thread(self._deployment.redis.kill)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(self._deployment.redis.start)

    async def _stop_redis(self, fault: Fault) -> None:
        self._deployment.redis.signal(signal.SIGSTOP)
        await asyncio.sleep(fault.seconds)
        self._deployment.redis.signal(signal.SIGCONT)

    async def _kill_rabbit(self, fault: Fault) -> None:
        await asyncio.to_thread(self._deployment.settle_queues)
        await asyncio.to_thread(self._deployment.rabbit.kill)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(self._deployment.rabbit.start)

    async def _cut_connections(self, fault: Fault) -> None:
        await asyncio.to_thread(self._deployment.rabbit.ctl, "close_all_connections", "chaos")

    async def _block_publishers(self, fault: Fault) -> None:
        await asyncio.to_thread(self._deployment.rabbit.ctl, "set_vm_memory_high_watermark", "0")
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            await asyncio.to_thread(self._deployment.rabbit.ctl, "set_vm_memory_high_watermark", "0.4")

    async def _delete_lane(self, fault: Fault) -> None:
        model, lane = fault.part.split()
        await asyncio.to_thread(self._deployment.delete_lane, model, int(lane))

    async def _kill(self, program: Program, seconds: float) -> None:
        if program.process.poll() is None:
            await asyncio.to_thread(program.kill)
        await asyncio.sleep(seconds)
        program.start()

    async def _stop(self, program: Program, seconds: float) -> None:
        program.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        program.process.send_signal(signal.SIGCONT)

    def _worker(self, fault: Fault) -> Program:
        return self._deployment.workers[_number(fault)]

    def _note(self, fault: Fault, *, healed: bool = False, missed: str = "") -> None:
        self._history.add(Struck(now(), fault.kind, fault.part, fault.seconds, healed, missed))


def _number(fault: Fault) -> int:
    return int(fault.part.removeprefix("worker "))
