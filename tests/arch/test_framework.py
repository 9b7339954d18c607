"""Each rule about the framework's own tree catches the import, the name or the length it was made for."""

import pytest

from tests.arch.house import House

HERE = "src/armature"


@pytest.fixture
def frame(house: House) -> House:
    """A framework of five honest files."""
    house.write(f"{HERE}/__init__.py", '"""Face."""\n\nfrom armature.kernel.work import Work\n\n__all__ = ["Work"]\n')
    house.write(f"{HERE}/kernel/__init__.py", "")
    house.write(f"{HERE}/kernel/work.py", '"""Work."""\n\n__all__ = ["Work"]\n\n\nclass Work:\n    """Work."""\n')
    house.write(f"{HERE}/engine/call.py", '"""Calls."""\n\nfrom armature.kernel.work import Work\n\nKIND = Work\n')
    house.write(
        f"{HERE}/adapters/sqlite/database.py", '"""Database."""\n\nimport apsw\n\n__all__ = ["Database"]\n\nDatabase = apsw\n'
    )
    house.write(
        f"{HERE}/runtime/wire.py", '"""Wire."""\n\nfrom armature.adapters.sqlite.database import Database\n\nOPEN = Database\n'
    )
    return house


def test_an_honest_frame_has_no_findings(frame: House) -> None:
    assert frame.check("layers", "exports", "vendors", "numbers", "files") == []


@pytest.mark.parametrize(
    ("file", "line", "rule", "cure"),
    [
        ("kernel/seen.py", "from armature.engine.call import KIND", "layers:upward", "move what is shared down"),
        ("engine/seen.py", "from armature import runtime", "layers:upward", "from above"),
        ("edges/seen.py", "from armature.conformance.laws import Laws", "layers:upward", "move what is shared down"),
        ("kernel/seen.py", "from armature import Work", "layers:upward", "move what is shared down"),
        ("engine/seen.py", "from armature.adapters.sqlite.database import Database", "layers:construct", "runtime/wire.py"),
        ("runtime/seen.py", "from armature.adapters.sqlite.database import Database", "layers:construct", "ask for the port"),
        ("adapters/nats/bus.py", "from armature.adapters.sqlite.database import Database", "layers:adapters", "behind a port"),
        ("kernel/seen.py", "from ..engine.call import KIND", "layers:upward", "move what is shared down"),
    ],
)
def test_an_import_that_does_not_point_down_is_named(file: str, line: str, rule: str, cure: str, frame: House) -> None:
    frame.write(f"{HERE}/{file}", f'"""Seen."""\n\n{line}\n')
    frame.says(rule, f"{HERE}/{file}", line, cure)


def test_an_import_hidden_in_a_function_is_named(frame: House) -> None:
    file = f"{HERE}/engine/seen.py"
    late = "class Late:\n    def run(self) -> None:\n        try:\n            import json\n        finally:\n            pass\n"
    frame.write(file, f'"""Seen."""\n\n\n{late}')
    frame.says("layers:hidden", file, "import json", "at the top")


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_an_import_for_types_only_is_named(test: str, frame: House) -> None:
    file = f"{HERE}/engine/seen.py"
    frame.write(file, f'"""Seen."""\n\nimport typing\nfrom typing import TYPE_CHECKING\n\nif {test}:\n    import json\n')
    frame.says("layers:hidden", file, "import json", "move the type down")


def test_files_that_import_each_other_are_named_once(frame: House) -> None:
    frame.write(f"{HERE}/engine/a.py", '"""A."""\n\nfrom armature.engine import b\n\nB = b\n')
    frame.write(f"{HERE}/engine/b.py", '"""B."""\n\nfrom armature.engine.c import C\n\nD = C\n')
    frame.write(f"{HERE}/engine/c.py", '"""C."""\n\nfrom armature.engine.a import B\n\nC = B\n')
    frame.says("layers:cycle", f"{HERE}/engine/a.py", "import b", "below them")
    assert "engine.a → armature.engine.b → armature.engine.c → armature.engine.a" in frame.check("layers")[0].text


def test_a_folder_that_is_no_layer_is_named(frame: House) -> None:
    frame.write(f"{HERE}/services/seen.py", '"""Seen."""\n')
    frame.says("layers:unknown", f"{HERE}/services/seen.py", "", "runtime")


@pytest.mark.parametrize(
    ("file", "package", "cure"),
    [
        ("kernel/seen.py", "starlette", "only armature.edges.http"),
        ("engine/seen.py", "apsw", "only armature.adapters.sqlite"),
        ("adapters/memory/limiter.py", "kafka", "checks/vendors.py"),
        ("adapters/sqlite/seen.py", "structlog", "only armature.adapters.structlog"),
    ],
)
def test_a_vendor_outside_its_drawer_is_named(file: str, package: str, cure: str, frame: House) -> None:
    frame.write(f"{HERE}/{file}", f'"""Seen."""\n\nfrom {package}.inner import thing\n\nT = thing\n')
    frame.says("vendors:import", f"{HERE}/{file}", package, cure)


