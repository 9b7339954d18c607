"""`armature contracts`: it writes what is new, refuses what breaks somebody, and says what was meant."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from tests.arch.house import House
from tests.contracts.conftest import Armature

CONTRACT = "modules/stock/contract.py"
SAID = "stock.get: it asks for stock:look, it was stock:read"


def ok(result: Result) -> str:
    """The output of a command that did what it was told."""
    assert result.exit_code == 0, result.output
    return result.output


def files(house: House) -> set[str]:
    folder = house.root / "contracts"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def texts(house: House) -> dict[str, bytes]:
    return {name: (house.root / "contracts" / name).read_bytes() for name in files(house)}


def broken(house: House) -> None:
    house.edit(CONTRACT, 'permission="stock:read"', 'permission="stock:look"')


ALL = {
    "asyncapi.json",
    "catalogue.md",
    "events/stock.counted.1.json",
    "openapi.json",
    "shop.v1.json",
    "shop.v1.proto",
    "stock.v1.json",
    "stock.v1.proto",
}


def test_everything_is_written_once(house: House, armature: Armature) -> None:
    assert ok(armature("contracts")).count("wrote contracts/") == len(ALL)
    assert files(house) == ALL
    assert "contracts/" not in ok(armature("contracts")), "a second call has nothing to do"
    assert ok(armature("contracts", "--check")) == "contracts/ agrees with the code\n"


def test_what_breaks_somebody_is_not_written(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    before = texts(house)
    broken(house)
    refused = armature("contracts")
    assert refused.exit_code == 1
    assert SAID in refused.output and "version=2" in refused.output and "--break" in refused.output
    assert "Traceback" not in refused.output
    assert texts(house) == before
    checked = armature("contracts", "--check")
    assert checked.exit_code == 1 and SAID in checked.output


def test_a_break_with_a_reason_is_written_and_told_to_those_it_breaks(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    broken(house)
    ok(armature("contracts", "--break", "nobody may only look"))
    told = (house.root / "contracts/breaks.md").read_text()
    assert f"## {datetime.now(UTC).date()}: nobody may only look\n\n- `stock.v1.json`: {SAID}\n" in told
    assert ok(armature("contracts", "--check")).startswith("contracts/ agrees")
    house.edit(CONTRACT, 'permission="stock:look"', 'permission="stock:read"')
    ok(armature("contracts", "--break", "somebody may"))
    both = (house.root / "contracts/breaks.md").read_text()
    assert both.startswith(told) and "somebody may" in both


def test_a_reason_without_a_break_leaves_no_trace(house: House, armature: Armature) -> None:
    ok(armature("contracts", "--break", "just in case"))
    assert files(house) == ALL


def test_a_new_version_stands_beside_the_old_one_until_that_is_dropped(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    before = texts(house)
    broken(house)
    house.edit(CONTRACT, 'name="stock", version=1', 'name="stock", version=2')
    ok(armature("contracts"))
    assert files(house) == ALL | {"stock.v2.json", "stock.v2.proto"}
    assert {name: texts(house)[name] for name in ("stock.v1.json", "stock.v1.proto")} == {
        name: before[name] for name in ("stock.v1.json", "stock.v1.proto")
    }
    assert ok(armature("contracts", "--check")).startswith("contracts/ agrees")
    ok(armature("contracts", "--drop", "stock.v1"))
    assert files(house) == (ALL - {"stock.v1.json", "stock.v1.proto"}) | {"stock.v2.json", "stock.v2.proto"}
    again = armature("contracts", "--drop", "stock.v1")
    assert again.exit_code == 2 and "is not there" in again.output
    outside = armature("contracts", "--drop", "../modules/stock")
    assert outside.exit_code == 2


def test_a_version_that_is_served_cannot_be_dropped(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    before = texts(house)
    refused = armature("contracts", "--drop", "stock.v1")
    assert refused.exit_code == 2 and "is served" in refused.output
    assert texts(house) == before


def test_a_contract_that_is_gone_takes_its_files_with_it(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    house.edit("modules/shop/contract.py", 'name="shop", version=1', 'name="window", version=1')
    refused = armature("contracts")
    assert refused.exit_code == 1 and "the contract shop.v1 is gone" in refused.output
    ok(armature("contracts", "--break", "it is called window"))
    assert not {"shop.v1.json", "shop.v1.proto"} & files(house)
    assert {"window.v1.json", "window.v1.proto", "breaks.md"} <= files(house)


def test_an_edit_of_what_is_judged_is_not_written_over(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    house.edit("contracts/stock.v1.json", '"permission": "stock:read"', '"permission": "stock:look"')
    broken(house)
    refused = armature("contracts")
    assert refused.exit_code == 1 and "contracts/stock.v1.json: edited by hand" in refused.output
    (house.root / "contracts/stock.v1.json").unlink()
    ok(armature("contracts"))


def test_an_edit_of_what_is_only_read_is_written_over(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    before = texts(house)
    house.edit("contracts/catalogue.md", "Return an item.", "Return any item.")
    assert "contracts/catalogue.md: was edited by hand" in armature("contracts", "--check").output
    ok(armature("contracts"))
    assert texts(house) == before


def git(root: Path, *words: str) -> None:
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@example.org")
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def test_a_release_is_compared_by_its_revision(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    git(house.root, "init", "-q")
    git(house.root, "add", "contracts")
    git(house.root, "commit", "-q", "-m", "first")
    git(house.root, "tag", "v1")
    assert ok(armature("contracts", "--against", "v1")).startswith("nothing breaks")
    broken(house)
    found = armature("contracts", "--against", "v1")
    assert found.exit_code == 1 and f"contracts/stock.v1.json: {SAID}" in found.output
    ok(armature("contracts", "--break", "agreed"))
    assert ok(armature("contracts", "--against", "v1")).startswith("nothing breaks"), "it was said in breaks.md"
    house.edit(CONTRACT, "name: str, left", "label: str, left")
    found = armature("contracts", "--against", "v1")
    assert found.exit_code == 1 and SAID not in found.output and "argument name: is gone" in found.output


def test_a_release_is_compared_by_its_folder(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    (house.root / "contracts").rename(house.root / "released")
    broken(house)
    found = armature("contracts", "--against", "released")
    assert found.exit_code == 1 and SAID in found.output


def test_a_release_that_is_not_there_is_told_in_words(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    for wrong in ("v9", "--help-me", "-x"):
        missing = armature("contracts", f"--against={wrong}")
        assert missing.exit_code == 2 and "revision" in missing.output and "Traceback" not in missing.output


def test_field_numbers_stay_with_their_fields(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    house.edit(CONTRACT, "    name: str\n    left: int\n", "    left: int\n    colour: str\n    name: str\n")
    ok(armature("contracts"))
    text = (house.root / "contracts/stock.v1.proto").read_text()
    item = text[text.index("message Item") :]
    assert "left = 3;" in item and "name = 2;" in item and "colour = 4;" in item


def test_a_number_that_was_given_away_is_told(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    git(house.root, "init", "-q")
    git(house.root, "add", "contracts")
    git(house.root, "commit", "-q", "-m", "first")
    (house.root / "contracts/stock.v1.proto").unlink()
    house.edit(CONTRACT, "    name: str\n    left: int\n", "    left: int\n    name: str\n")
    ok(armature("contracts"))
    found = armature("contracts", "--against", "HEAD")
    assert found.exit_code == 1
    assert "contracts/stock.v1.proto: Item.left: its number was 3, is now 2" in found.output


@pytest.mark.parametrize("name", ["contracts", "contracts/openapi.json"])
def test_what_stands_where_a_document_belongs_is_told_in_words(house: House, armature: Armature, name: str) -> None:
    armature("contracts")
    place = house.root / name
    if place.is_dir():
        shutil.rmtree(place)
        place.write_text("somebody's")
    else:
        place.unlink()
        place.mkdir()
    told = armature("contracts")
    assert told.exit_code == 2 and f"armature contracts: {place}: " in told.output
    judged = armature("check", "contracts")
    assert judged.exit_code == 1 and "contracts/openapi.json: contracts:drift" in judged.output


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_break_needs_a_reason_that_says_something(house: House, armature: Armature, reason: str) -> None:
    ok(armature("contracts"))
    before = texts(house)
    broken(house)
    refused = armature("contracts", "--break", reason)
    assert refused.exit_code == 2 and "--break without a reason; say why" in refused.output
    assert texts(house) == before


def test_a_folder_that_is_gone_is_found(house: House, armature: Armature) -> None:
    ok(armature("contracts"))
    assert ok(armature("check", "contracts")) == "no findings\n"
    shutil.rmtree(house.root / "contracts")
    found = armature("check", "contracts")
    assert found.exit_code == 1
    assert "contracts: contracts:missing: there is no such folder" in found.output and "run `armature contracts`" in found.output
