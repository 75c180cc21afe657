"""The web app: takes factorials to compute, and answers what has become of them.

AMQP_URL=… REDIS_URL=… WORKER_TOKEN=… python app.py
"""

from __future__ import annotations

import hmac
import os

from flask import Flask, request
from pika.exceptions import AMQPError
from redis import Redis, RedisError
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotFound, ServiceUnavailable
from werkzeug.serving import make_server

from queueing import RabbitMQ, create_request, delete_request, get_request, publish_to_rabbitmq, update_request

LARGEST = 100_000


def create_app(*, amqp_url: str, redis_url: str, worker_token: str) -> Flask:
    """The app, connected. The routes are the whole of it."""
    app = Flask(__name__)
    store = Redis.from_url(redis_url, decode_responses=True)
    rabbitmq = RabbitMQ(amqp_url)

    @app.get("/factorial")
    def submit() -> tuple[dict[str, str], int]:
        number = parse_number(request.args.get("no", ""))
        request_id = create_request(store, number)  # stored first, so that no consumer meets an unknown id
        try:
            publish_to_rabbitmq(rabbitmq, {"id": request_id, "no": number})
        except AMQPError as error:
            delete_request(store, request_id)
            raise ServiceUnavailable("the queue takes nothing now; try again in a few seconds") from error
        return {"id": request_id}, 202

    @app.get("/factorial/result")
    def result() -> dict[str, object]:
        found = get_request(store, request.args.get("id", ""))
        if found is None:
            raise NotFound("there is no request with this id")
        return {**found}

    @app.post("/factorial/update")
    def update() -> dict[str, str]:
        check_worker(request.headers.get("Authorization", ""), worker_token)
        match request.get_json():
            case {"id": str(request_id), "status": "processing" | "done" as status, "output": str() | None as output}:
                if not update_request(store, request_id, status, output):
                    raise NotFound("there is no request with this id")
                return {"status": status}
            case _:
                raise BadRequest("send id, status (processing or done) and output (a string or null)")

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[dict[str, str | None], int]:
        return {"error": error.description}, error.code or 500

    @app.errorhandler(RedisError)
    def unavailable(_error: RedisError) -> tuple[dict[str, str], int]:
        return {"error": "Redis does not answer; try again in a few seconds"}, 503

    return app


def parse_number(text: str) -> int:
    """The number in the query. Raises BadRequest."""
    if not text:
        raise BadRequest("`no` is missing: GET /factorial?no=20")
    if text.startswith("-") and text[1:].isdecimal():
        raise BadRequest("`no` must not be negative")
    if not (text.isascii() and text.isdecimal()):
        raise BadRequest("`no` must be an integer")
    if len(text) > len(str(LARGEST)) or int(text) > LARGEST:
        raise BadRequest(f"`no` must be at most {LARGEST}")
    return int(text)


def check_worker(authorization: str, worker_token: str) -> None:
    """Raises Forbidden for whoever is not one of our consumers."""
    if not hmac.compare_digest(authorization.encode(), f"Bearer {worker_token}".encode()):
        raise Forbidden("only workers may do this")


def main() -> None:
    """Serve with as many threads as there are requests: enough for an example, as Werkzeug's server is."""
    app = create_app(
        amqp_url=os.environ["AMQP_URL"], redis_url=os.environ["REDIS_URL"], worker_token=os.environ["WORKER_TOKEN"]
    )
    make_server("127.0.0.1", int(os.environ.get("PORT", "5000")), app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()
