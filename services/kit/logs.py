"""Logs are JSON lines, one per happening, with fields from a fixed list: what is not listed is not written, so that no personal data slips in.

Of an exception the kind and the places are written, and its message only where it is ours: a driver's message may quote a customer.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog

from services.kit.clock import record_now

FIELDS = frozenset(
    (
        *("event", "level", "logger", "at", "service", "process", "error", "failure", "reason", "kind", "name", "version", "count", "seconds"),
        *("path", "request_id", "method", "route", "status", "milliseconds", "port", "address"),
        *("topic", "partition", "offset", "type", "event_id", "correlation_id", "traceparent", "group", "lag", "attempt", "delay_seconds", "id"),
        *("promise_id", "report_id", "message_id", "view", "departments", "position", "size", "scope"),
    )
)

_DROPPED = ("Exception in ASGI application",)
"""uvicorn's own line about what we have logged with the request's id."""


def configure(level: str = "info", to: TextIO | None = None) -> None:
    """Send structlog and the standard library's logging as JSON lines to standard output, or to what is given. May run twice."""
    named = [structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name]
    shared = [*named, _stamp, _tell_failure, _allow]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(to or sys.stdout)
    final: list[structlog.types.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[_own_exc_info, *shared], processors=final))
    handler.addFilter(lambda record: not str(record.msg).startswith(_DROPPED))
    for chatty in ("faust", "mode", "aiokafka", "services.kit.transport", "services.kit.faust_driver"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["at"] = record_now().isoformat()
    return event


def _own_exc_info(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record: logging.LogRecord | None = event.get("_record")
    if record is not None and record.exc_info:
        event["exc_info"] = record.exc_info
        record.exc_info, record.exc_text = None, None
    return event


def _tell_failure(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given else None
    if error is not None:
        event["error"] = type(error).__qualname__
        event["failure"] = describe(error, error.__traceback__)
    return event


def describe(error: BaseException, places: TracebackType | None) -> list[str]:
    """What went wrong and where, innermost last: the message only of exceptions of ours."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(places)]
    ours = type(error).__module__.startswith(("services.", "deploy."))
    return [*frames[-30:], f"{type(error).__qualname__}: {error}" if ours else type(error).__qualname__]


def _allow(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value for name, value in event.items() if name in FIELDS or name.startswith("_")}
