"""A consumer: computes what is queued and reports it to the app. Start as many as there are processors.

AMQP_URL=… APP_URL=… WORKER_TOKEN=… python consumer.py
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPConnectionError

from queueing import QUEUE, declare_queue

PAUSE = 1.0


def main() -> None:
    """Consume for ever, over one connection after the other."""
    os.nice(10)  # where they share processors, the app goes first
    sys.set_int_max_str_digits(0)  # 100 000! has more digits than Python writes by default
    while True:
        try:
            with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
                consume(connection.channel())
        except AMQPConnectionError as error:  # what was not acknowledged goes to another consumer
            logging.warning("no connection to RabbitMQ (%r); trying again", error)
            time.sleep(PAUSE)


def consume(channel: BlockingChannel) -> None:
    """Take one message at a time, and acknowledge it only when its result is stored."""
    declare_queue(channel)
    channel.basic_qos(prefetch_count=1)  # the next one goes to whoever is free
    for method, _properties, body in channel.consume(QUEUE):
        try:
            message = json.loads(body)
            request_id, number = str(message["id"]), int(message["no"])
        except (ValueError, KeyError, TypeError):
            channel.basic_reject(method.delivery_tag, requeue=False)  # to the dead ones
            continue
        output = str(math.factorial(number))
        while not report(request_id, output):
            channel.connection.sleep(PAUSE)  # and not time.sleep, which would miss RabbitMQ's heartbeats
        channel.basic_ack(method.delivery_tag)


def report(request_id: str, output: str) -> bool:
    """Whether the app has stored the result, or has no use for it."""
    request = Request(
        f"{os.environ['APP_URL']}/factorial/update",
        data=json.dumps({"id": request_id, "status": "done", "output": output}).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['WORKER_TOKEN']}"},
    )
    try:
        with urlopen(request, timeout=10):
            return True
    except HTTPError as error:
        if error.code == 404:  # the request is no longer kept
            return True
        if error.code < 500:
            raise  # a mistake of ours, such as wrong credentials: the message goes back to the queue
        return False
    except URLError:
        return False


if __name__ == "__main__":
    main()
