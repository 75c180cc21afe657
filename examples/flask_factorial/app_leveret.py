"""The same two routes by Leveret, which has the queue, the workers and the state:

leveret serve examples/factorial.py
python app_leveret.py
"""

from __future__ import annotations

import os

from flask import Flask, request

from leveret.contrib.flask import Leveret
from leveret.errors import LeveretError

app = Flask(__name__)
leveret = Leveret(app)


@app.get("/factorial")
def submit() -> tuple[dict[str, str], int]:
    """Have it computed; the gateway checks the number."""
    return {"id": leveret.submit("local/factorial", {"n": request.args.get("no", type=int)})}, 202


@app.get("/factorial/result")
def result() -> dict[str, object]:
    """What has become of it."""
    prediction = leveret.get(request.args.get("id", ""))
    status = "done" if prediction.ended else "processing"
    return {"input": prediction.input.get("n"), "status": status, "output": prediction.output}


@app.errorhandler(LeveretError)
def refused(error: LeveretError) -> tuple[dict[str, str], int]:
    """Why not."""
    return {"error": str(error)}, error.status


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "5000")))
