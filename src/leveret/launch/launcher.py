"""The launcher: starts the roles of a process in their order, and stops them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

from leveret.backends import Backends, RemoteBackends, connect, connect_remotely
from leveret.config import Settings
from leveret.core.tracing import UNTRACED, Tracer
from leveret.errors import DuplicateModel, UsageError
from leveret.gateway.server import probe_config
from leveret.launch import roles
from leveret.launch.listening import address, listen
from leveret.launch.probes import Probes
from leveret.launch.serving import Server
from leveret.observe.metrics import Metrics
from leveret.replies import Replies
from leveret.worker.patience import Leavable
from leveret.worker.supervisor import Worker


class Launcher:
    """Runs the chosen roles in this process until it is stopped.

    1. connects the backends, 2. starts the workers and the sweeper, and the gateway once every target has loaded,
    3. is `ready` once every worker consumes, 4. on `stop`, or when a target does not load, drains the workers and
    closes the gateway, 5. closes the backends.
    """

    def __init__(
        self, settings: Settings, *, gateway: bool, targets: Sequence[str] = (), tracer: Tracer = UNTRACED
    ) -> None:
        self.ready = asyncio.Event()
        self.url = ""
        self.open = False
        """Whether nobody is asked for an API key."""
        self._settings = settings
        self._gateway = gateway
        self._targets = targets
        self._workers: list[Worker] = []
        self._server: Server | None = None
        self._stopping = asyncio.Event()
        self._connecting = Leavable()
        self._loaded = asyncio.Event()
        self._models: dict[str, str] = {}
        self._metrics = Metrics()
        self._tracer = tracer
        self._mistake: UsageError | None = None

    async def run(self) -> None:
        """Run until stopped. Raises UsageError."""
        async with AsyncExitStack() as stack:
            listener, probing = self._listeners(stack)
            backends: Backends | RemoteBackends | None = None
            async with self._connecting.block():
                backends = await self._connect(stack)
            if backends is not None:
                await self._run(backends, listener, probing)
        if self._mistake is not None:
            raise self._mistake

    def stop(self) -> None:
        """Stop taking work and finish what runs; called again: hand it back at once."""
        self._stopping.set()
        self._connecting.leave()
        for worker in self._workers:
            worker.drain()
        if self._server is not None:
            self._server.close()

    @property
    def _patience(self) -> float:
        """A worker insists by itself; whoever waits for an HTTP answer wants to know soon."""
        return self._settings.gateway.patience if self._gateway else self._settings.worker.lease

    @property
    def _replies(self) -> bool:
        return self._gateway or self._settings.worker.replies

    def _listeners(self, stack: AsyncExitStack) -> tuple[socket.socket | None, socket.socket | None]:
        """Where the gateway, and where the probes of the workers are to be served."""
        gateway, worker = self._settings.gateway, self._settings.worker
        listener = probing = None
        if self._gateway:
            listener = stack.enter_context(listen(gateway.host, gateway.port, settings="gateway.", flags="--"))
        if self._targets and worker.health_port:
            names = {"settings": "worker.health_", "flags": "--worker-health-"}
            probing = stack.enter_context(listen(worker.health_host, worker.health_port, **names))
        return listener, probing

    async def _connect(self, stack: AsyncExitStack) -> Backends | RemoteBackends:
        """A worker alone may have a gateway for its store."""
        settings, meter = self._settings, self._metrics
        if settings.remote and not self._gateway:
            remotely = connect_remotely(settings, patience=self._patience, meter=meter)
            return await stack.enter_async_context(remotely)
        return await stack.enter_async_context(connect(settings, patience=self._patience, meter=meter))

    async def _run(
        self, backends: Backends | RemoteBackends, listener: socket.socket | None, probing: socket.socket | None
    ) -> None:
        settings = self._settings
        replies = roles.replies(settings, backends, signed=self._asks)
        self._workers = [self._worker(target, backends, replies) for target in self._targets]
        for worker in self._workers:
            self._metrics.watch(worker.readings)
        whole = backends if isinstance(backends, Backends) else None
        if listener is not None and whole is not None:
            self._server = roles.server(settings, whole, self._metrics, self._tracer)
            scheme = "https" if settings.gateway.tls.any else "http"
            self.url = settings.gateway.base_url or address(listener, scheme=scheme)
        if self._stopping.is_set():
            return
        if listener is not None and whole is not None:
            self.open = await roles.admitted(settings.gateway, whole)
        async with asyncio.TaskGroup() as background:
            replying = background.create_task(replies.run())
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(self._work(worker))
                tasks = [background.create_task(self._announce()), background.create_task(self._show(probing))]
                if self._server is not None and listener is not None and whole is not None:
                    group.create_task(self._serve(self._server, listener))
                    tasks.append(background.create_task(roles.sweeper(settings.sweeper, whole, replies).run()))
                    telling = roles.tell(settings, whole, self._metrics, self._tracer, signed=self._asks)
                    tasks.append(background.create_task(telling))
                group.create_task(self._end(tasks))
            replying.cancel()

    def _worker(self, target: str, backends: Backends | RemoteBackends, replies: Replies) -> Worker:
        return Worker(
            target=target,
            settings=self._settings.worker,
            broker=backends.broker,
            runs=backends.store,
            registry=backends.store,
            blobs=backends.blobs,
            outbound=self._settings.outbound,
            admit=partial(self._admit, target),
            reply=replies.add if self._replies else roles.left_to_gateways,
            meter=self._metrics,
            tracer=self._tracer,
        )

    def _admit(self, target: str, model: str) -> None:
        if model in self._models:
            raise DuplicateModel(one=self._models[model], other=target, model=model)
        self._models[model] = target

    def _asks(self) -> bool:
        return not self.open

    async def _work(self, worker: Worker) -> None:
        try:
            await worker.run()
        except UsageError as error:
            self._mistake = self._mistake or error
            if not self._stopping.is_set():
                self.stop()

    async def _serve(self, server: Server, listener: socket.socket) -> None:
        await self._loaded.wait()
        if not self._stopping.is_set():
            await server.serve(sockets=[listener])

    async def _show(self, listener: socket.socket | None) -> None:
        """Let others see for ever how the workers are."""
        if listener is None:
            return
        probes = Probes(workers=[worker.wrong for worker in self._workers], meter=self._metrics)
        await Server(probe_config(probes), closing=asyncio.Event()).serve(sockets=[listener])

    async def _announce(self) -> None:
        for worker in self._workers:
            await worker.loaded.wait()
        self._loaded.set()
        for worker in self._workers:
            await worker.ready.wait()
        if self._server is not None:
            await self._server.serving.wait()
        self.ready.set()

    async def _end(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        await self._stopping.wait()
        self._loaded.set()
        for task in tasks:
            task.cancel()
