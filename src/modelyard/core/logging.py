"""Structured logging: one JSON object a line on stderr, whatever the values are."""

import json
import logging
import sys
from datetime import UTC, datetime

_FIELDS = "modelyard_fields"


def configure_logging(process: str, *, level: str = "INFO") -> None:
    """Send this process's `modelyard` log to stderr as JSON lines that name the process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(process))
    root = logging.getLogger("modelyard")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False


def log_event(room: str, event: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log one event of a room: `event` is a short stable phrase, `fields` its values."""
    logging.getLogger(f"modelyard.{room}").log(level, event, extra={_FIELDS: fields})


class _JsonLines(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "room": record.name.removeprefix("modelyard."),
            "event": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
