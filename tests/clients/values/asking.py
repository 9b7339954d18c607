"""Many values, many calls in one run of Node, and what it means that an answer is the same."""

import json
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.clients.make import run

__all__ = ["FIRST", "HEARD", "parsed", "plain", "same", "some", "told"]

HEARD = """
import { Client } from "./node_modules/mirror-client/dist/index.js";
const [, , url, headers, after, count, first] = process.argv;
const client = new Client(url, { headers: JSON.parse(headers) });
const heard = [];
for await (const happened of client.mirror.heard({ id: "01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b" }, after)) {
  if (happened.event.text !== first) heard.push(happened.event);
  if (heard.length === Number(count)) break;
}
console.log(JSON.stringify(heard));
"""
FIRST = "the first word"


def some(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """So many values, the same in each run."""
    found: list[Any] = []

    @settings(
        max_examples=count, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def take(value: Any) -> None:
        found.append(value)

    take()
    return found


def told(node: Path, url: str, calls: list[tuple[str, Any, Any]]) -> list[Any]:
    """What the calls came to, all in one run of Node."""
    (node / "calls.json").write_bytes(msgspec.json.encode(calls))
    code, said = run(["node", "calls.js", url, "calls.json"], node)
    assert code == 0, said
    found: list[Any] = parsed(said)
    return found


def parsed(text: str) -> Any:
    """JSON as JavaScript writes it: a wide number without a point is a float all the same."""
    return json.loads(text, parse_int=lambda digits: int(digits) if abs(int(digits)) < 2**53 else float(digits))


def same(got: Any, expected: Any) -> bool:
    """Digit for digit, sign for sign."""
    return msgspec.json.encode(got, order="sorted") == msgspec.json.encode(expected, order="sorted")


def plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
