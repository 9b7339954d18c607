"""The combined log of a supervised topology: each line says which process wrote it."""

import io
import logging

import msgspec
import pytest

from armature.adapters.structlog.logs import configure_logs
from armature.cli.fleet import attributed
from armature.engine.policies import ObservePolicy


def test_a_line_of_json_names_its_process_and_stays_what_it_was() -> None:
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    try:
        configure_logs(ObservePolicy(log_format="json"), stream)
        logging.getLogger("armature.relay").warning('it said "no" {to} %s', "me")
    finally:
        configure_logs(ObservePolicy())
        logging.getLogger().handlers[:] = before
    line = stream.getvalue().rstrip("\n")
    assert msgspec.json.decode(attributed(line, "web.2")) == {"process": "web.2", **msgspec.json.decode(line)}


@pytest.mark.parametrize("line", ["", "listens on http://127.0.0.1:8080 after 1.00 s", "{", "{}", '{"cut": "in the mid'])
def test_a_line_that_is_no_json_is_left_to_people(line: str) -> None:
    assert attributed(line, "web.2") == ""
