"""A contract out of a text, and its documents: what `armature contracts` would write for it, without a project around it."""

import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import ModuleType

from armature.edges.grpc.schema import packages
from armature.engine.policies import Policies
from armature.kernel.event import Event, EventType, event_type
from armature.runtime.contracts.documents import derived
from armature.runtime.contracts.sources import Promised

LIBRARY = (Path(__file__).parent / "library.py").read_text(encoding="utf-8")
_numbers = count()


def edited_text(*edits: tuple[str, str]) -> str:
    """The library with places changed; each must be there once."""
    text = LIBRARY
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def promised_by(text: str) -> Promised:
    """Run a contract's text and read what it promises. The module stays: types are resolved later, by its name."""
    module = ModuleType(f"library_of_a_test_{next(_numbers)}")
    sys.modules[module.__name__] = module
    exec(compile(text, "contract.py", "exec"), vars(module))
    own = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    contracts = [one for one in own if "__contract_name__" in vars(one)]
    told = [event_type(one) for one in own if issubclass(one, Event) and "__event__" in vars(one)]
    events: dict[str, EventType] = {one.name: one for one in told}
    return Promised(contracts, packages(contracts), events, dict.fromkeys(events, ()), Policies())


def documents_of(text: str, before: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The documents of a contract's text, with the numbers that earlier ones gave."""
    return derived(promised_by(text), before or {})
