"""A log line is one line, tells whose call it was, keeps secrets, and is never a reason to fail."""

import asyncio
import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import structlog
from msgspec import Struct

from armature.adapters.structlog.logs import configure_logs
from armature.engine.log import CALL, ERROR_LINES_PER_SECOND, AccessLog, CallFields
from armature.engine.policies import ObservePolicy
from armature.kernel.types import Secret

CANARY = "cAnArY-7f3a9"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def logs(**policy: object) -> io.StringIO:
    stream = io.StringIO()
    # The test runner's own handlers raise on a malformed line; ours is what is looked at.
    logging.getLogger().handlers.clear()
    configure_logs(ObservePolicy(**{"log_format": "json", **policy}), stream)
    return stream


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_both_kinds_of_logger_say_the_same_with_the_fields_of_the_call() -> None:
    stream = logs()
    token = CALL.set(CallFields(request_id="r1", trace_id="t1", tenant="acme", operation="counter.get").read)
    try:
        structlog.get_logger().bind(logger="armature.http").warning("slow answer", ms=12.5)
        logging.getLogger("armature.http").warning("slow answer", extra={"ms": 12.5})
    finally:
        CALL.reset(token)
    ours, library = lines(stream)
    for line in (ours, library):
        stamp = datetime.fromisoformat(line.pop("timestamp"))
        assert stamp.utcoffset() == timedelta(0)
    assert ours == library
    assert ours == {
        "event": "slow answer",
        "level": "warning",
        "logger": "armature.http",
        "ms": 12.5,
        "request_id": "r1",
        "trace_id": "t1",
        "tenant": "acme",
        "operation": "counter.get",
    }


FORGERIES = [
    "ann\n2026-01-01T00:00:00Z [info] logged in as root",
    "ann\r\n{}",
    "ann\x0b\x0c\x1c\x1d\x1e\x85forged",
    "ann\u2028forged\u2029forged",
    "\x1b[2K\x1b[1Gforged",
    "\u202edegrof",
    "\ud800",
]


@pytest.mark.parametrize("text", FORGERIES)
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_input_can_neither_begin_a_line_nor_move_a_cursor(text: str, log_format: str) -> None:
    stream = logs(log_format=log_format)
    structlog.get_logger().info(text, name=text, **{f"key{text}": 1}, deep={"a": [text]})
    logging.getLogger("uvicorn.error").warning("bad path %s", text, extra={"path": text})
    out = stream.getvalue()
    assert len(out.splitlines()) == 2 and out.count("\n") == 2
    assert not any(char in out for char in "\r\x1b\u202e\u2028\ud800")


def test_an_exception_cannot_forge_a_line_of_text_and_stays_whole_in_json() -> None:
    for log_format in ("text", "json"):
        stream = logs(log_format=log_format)
        try:
            raise ValueError("first\n2026-01-01T00:00:00Z [info] forged\x1b[2K")
        except ValueError:
            structlog.get_logger().exception("it broke")
            logging.getLogger("armature").exception("it broke")
        out = stream.getvalue()
        assert "ValueError: first" in out and "\x1b" not in out
        if log_format == "text":
            assert all("it broke" in line or line.startswith("    | ") for line in out.splitlines())
        else:
            assert all("Traceback" in line["exception"] and "\n" in line["exception"] for line in lines(stream))


class Login(Struct):
    name: str
    password: str


@dataclass
class Key:
    api_key: str
    region: str = "eu"


LEAKS: list[dict[str, object]] = [
    {"password": CANARY},
    {"db_passwd": CANARY},
    {"clientSecret": CANARY},
    {"X-Api-Key": CANARY},
    {"Authorization": f"Bearer {CANARY}"},
    {"set-cookie": [f"sid={CANARY}"]},
    {"access_token": {"deep": CANARY}},
    {"value": Secret(CANARY)},
    {"values": [Secret(CANARY), {"x": Secret(CANARY)}]},
    {"user": Login("ann", CANARY)},
    {"user": Key(CANARY)},
    {"headers": {"Cookie": f"a=1; sid={CANARY}"}},
    {"text": f"POST /login?user=ann&password={CANARY}&x=1"},
    {"text": f"password = '{CANARY} with {CANARY}'"},
    {"text": str({"token": f"{CANARY} {CANARY}"})},
    {"text": json.dumps({"a": json.dumps({"secret": CANARY})})},
    {"text": f"Authorization: Basic {CANARY}"},
    {"text": f"authorization: bearer {CANARY}"},
    {"text": f"sent Bearer {CANARY}{CANARY} to them"},
    {"text": f"Cookie: theme=dark; sid={CANARY}; x=y"},
    {"text": f"postgres://ann:{CANARY}@db:5432/x"},
    {"text": f"https://{CANARY}@github.com/x"},
    {"error": ValueError(f"refused, api_key={CANARY}")},
    {"blob": CANARY.encode()},
]


