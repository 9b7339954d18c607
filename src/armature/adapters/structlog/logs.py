"""Every log line of the process through one door: structlog's and the standard library's, uvicorn's and asyncio's included.

JSON where machines read, aligned text where people do. A line is never worth an error: what cannot be rendered is written
with what is known, what cannot be written is counted.
"""

import logging
import sys
import threading
from collections.abc import MutableMapping, Sequence
from typing import Any, TextIO

import msgspec

from armature.adapters.structlog.clean import clean_fields, clean_text
from armature.adapters.structlog.plain import structlog
from armature.engine.log import CALL
from armature.engine.policies import ObservePolicy

__all__ = ["LineWriter", "Logger", "configure_logs"]

Event = MutableMapping[str, Any]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

# Loggers that bring handlers of their own, or chat about each connection.
_OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
_CHATTY = ("httpx2", "httpcore2", "urllib3", "requests", "asyncio")


class LineWriter:
    """Writes whole lines to a stream, from any thread. `lost` counts those the stream would not take."""

    def __init__(self, stream: TextIO, threshold: int) -> None:
        self.threshold = threshold
        self.lost = 0
        self._stream = stream
        # A collected object may log from its `__del__` in the middle of a write: that must not wait for itself.
        self._lock = threading.RLock()

    def write(self, line: str) -> None:
        """Write one line and flush; never raises."""
        with self._lock:
            try:
                self._put(line)
            except (OSError, ValueError):  # a closed or broken stream: there is nowhere left to say so
                self.lost += 1

    def _put(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
        except UnicodeEncodeError:  # a terminal that knows no UTF-8
            self._stream.write(line.encode("ascii", "backslashreplace").decode() + "\n")
        self._stream.flush()


class Logger(structlog.BoundLoggerBase):
    """A structlog logger that takes fields by name and never raises; what is given by place is shown as `rest`."""

    def debug(self, event: object, /, *rest: object, **fields: Any) -> None:
        """Say what only somebody who looks for a fault wants to read."""
        self._say("debug", event, rest, fields)

    def info(self, event: object, /, *rest: object, **fields: Any) -> None:
        """Say what happened as it should."""
        self._say("info", event, rest, fields)

    def warning(self, event: object, /, *rest: object, **fields: Any) -> None:
        """Say what somebody should look at soon."""
        self._say("warning", event, rest, fields)

    def error(self, event: object, /, *rest: object, **fields: Any) -> None:
        """Say what went wrong."""
        self._say("error", event, rest, fields)

    def exception(self, event: object, /, *rest: object, **fields: Any) -> None:
        """Say what went wrong, with the exception that is being handled."""
        self._say("error", event, rest, {"exc_info": True, **fields})

    def _say(self, level: str, event: object, rest: tuple[object, ...], fields: dict[str, Any]) -> None:
        writer: LineWriter = self._logger
        if _LEVELS[level] < writer.threshold:
            return
        try:
            if rest:
                fields["rest"] = rest
            (line,), _ = self._process_event(level, str(event), fields)
        except Exception as error:
            line = _last_words(level, event, error)
        writer.write(line)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception as error:
            return _last_words(record.levelname.lower(), str(record.msg), error)


class _Handler(logging.Handler):
    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.write(self.format(record))


def configure_logs(policy: ObservePolicy, stream: TextIO | None = None) -> LineWriter:
    """Route all logging of this process to `stream` (stderr), as the policy says. A second call replaces the first.

    `log_format: auto` is text when the stream is a terminal, else JSON.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    text = policy.log_format == "text" or (policy.log_format == "auto" and terminal)
    writer = LineWriter(stream, _LEVELS[policy.log_level])
    chain = _chain(text=text, colors=terminal)
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, *chain],
        wrapper_class=Logger,
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,
    )
    handler = _Handler(writer)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                _drop_duplicates,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *chain],
        )
    )
    _take_over(handler, writer.threshold)
    return writer


def _take_over(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for old in list(root.handlers):
        # Handlers of other kinds were put there on purpose; these two are a default, or ours.
        if type(old) is logging.StreamHandler or isinstance(old, _Handler):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)


def _chain(*, text: bool, colors: bool) -> Sequence[structlog.typing.Processor]:
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    render = _Text(colors=colors) if text else _json
    return (_with_call, stamp, structlog.processors.format_exc_info, render)


def _with_call(_: object, __: str, event: Event) -> Event:
    read = CALL.get()
    return event if read is None else {**read(), **event}


def _drop_duplicates(_: object, __: str, event: Event) -> Event:
    # uvicorn says everything twice, and a handler that formatted before us leaves its text on the record.
    for name in ("color_message", "message", "asctime"):
        event.pop(name, None)
    return event


def _json(_: object, __: str, event: Event) -> str:
    head = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return msgspec.json.encode(clean_fields({**head, **event})).decode()


class _Text:
    """Lines for people. A traceback is set off by a bar, so that none of its lines can pass for a line of the log."""

    def __init__(self, *, colors: bool) -> None:
        self._render = structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=0)

    def __call__(self, logger: Any, name: str, event: Event) -> str:
        fields = clean_fields(event)
        for key in ("exception", "stack"):
            block = fields.get(key)
            if isinstance(block, str):
                fields[key] = "\n".join(f"    | {line}" for line in block.split("\n"))
        return str(self._render(logger, name, fields))


def _last_words(level: str, event: object, error: Exception) -> str:
    try:
        text = clean_text(str(event))
    except Exception:
        text = "a line that cannot be shown"
    fields = {"level": level, "event": text, "log_failure": type(error).__name__}
    return msgspec.json.encode(fields).decode()
