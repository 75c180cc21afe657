"""The log has a form that programs can read, or people, and no key in it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest
from msgspec import Raw

from leveret.core.prediction import Prediction, Trace
from leveret.observe.logs import about

KEY: Final = "lv_" + "0aZ_-" * 8
SCRIPT: Final = """
import logging, sys
import structlog
from leveret.observe.logs import configure_logging

configure_logging("info", sys.argv[1])
log = structlog.get_logger()
log.debug("too little to be logged")
structlog.contextvars.bind_contextvars(request_id="r1")
log.warning("somebody came", path=f"/v1/{sys.argv[2]}", count=3)
logging.getLogger("library").error("it said %s", sys.argv[2])
secret = "kept to itself"
try:
    raise ValueError(sys.argv[2])
except ValueError:
    log.exception("it failed")
    logging.getLogger("library").exception("it failed as well")
"""


def logged(form: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, form, KEY], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "auto"])
def test_behind_a_pipe_every_line_is_json(form: str) -> None:
    lines = [json.loads(line) for line in logged(form).splitlines()]

    assert ["somebody came", "it said lv_...", "it failed", "it failed as well"] == [line["event"] for line in lines]
    assert ["warning", "error", "error", "error"] == [line["level"] for line in lines]
    assert {"r1"} == {line["request_id"] for line in lines}
    assert ("/v1/lv_...", 3) == (lines[0]["path"], lines[0]["count"])
    assert "library" == lines[1]["logger"]
    assert all("ValueError: lv_..." in line["exception"] for line in lines[2:])


@pytest.mark.slow
def test_for_people_it_is_text() -> None:
    text = logged("console")

    assert "somebody came" in text
    assert "ValueError" in text
    assert '{"' not in text


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "console"])
def test_no_key_and_no_value_of_a_variable_is_logged(form: str) -> None:
    text = logged(form)

    assert KEY not in text
    assert "kept to itself" not in text.replace('secret = "kept to itself"', "")


def test_a_line_about_a_prediction_says_which_and_in_which_trace() -> None:
    plain = Prediction(id="p1", model="local/m", input=Raw(b'"secret"'), created_at=1.6e9)
    traced = Prediction(
        id="p2", model="local/m", input=Raw(b"{}"), created_at=1.6e9, trace=Trace(f"00-{'ab' * 16}-{'cd' * 8}-01")
    )

    assert {"prediction_id": "p1", "model": "local/m"} == about(plain)
    assert {"prediction_id": "p2", "model": "local/m", "trace_id": "ab" * 16} == about(traced)
