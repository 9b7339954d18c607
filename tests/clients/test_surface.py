"""What is read of a contract: everything a client needs, in an order that never depends on the day."""

import re
import subprocess
import sys
from enum import Enum
from typing import Protocol

import msgspec
import pytest
from msgspec import Struct

from armature import Context, Contract, query
from armature.clients.kinds import NotForClients
from armature.clients.reading import read_surface
from armature.clients.surface import fingerprint
from modules.counter.contract import Counters
from tests.clients.make import PREFIX, ROOT, python_client, typescript_client
from tests.clients.strange import Stranges

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def test_what_excludes_the_cursor_has_no_place_in_a_walk_by_cursor() -> None:
    (counter,) = read_surface([Counters], PREFIX).contracts
    uses = {use.name: use for use in counter.uses}
    assert (uses["list"].each, uses["list"].numbered) == (("limit",), ("size", "sort", "order"))
    assert (uses["history"].each, uses["history"].numbered) == (("counter_id", "limit"), None)
    assert (uses["get"].each, uses["get"].numbered) == (None, None)


def test_what_stands_in_arguments_only_is_known_for_it() -> None:
    (strange,) = read_surface([Stranges], PREFIX).contracts
    records = {record.name: record for record in strange.records}
    assert [name for name, record in records.items() if record.asked] == ["Wish"]
    assert [(one.wire, one.absent, one.default) for one in records["Wish"].fields] == [
        ("text", False, None),
        ("times", True, "2"),
        ("colour", True, '"red"'),
        ("re-named", True, None),
    ]


def test_a_generic_struct_has_a_name_for_each_use() -> None:
    (strange,) = read_surface([Stranges], PREFIX).contracts
    assert {"PairUUID", "PairInt"} <= {record.name for record in strange.records}


def test_two_types_of_one_name_stay_two() -> None:
    twin = msgspec.defstruct("Counter", [("other", int)])

    class Twins(Contract, Protocol, name="twins", version=1):
        """Two."""

        @query("GET /one", public=True)
        async def one(self, ctx: Context) -> twin:  # type: ignore[valid-type]
            """One."""
            ...

        @query("GET /two", public=True)
        async def two(self, ctx: Context) -> Counter:
            """Two."""
            ...

    (made,) = read_surface([Twins], PREFIX).contracts
    assert [(record.name, record.fields[0].name) for record in made.records] == [("Counter", "other"), ("Counter2", "third")]


class Counter(Struct):
    """Of the same name as another."""

    third: int


class Row(Struct, array_like=True):
    """Has no names on the wire."""

    one: int


class Rows(Contract, Protocol, name="rows", version=1):
    """Speaks in rows."""

    @query("GET /row", public=True)
    async def row(self, ctx: Context) -> Row:
        """One."""
        ...


def test_what_no_client_can_say_is_refused_by_name() -> None:
    with pytest.raises(NotForClients, match="contract rows: Row is sent as an array without names; remove array_like"):
        read_surface([Rows], PREFIX)


class Bell(Enum):
    """Rings \x07 and ends \x00."""

    RINGS = "\x07\x00"


class Bells(Contract, Protocol, name="bells", version=1):
    """Has \x00 in its text."""

    @query("GET /bell", public=True)
    async def bell(self, ctx: Context, *, one: Bell = Bell.RINGS) -> Bell:
        """Ring \x1b \x9f."""
        ...


def test_a_control_character_stands_in_no_file_and_its_number_does() -> None:
    for made in (python_client([Bells]), typescript_client([Bells])):
        assert [name for name, text in made.files.items() if _CONTROL.search(text)] == []
        assert r"Ring \x1b \x9f" in "".join(made.files.values()).replace("\\\\", "\\")
    for name, text in python_client([Bells]).files.items():
        if name.endswith(".py"):
            compile(text, name, "exec")


def test_the_fingerprint_is_that_of_the_contracts_alone() -> None:
    one = fingerprint(read_surface([Counters, Stranges], PREFIX))
    assert one == fingerprint(read_surface([Stranges, Counters], PREFIX))
    assert one != fingerprint(read_surface([Counters], PREFIX))
    assert one != fingerprint(read_surface([Counters, Stranges], "/api/v{version}"))


def test_another_process_writes_the_same_bytes() -> None:
    """Sets and hashes differ from process to process; what is written does not."""
    asked = (
        "import hashlib, msgspec; from modules.counter.contract import Counters; from tests.clients.strange import Stranges; "
        "from tests.clients.make import *; both = [Stranges, Counters]; "
        "print([hashlib.sha256(msgspec.json.encode(p(both))).hexdigest() for p in (python_client, typescript_client)])"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", asked],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


@pytest.mark.parametrize("client", [python_client, typescript_client], ids=["python", "typescript"])
def test_a_contract_more_changes_no_file_of_the_others(client: object) -> None:
    assert callable(client)
    alone, both = client([Counters]).files, client([Counters, Stranges]).files
    mine = [name for name in alone if "/counter." in name]
    assert mine and all(alone[name] == both[name] for name in mine)


def test_a_later_version_has_its_number_and_a_word_of_the_language_an_underscore() -> None:
    assert "src/made_client/class_v2.py" in python_client([Stranges]).files
    assert "src/contracts/class_v2.ts" in typescript_client([Stranges]).files