@pytest.mark.parametrize(
    ("lines", "rule", "cure"),
    [
        ("from armature.kernel.work import _hidden", "exports:private", "public name"),
        ("from armature.kernel.work import Other", "exports:unoffered", "__all__"),
        ("from armature.kernel.work import *", "exports:star", "name what it takes"),
        ("from armature.kernel import work\nX = work._hidden", "exports:private", "public name"),
        ("from armature.kernel import work\nX = work.Other", "exports:unoffered", "__all__"),
    ],
)
def test_what_a_file_does_not_offer_is_not_taken(lines: str, rule: str, cure: str, frame: House) -> None:
    file = f"{HERE}/engine/seen.py"
    frame.write(file, f'"""Seen."""\n\n{lines}\n')
    frame.says(rule, file, lines.splitlines()[-1], cure)


def test_a_file_that_others_import_says_what_it_offers(frame: House) -> None:
    file = f"{HERE}/kernel/work.py"
    frame.edit(file, '__all__ = ["Work"]', "")
    frame.says("exports:undeclared", file, '"""Work."""', "__all__")


def test_a_name_that_is_offered_exists(frame: House) -> None:
    file = f"{HERE}/kernel/work.py"
    frame.edit(file, '["Work"]', '["Work", "Wrok"]')
    frame.says("exports:unknown", file, '"""Work."""', "define it")


BODY = "    x = 1\n"
LONG = {
    "numbers:file": ("# line\n" * 400, "", "split it"),
    "numbers:function": (f"def long() -> None:\n{BODY * 50}", "def long", "name its steps"),
    "numbers:parameters": ("def many(a, b, c, *, d, e, f, g): ...\n", "def many", "struct"),
    "numbers:methods": ("class Wide:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(16)), "class Wide", "two things"),
    "numbers:needs": ("class N(Needs):\n" + "".join(f"    f{n}: int\n" for n in range(8)), "class N", "two modules"),
    "numbers:exports": (f"__all__ = {[f'n{n}' for n in range(16)]}\n", "", "split the file"),
}


@pytest.mark.parametrize("rule", LONG)
def test_one_more_than_the_house_number_is_too_much(rule: str, frame: House) -> None:
    text, snippet, cure = LONG[rule]
    file = f"{HERE}/engine/seen.py"
    frame.write(file, f'"""Seen."""\n{text}')
    frame.says(rule, file, snippet, cure)


def test_exactly_the_house_number_is_fine(frame: House) -> None:
    frame.write(f"{HERE}/engine/seen.py", f'"""Seen."""\n\n\ndef long(ctx, a, b, c, d, e, f) -> None:\n{BODY * 49}')
    assert frame.check("numbers") == []


def test_a_port_is_a_few_verbs(frame: House) -> None:
    methods = "".join(f"    def m{n}(self): ...\n" for n in range(9))
    frame.write(f"{HERE}/ports/wide.py", f'"""Wide."""\n\nfrom typing import Protocol\n\n\nclass Wide(Protocol):\n{methods}')
    frame.says("numbers:port", f"{HERE}/ports/wide.py", "class Wide", "few verbs")


def test_a_manifest_and_a_root_have_their_numbers_too(frame: House) -> None:
    frame.write("modules/shop/module.yaml", "name: shop\n" + "# line\n" * 25)
    for number in range(14):
        frame.write(f"extra{number}", "")
    frame.write("data/kept.db", "")
    frame.write(".gitignore", "data/\n")
    assert [one.rule for one in frame.check("numbers")] == ["numbers:root", "numbers:manifest"]


@pytest.mark.parametrize(
    ("text", "rule", "line"),
    [("x = 1\n", "files:reason", 1), ('"""Seen."""\n\nx = 1  # TO' + "DO: more\n", "files:later", 3)],
)
def test_a_file_without_a_reason_and_a_thing_left_for_later_are_named(text: str, rule: str, line: int, frame: House) -> None:
    frame.write(f"{HERE}/engine/seen.py", text)
    assert [(one.rule, one.line) for one in frame.check("files")] == [(rule, line)]


def test_a_name_that_says_nothing_is_named(frame: House) -> None:
    frame.write(f"{HERE}/engine/utils.py", '"""Odds and ends."""\n')
    frame.says("files:vague", f"{HERE}/engine/utils.py", "", "subject")


def test_a_role_without_code_is_a_word_in_a_file(frame: House) -> None:
    file = f"{HERE}/runtime/topology.py"
    frame.write(file, '"""Roles."""\n\nfrom typing import Literal\n\nRole = Literal["http", "projector"]\n')
    frame.write(f"{HERE}/edges/http/server.py", '"""Server."""\n')
    frame.says("executors:role", file, "Role =", f"{HERE}/runtime/roles/projector.py")


def test_a_role_that_falls_ill_in_silence_is_named(frame: House) -> None:
    file = f"{HERE}/runtime/roles/sweeper.py"
    role = '"""Sweeps."""\n\n\nclass SweeperRole:\n    """Sweeps."""\n\n    def {0}(self) -> list[str]:\n        """Say."""\n'
    frame.write(file, role.format("readiness"))
    assert frame.check("observability") == []
    frame.write(file, role.format("mood"))
    frame.says("observability:role", file, "", "readiness")
