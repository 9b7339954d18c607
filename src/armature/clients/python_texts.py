"""The few files of a Python package that are the same but for names."""

from collections.abc import Mapping, Sequence

from armature.clients.surface import Contract
from armature.kernel.printable import printable

__all__ = ["client_text", "init_text", "project_text", "readme_text"]

_CLIENT = '''"""The client: one object for each contract, and what they share."""

from __future__ import annotations

from types import TracebackType

import httpx2

from ._calls import Options
from ._wire_async import AsyncWire
{imports}

__all__ = ["AsyncClient"]


class AsyncClient:
    """Calls the server at `url`; one client for as long as the program runs, since it keeps its connections.

    `http` is a client of httpx2 with settings of its own (certificates, proxies); it is not closed here.
    """

    def __init__(self, url: str, options: Options | None = None, *, http: httpx2.AsyncClient | None = None) -> None:
        self._wire = AsyncWire(url, options or Options(), http)
{attributes}

    @property
    def position(self) -> str | None:
        """Where this client's last command stands in the log; hand it to another client, and that one reads your writes."""
        return self._wire.position

    @position.setter
    def position(self, position: str | None) -> None:
        self._wire.position = position

    async def aclose(self) -> None:
        """Give back the connections."""
        await self._wire.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
'''

_INIT = '''"""A typed client. Made from the contracts; a change here is lost with the next `armature client python`."""

from msgspec import UNSET

from . import {modules}
from ._calls import Answered, Call, Options
from ._client import Client
from ._client_async import AsyncClient
from ._events import Happened
from ._pages import Page
from ._refusals import ApiError, FieldError, NoAnswer, Problem, Refused, TooLate, Unreadable

__all__ = [
{names}
]

__version__ = "{release}"

CONTRACTS = {{{versions}}}
"""The version of each contract."""

FINGERPRINT = "{hashed}"
"""The hash of the contracts this was made from."""
'''

_NAMES = (
    *("ApiError", "Answered", "AsyncClient", "Call", "Client", "FieldError", "Happened", "NoAnswer", "Options", "Page"),
    *("Problem", "Refused", "TooLate", "Unreadable"),
)

_PROJECT = """# Made by `armature client python`; a change here is lost with the next one.
[project]
name = "{dist}"
version = "{release}"
description = "A typed client."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["httpx2>=2.16", "msgspec>=0.22"]

[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["src/{name}"]

[tool.ruff]
line-length = 130
target-version = "py311"

[tool.ruff.lint]
select = ["E", "F", "W", "I", "UP", "B", "C4", "SIM", "PIE", "RET", "RUF", "ASYNC"]
# Texts and lists of values are as long as the contract has them (E501), in its letters (RUF001 to RUF003); the blocking half is
# the other one word by word, where `yield from` cannot stand (UP028).
ignore = ["E501", "RUF001", "RUF002", "RUF003", "RUF012", "UP028"]

[tool.mypy]
strict = true
"""

_README = """# {dist}

A typed client, made from the contracts by `armature client python`. Do not change it: make it again.

```python
from {name} import Client, Options

with Client("https://api.example.com", Options(token="…")) as client:
    ...
```

`AsyncClient` is the same with `await`. Each contract is an attribute:

{contracts}

- **Repeats.** Every command gets an idempotency key and is repeated with it, at most within the deadline, when the server cannot
  be reached, is busy or asks to wait. `Call(key=…)` brings a key of your own.
- **Refusals** are exceptions, one class for each code, with typed fields; `Refused` catches all, also codes that are
  newer than this package. `NoAnswer` says that nobody knows what happened: call again with its `key`.
- **Pages.** `…_each(…)` walks over everything by cursor, `…_pages(…)` over numbered pages.
- **Feeds** are iterators that are opened again by themselves and go on where they were.
- **Versions.** `if_match=thing.version` changes only that version; `…_if_changed(…)` answers None while nothing changed.
- **Reading your own writes.** Queries wait a moment for what this client changed. `client.position` hands that on.

Fingerprint of the contracts: `{hashed}`.
"""


def client_text(apis: Sequence[tuple[str, str, str]]) -> str:
    """Return the asynchronous client; `apis` are attribute, file and class of each contract."""
    imports = "\n".join(f"from .{file} import Async{name}" for _, file, name in apis)
    attributes = "\n".join(f"        self.{called} = Async{name}(self._wire)" for called, _, name in apis)
    return _CLIENT.format(imports=imports, attributes=attributes)


def init_text(name: str, versions: Mapping[str, int], hashed: str, release: str) -> str:
    """Return what the package offers."""
    modules = sorted([*versions, "refusals"])
    names = ["CONTRACTS", "FINGERPRINT", "UNSET", *sorted(_NAMES), *modules]
    return _INIT.format(
        modules=", ".join(modules),
        names="\n".join(f'    "{one}",' for one in names),
        versions=", ".join(f'"{one}": {version}' for one, version in sorted(versions.items())),
        hashed=hashed,
        release=release,
    )


def project_text(name: str, release: str) -> str:
    """Return the project's file."""
    return _PROJECT.format(dist=name.replace("_", "-"), name=name, release=release)


def readme_text(name: str, contracts: Mapping[str, Contract], hashed: str) -> str:
    """Return the first page."""
    lines = []
    for called, one in contracts.items():
        said = printable(one.doc).splitlines()[0] if one.doc else one.name
        lines.append(f"- `client.{called}`: {said} ({', '.join(use.name for use in one.uses)})")
    return _README.format(dist=name.replace("_", "-"), name=name, contracts="\n".join(lines), hashed=hashed)
