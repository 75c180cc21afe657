"""Starts all of it: a private RabbitMQ and Redis, the app, and two consumers; Ctrl-C ends them all."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

FOLDER = Path(__file__).parent
CONSUMERS = 2


def main() -> int:
    """Run until Ctrl-C, SIGTERM, or the end of one of the parts."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    port = int(os.environ.get("PORT", "5000"))
    if listens(port):
        say(f"port {port} is taken; choose another one: make run-flask PORT=5001")
        return 1
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        rabbitmq, redis = stack.enter_context(RabbitServer()), stack.enter_context(RedisServer())
        environment = {
            **os.environ,
            "AMQP_URL": rabbitmq.url,
            "REDIS_URL": redis.url,
            "APP_URL": f"http://127.0.0.1:{port}",
            "WORKER_TOKEN": secrets.token_urlsafe(),
            "PORT": str(port),
        }
        parts = [start(stack, script, environment) for script in ["app.py"] + ["consumer.py"] * CONSUMERS]
        greeted = False
        while all(part.poll() is None for part in parts):
            if not greeted and listens(port):
                greeted = True
                say(f"ready: curl 'http://127.0.0.1:{port}/factorial?no=20000'")
                say(f"  then curl 'http://127.0.0.1:{port}/factorial/result?id=ID'; Ctrl-C ends it")
            time.sleep(0.1)
        say("one of the parts has ended; see above")
        return 1
    return 0


def start(stack: ExitStack, script: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A part in a process of its own, until the end of the stack."""
    part = subprocess.Popen([sys.executable, FOLDER / script], env=environment, start_new_session=True)
    stack.callback(part.wait)
    stack.callback(part.kill)  # nobody loses anything by that
    return part


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def say(text: str) -> None:
    """Print it at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