@pytest.mark.parametrize("fields", LEAKS, ids=range(len(LEAKS)))
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_secret_is_masked_wherever_it_hides(fields: dict[str, object], log_format: str) -> None:
    stream = logs(log_format=log_format)
    structlog.get_logger().info("login", **fields)
    logging.getLogger("armature").info("login", extra=fields)
    logging.getLogger("armature").info("login %s", fields.get("text", ""))
    try:
        raise RuntimeError(fields.get("text", ""))
    except RuntimeError:
        structlog.get_logger().exception("login")
    assert CANARY not in stream.getvalue() and stream.getvalue().count("login") >= 4


def test_what_only_looks_like_a_secret_is_shown() -> None:
    stream = logs()
    structlog.get_logger().info("refused", code="token:expired", idempotency="k1", note="basic settings: 1", password=None)
    (line,) = lines(stream)
    assert (line["code"], line["idempotency"], line["note"]) == ("token:expired", "k1", "basic settings: 1")
    assert line["password"] is None


def test_a_value_with_fields_is_shown_by_field_and_a_deep_one_is_cut() -> None:
    stream = logs()
    deep: dict = {"bottom": 1}
    for _ in range(50):
        deep = {"level": deep}
    structlog.get_logger().info("login", user=Login("ann", CANARY), key=Key(CANARY), deep=deep)
    (line,) = lines(stream)
    assert line["user"] == {"name": "ann", "password": "****"}
    assert line["key"] == {"api_key": "****", "region": "eu"}
    assert stream.getvalue().count('"level"') < 10 and "bottom" not in stream.getvalue()


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def endless() -> dict:
    loop: dict = {}
    loop["self"] = [loop, loop]
    return loop


ODD = [
    ["x" * 8_000] * 400,
    Hostile(),
    endless(),
    {Hostile(): 1},
    list(range(100_000)),
    "x" * 1_000_000,
    10**5_000,
    float("nan"),
    {1: 2, None: 3},
    b"\x00" * 10_000,
    object(),
    type,
    {"a": Ellipsis},
]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_value_makes_a_line_fail_or_grow_without_bound(value: object, log_format: str) -> None:
    stream = logs(log_format=log_format)
    structlog.get_logger().info("odd", value=value)
    logging.getLogger("armature").info("odd", extra={"value": value})
    out = stream.getvalue()
    assert out.count("\n") == 2 and out.count("odd") == 2 and len(out) < 200_000


