"""The model process: loads the user's model, sets it up, runs what its worker sends and tells how it went.

`python -m leveret.worker.child FD TARGET SPOOL` is how worker.process starts it, with one end of a socket pair as the
inherited file descriptor FD; files are handed over in the folder SPOOL. The user's code runs in the main thread, in an
event loop if it is asynchronous. The process ends when it is told to stop and has finished, at once when its worker is
gone, and never because of what the user's code raises.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from leveret.errors import ModelLoadError
from leveret.model.load import Model, load
from leveret.model.where import Target
from leveret.worker.child.caller import Caller
from leveret.worker.child.capture import Capture
from leveret.worker.child.channel import Channel
from leveret.worker.child.descriptors import own_stderr
from leveret.worker.child.exchanges import Exchanges
from leveret.worker.child.health import checked
from leveret.worker.child.interrupts import Interrupts
from leveret.worker.child.reports import Reports
from leveret.worker.child.results import raised
from leveret.worker.child.session import bind
from leveret.worker.frames import Check, Loaded, NotReady, Ready, Run, Stop

if TYPE_CHECKING:
    from leveret.worker.child.loop import Loop


class _Parts(TypedDict):
    """What every way of serving needs."""

    model: Model
    predict: Target
    channel: Channel
    reports: Reports
    capture: Capture
    exchanges: Exchanges


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop; the exit code is 1 if the model cannot be served."""
    descriptor, target, *spool = arguments
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the worker too, which then stops its children
    bind()
    stderr = own_stderr()
    faulthandler.enable(stderr)  # what else a crash has to say is lost with the pipe of the capture
    interrupts = Interrupts()
    channel = Channel(int(descriptor), complaints=stderr, interrupts=interrupts)
    try:
        model = load(target)
        channel.send([Loaded(_ready(model))])
        loop = _loop() if model.asynchronous else None
        predict = model.start() if loop is None else loop.run(model.start_asynchronously())
    except BaseException as error:
        channel.send([_not_ready(error)])
        return 1
    held_off = interrupts.held_off if loop is None else nullcontext()  # in a loop nothing is interrupted
    reports = Reports(channel.send, held_off=held_off)
    capture = Capture(reports, stderr=stderr, held_off=held_off)
    capture.start()
    exchanges = Exchanges("".join(spool))
    parts = _Parts(model=model, predict=predict, channel=channel, reports=reports, capture=capture, exchanges=exchanges)
    serve = _in_turn(parts, interrupts) if loop is None else _at_once(parts, loop)
    channel.send([_ready(model)])
    try:
        serve()
    finally:
        capture.stop()
    return 0


def _in_turn(parts: _Parts, interrupts: Interrupts) -> Callable[[], None]:
    """Serves what runs one call after the other."""
    caller = Caller(**parts, interrupts=interrupts)
    return partial(_serve, parts["channel"], caller, parts["model"].healthcheck(parts["predict"]))


def _at_once(parts: _Parts, loop: Loop) -> Callable[[], None]:
    """Serves what runs several at once."""
    from leveret.worker.child.concurrent import Concurrent  # noqa: PLC0415 - as is the loop

    concurrent = Concurrent(**parts, loop=loop)
    concurrent.listen()
    return concurrent.serve


def _loop() -> Loop:
    from leveret.worker.child.loop import Loop  # noqa: PLC0415 - other models start sooner without asyncio

    return Loop()


def _serve(channel: Channel, caller: Caller, healthcheck: Target | None) -> None:
    while True:
        match channel.take():
            case Run(items=items):
                caller.run(items)
            case Check():
                said = checked(healthcheck)
                channel.send([said])
                if said.problem:
                    return
            case Stop():
                return


def _ready(model: Model) -> Ready:
    return Ready(
        model=model.options.name,
        version=model.version,
        input_schema=model.inputs.schema,
        output_schema=model.output_schema,
        description=model.description,
        batch=model.options.batch or 1,
        batch_window=model.options.batch_window,
        streams=model.streams,
        max_attempts=None if model.options.retries is None else model.options.retries + 1,
        queue_timeout=model.options.queue_timeout,
        total_timeout=model.options.total_timeout,
        retention=model.options.retention,
        reuse=model.options.reuse,
        concurrency=model.options.concurrency or 1,
        timeout=model.options.timeout,
        max_memory=model.options.max_memory,
        max_predictions=model.options.max_predictions_per_process,
        checks=model.checks,
    )


def _not_ready(error: BaseException) -> NotReady:
    outcome = raised(error)
    if not isinstance(error, ModelLoadError):
        return NotReady(error=outcome.error, traceback=outcome.traceback, usage=False)
    cause = error.__cause__
    return NotReady(error=outcome.error, traceback=raised(cause).traceback if cause else "", usage=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
