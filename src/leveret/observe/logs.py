"""Logs: what happens, line by line, on standard error.

A line about a prediction says which, of which model, and in which trace it stands; in a gateway also for which request,
in a worker by whom and in which attempt. No line says what users have written, and an API key is struck out wherever it
would stand.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping, Sequence
from typing import Final

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor, WrappedLogger

from leveret.core.prediction import Prediction

JSON: Final = "json"
CONSOLE: Final = "console"

_KEY: Final = re.compile(r"lv_[A-Za-z0-9_-]{8,}")
_STRUCK: Final = "lv_..."

_QUIET: Final = {
    "httpx2": logging.WARNING,  # it would name every URL, and some of them are secret
    "pika": logging.CRITICAL,  # our own connection says what matters, once
}


def about(prediction: Prediction) -> dict[str, str]:
    """What a line about this prediction says."""
    told = {"prediction_id": prediction.id, "model": prediction.model}
    return told if prediction.trace is None else {**told, "trace_id": prediction.trace.id}


def configure_logging(level: str, form: str) -> None:
    """Log to standard error from `level` on.

    The form is `json`, a line each; `console`, for people; or `auto`: for people on a terminal, JSON elsewhere.
    """
    console = form == CONSOLE or (form != JSON and sys.stderr.isatty())
    # A plain traceback: one that is drawn beautifully shows the values of variables, and some of them are users'.
    rendering: Processor = structlog.processors.JSONRenderer()
    if console:
        rendering = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    shared: Sequence[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_keys,
    ]
    structlog.configure(
        processors=[*shared, rendering],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _configure_others(level, shared, rendering)


def _configure_others(level: str, shared: Sequence[Processor], rendering: Processor) -> None:
    """What libraries log, in the same form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[ProcessorFormatter.remove_processors_meta, rendering],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)


def _without_keys(
    _logger: WrappedLogger, _method: str, line: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    """Nothing of ours logs a key. Should a client write one where none belongs, such as into a path, it ends here."""
    for name, value in line.items():
        if isinstance(value, str) and "lv_" in value:
            line[name] = _KEY.sub(_STRUCK, value)
    return line