def test_a_call_that_cannot_be_formatted_is_still_said() -> None:
    stream = logs()
    logging.getLogger("armature").error("%d steps\nof %s", "three")
    CALL.set(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    try:
        structlog.get_logger().error("a broken scope")
    finally:
        CALL.set(None)
    first, second = lines(stream)
    assert first["log_failure"] == "TypeError" and "steps" in first["event"]
    assert second["log_failure"] == "ZeroDivisionError" and second["event"] == "a broken scope"


def test_a_logger_that_is_called_wrongly_says_what_it_was_given() -> None:
    stream = logs()
    structlog.get_logger().error("took %s s", 3, event="a field", self="another", level="x")
    structlog.get_logger().error(ValueError("no text"))
    first, second = lines(stream)
    assert (first["event"], first["rest"], first["self"]) == ("took %s s", [3], "another")
    assert second["event"] == "no text"


class Last:
    def __del__(self) -> None:
        logging.getLogger("armature").warning("collected")


def test_an_object_that_logs_when_it_is_collected_does_not_wait_for_itself() -> None:
    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            held.clear()
            return super().write(text)

    stream = Stream()
    logging.getLogger().handlers.clear()
    configure_logs(ObservePolicy(log_format="json"), stream)
    held = [Last()]
    talking = threading.Thread(target=structlog.get_logger().info, args=("hello",), daemon=True)
    talking.start()
    talking.join(30)
    assert not talking.is_alive() and {line["event"] for line in lines(stream)} == {"hello", "collected"}


def test_a_stream_that_is_gone_loses_lines_and_nothing_else() -> None:
    stream = io.StringIO()
    writer = configure_logs(ObservePolicy(log_format="json"), stream)
    stream.close()
    structlog.get_logger().info("to nobody")
    logging.getLogger("armature").info("to nobody")
    assert writer.lost == 2


def test_a_terminal_that_knows_only_ascii_gets_escapes() -> None:
    raw = io.BytesIO()
    configure_logs(ObservePolicy(log_format="text"), io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    structlog.get_logger().info("größer")
    assert rb"gr\xf6\xdfer" in raw.getvalue()


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [("auto", io.StringIO, True), ("auto", Terminal, False), ("text", io.StringIO, False), ("json", Terminal, True)],
)
def test_the_format_follows_the_policy_and_auto_follows_the_stream(log_format: str, stream: type, is_json: bool) -> None:
    out = stream()
    configure_logs(ObservePolicy(log_format=log_format), out)
    structlog.get_logger().info("hello")
    assert out.getvalue().startswith("{") is is_json
    assert ("\x1b[" in out.getvalue()) is (stream is Terminal and not is_json), "colours are for terminals"


def test_the_level_is_the_policys_for_both_kinds_and_a_second_call_replaces_the_first() -> None:
    before, stream = logs(log_level="debug"), io.StringIO()
    configure_logs(ObservePolicy(log_format="json", log_level="warning"), stream)
    for log in (structlog.get_logger(), logging.getLogger("armature.x")):
        log.debug("no")
        log.info("no")
        log.warning("yes")
        log.error("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"] * 4 and not before.getvalue()


def test_uvicorn_asyncio_and_warnings_come_out_of_the_same_door() -> None:
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler(io.StringIO()))
    logging.getLogger("uvicorn").propagate = False
    stream = logs()

    async def forget() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "a task was lost"})

    logging.getLogger("uvicorn.error").info("started", extra={"color_message": "\x1b[1mstarted"})
    asyncio.run(forget())
    warnings.warn("this is old", stacklevel=1)
    seen = {line["logger"]: line for line in lines(stream)}
    assert seen["uvicorn.error"]["event"] == "started" and "color_message" not in seen["uvicorn.error"]
    assert "a task was lost" in seen["asyncio"]["event"] and "this is old" in seen["py.warnings"]["event"]


def test_a_handler_of_somebody_else_leaves_no_trace_in_our_lines() -> None:
    stream = logs()
    foreign = logging.StreamHandler(io.StringIO())
    foreign.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.getLogger().handlers.insert(0, foreign)
    logging.getLogger("armature").info("said once")
    (line,) = lines(stream)
    assert "message" not in line and "asctime" not in line and line["event"] == "said once"


def test_lines_of_many_threads_are_never_mixed() -> None:
    stream = logs()

    def talk(who: int) -> None:
        for number in range(100):
            structlog.get_logger().info("line", who=who, number=number, text="x" * 200)
            logging.getLogger("armature").info("line", extra={"who": who, "number": number})

    threads = [threading.Thread(target=talk, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(stream)) == 800


def test_a_reader_that_went_away_does_not_stop_a_real_process() -> None:
    program = """
import logging, os, sys
from armature.adapters.structlog.logs import configure_logs
from armature.engine.policies import ObservePolicy
reading, writing = os.pipe()
os.close(reading)
writer = configure_logs(ObservePolicy(), os.fdopen(writing, "w"))
logging.getLogger("armature").error("to a closed pipe")
os.write(1, str(writer.lost).encode())
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1", b"")


def test_the_access_log_writes_what_its_mode_says_and_a_flood_is_held_back() -> None:
    clock = [10.2]
    none, errors, every = (AccessLog(mode, clock=lambda: clock[0]) for mode in ("none", "errors", "all"))
    statuses = (200, 304, 399, 400, 404, 503)
    assert [status >= none.threshold for status in statuses] == [False] * 6
    assert [status >= errors.threshold for status in statuses] == [False] * 3 + [True] * 3
    assert [status >= every.threshold for status in statuses] == [True] * 6
    assert sum(errors.wants() for _ in range(1_000)) == ERROR_LINES_PER_SECOND
    assert all(every.wants() for _ in range(1_000)), "who asks for all gets all"
    clock[0] = 11.0
    assert errors.wants() and errors.held_back() == 1_000 - ERROR_LINES_PER_SECOND and errors.held_back() == 0
