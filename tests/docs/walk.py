"""Reads the consoles of a page: what a reader would type, and what the page says comes back.

A line `$ curl …` is sent to a real server over a real connection; nothing of a shell is needed. Ids and times differ from run to
run, so an id of the page stands for whatever the server said in its place, in all that follows.
"""

import re
import shlex
from pathlib import Path

from msgspec import Struct

__all__ = ["Request", "Step", "Told", "read_steps", "request_of"]

_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_LEFT_OUT = "…"


class Step(Struct):
    """One command and the lines that follow it."""

    command: str
    expected: list[str]


class Request(Struct):
    """A `curl` command: what goes out, and whether the head of the answer is shown."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    shows_head: bool


def read_steps(page: Path) -> list[Step]:
    """Return every command of the page's consoles, in order."""
    steps: list[Step] = []
    for console in _CONSOLE.findall(page.read_text(encoding="utf-8")):
        for line in console.splitlines():
            if line.startswith("$ "):
                steps.append(Step(line[2:], []))
            elif line:
                steps[-1].expected.append(line)
    return steps


def request_of(command: str) -> Request:
    """Understand the options of curl that our pages use; any other is refused, so that no page shows what nobody ran."""
    words = shlex.split(command)
    request = Request("", "", {}, b"", False)
    at = 1
    while at < len(words):
        word = words[at]
        if word in ("-s", "-si"):
            request.shows_head = word == "-si"
        elif word in ("-X", "-H", "-d"):
            at += 1
            _take(request, word, words[at])
        elif word.startswith("localhost:8080/"):
            request.path = word.removeprefix("localhost:8080")
        else:
            raise ValueError(f"{command}: {word!r} is not understood here; teach tests/docs/walk.py")
        at += 1
    request.method = request.method or ("POST" if request.body else "GET")
    return request


def _take(request: Request, option: str, value: str) -> None:
    if option == "-X":
        request.method = value
    elif option == "-d":
        request.body = value.encode()
    else:
        name, _, text = value.partition(":")
        request.headers[name.strip().lower()] = text.strip()


class Told:
    """What the page's ids stand for, learnt line by line."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def in_real(self, text: str) -> str:
        """Replace the ids of the page by those of the server."""
        return _ID.sub(lambda found: self._real.get(found[0], found[0]), text)

    def missing(self, expected: list[str], shown: list[str]) -> str | None:
        """Return the first line of the page that the server did not say, in this order; None when it said all of them."""
        at, skips = 0, False
        for line in expected:
            if line == _LEFT_OUT:
                skips = True
                continue
            last = len(shown) if skips else min(at + 1, len(shown))
            found = next((number for number in range(at, last) if self._same(line, shown[number])), None)
            if found is None:
                return line
            at, skips = found + 1, False
        return None if skips or at == len(shown) else f"(nothing more, but the server said: {shown[at]})"

    def _same(self, expected: str, shown: str) -> bool:
        unknown = [one for one in dict.fromkeys(_ID.findall(expected)) if one not in self._real]
        pattern = re.escape(_TIME.sub("\0", self.in_real(expected))).replace(re.escape("\0"), _TIME.pattern)
        for number, one in enumerate(unknown):
            pattern = pattern.replace(re.escape(one), f"(?P<id{number}>{_ID.pattern})", 1)
            pattern = pattern.replace(re.escape(one), f"(?P=id{number})")
        match = re.fullmatch(pattern, shown)
        if match is not None:
            self._real.update({one: match[f"id{number}"] for number, one in enumerate(unknown)})
        return match is not None
