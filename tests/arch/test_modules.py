"""Each rule about business modules catches the line it was made for, and lets the honest house stand."""

import pytest

from armature.checks.rules import RULES
from armature.runtime.problems import ModelError
from armature.runtime.project import load_project
from armature.runtime.uses import refuse_untrue_uses
from tests.arch.house import House, fresh
from tests.arch.seeds_promising import PROMISING
from tests.arch.seeds_reaching import CONTRACT, DOMAIN, MODULE, PROJECTIONS, REACHING, REPOSITORY, SERVICE, SHOP, STOCK


def test_an_honest_house_has_no_findings_at_all(house: House) -> None:
    assert [str(one) for one in house.check(*RULES)] == []


SEEDS = {**REACHING, **PROMISING}

# Where the finding stands in another file than the one that was edited.
ELSEWHERE = {
    "a refusal through two calls": (CONTRACT, "async def add"),
    "a refusal nobody lists": (REPOSITORY, "refuse=ItemNotFound"),
    "a refusal nobody raises": (CONTRACT, "class ItemNotFound"),
    "a duplicate that wants a field": (MODULE, "stock_name_taken"),
    "an event nobody publishes": (CONTRACT, "class Counted"),
    "a table that is not declared": (f"{STOCK}/migrations/0001_create.sql", "create table"),
    "a projection nobody folds": (PROJECTIONS, "class Counts"),
}

# One mistake that is rightly told from more than one end: how many more findings it makes.
ALSO = {
    "a neighbour's repository": 0,
    "a constraint without an index": 1,
    "a projection without tables": 1,
    "a service with an effect": 1,
    "an operation for everybody and nobody": 2,
    "arguments by position": 3,
    "a type deep inside": 1,
    "a member that no class could have": 1,
    "needs in the wrong file": 1,
    "a generic struct that is inherited": 1,
    "a generic struct that nothing fills": 1,
}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rule_says_no_to(seed: str, house: House) -> None:
    rule, file, old, new, snippet, cure = SEEDS[seed]
    house.edit(file, old, new)
    place, at = ELSEWHERE.get(seed, (file, snippet))
    house.says(rule, place, at, cure, also=ALSO.get(seed, 0))


def test_modules_that_need_each_other_are_named_in_a_circle(house: House) -> None:
    house.edit(
        SERVICE, "from modules.stock import domain", "from modules.shop.contract import Shop\nfrom modules.stock import domain"
    )
    house.edit(f"{STOCK}/module.yaml", "uses: []", "uses: [shop]")
    house.says("graph:cycle", f"{SHOP}/module.yaml", "", "by events")
    assert "shop → stock → shop" in house.check("graph")[0].text


def test_an_entry_with_as_module_is_the_same_use(house: House) -> None:
    house.edit(f"{SHOP}/module.yaml", "- stock.get", "- stock.get as module")
    house.edit(f"{STOCK}/module.yaml", "uses: []", "uses: []\ngrants: {shop: [stock:read]}")
    assert house.check("graph") == []


# What is written, where, and what is said of it.
TERMS = {
    "a form that is none": ("- stock.get", "- stock.get as root", f"{SHOP}/module.yaml", "stock.get as module"),
    "an event that is asked": ("- stock.get", "- stock.get\n  - stock.counted as module", f"{SHOP}/module.yaml", "stock.counted"),
    "an operation in two forms": ("- stock.get", "- stock.get\n  - stock.get as actor", f"{SHOP}/module.yaml", "say once"),
    "a module without a grant": ("- stock.get", "- stock.get as module", f"{STOCK}/module.yaml", "`shop: [stock:read]`"),
    "a neighbour of whom nothing is asked": ("- stock.get", "- stock", f"{SHOP}/module.yaml", "for instance `stock.get`"),
}


@pytest.mark.parametrize("name", TERMS)
def test_a_use_on_terms_that_do_not_hold_is_found_and_refused_at_start(house: House, name: str) -> None:
    old, new, file, cure = TERMS[name]
    house.edit(f"{SHOP}/module.yaml", old, new)
    found = [one for one in house.check("graph") if one.rule == "graph:terms"]
    assert [(one.file, cure in one.cure) for one in found] == [(file, True)], found
    with fresh(house.root), pytest.raises(ModelError) as refused:
        refuse_untrue_uses(load_project(house.root))
    assert found[0].text in str(refused.value)


@pytest.mark.parametrize(
    ("grants", "cure"), [("shop: [stock:read]", "take stock:read away"), ("till: [stock:read]", "known are")]
)
def test_a_grant_that_nobody_needs_is_found(house: House, grants: str, cure: str) -> None:
    house.edit(f"{STOCK}/module.yaml", "uses: []", f"uses: []\ngrants: {{{grants}}}")
    house.says("graph:terms", f"{STOCK}/module.yaml", "", cure)


@pytest.mark.parametrize("use", ["till.pay", "stock.sell"])
def test_a_use_of_something_that_does_not_exist_is_refused_at_start(house: House, use: str) -> None:
    house.edit(f"{SHOP}/module.yaml", "- stock.get", f"- stock.get\n  - {use}")
    with fresh(house.root), pytest.raises(ModelError, match=use.partition(".")[2] if "stock" in use else "till"):
        refuse_untrue_uses(load_project(house.root))


@pytest.mark.parametrize(
    ("file", "text", "rule", "cure"),
    [
        ("modules/stock/helpers.py", '"""Odds."""\n', "files:unknown", "service.py"),
        ("modules/stock/migrations/create.sql", "", "files:unknown", "0001_"),
        ("modules/stock/notes.txt", "", "files:unknown", "put its content"),
    ],
)
def test_a_file_where_nobody_looks_is_named(file: str, text: str, rule: str, cure: str, house: House) -> None:
    house.write(file, text)
    found = [one for one in house.check("files") if one.rule == rule]
    assert [one.file for one in found] == [file] and cure in found[0].cure


def test_a_folder_that_is_no_module_is_not_passed_over(house: House) -> None:
    house.write("modules/till/domain.py", '"""A till."""\n')
    missing = {one.file for one in house.check("files") if one.rule == "files:missing"}
    assert missing == {"modules/till/module.yaml", "modules/till/module.py", "modules/till/contract.py"}


def test_a_file_that_python_cannot_read_is_a_finding_of_every_run(house: House) -> None:
    house.edit(DOMAIN, "def count(", "def count((")
    assert ("files:python", DOMAIN, 6) in [(one.rule, one.file, one.line) for one in house.check("docs")]


def test_a_migration_does_not_lean_on_code_that_changes(house: House) -> None:
    file = "modules/stock/migrations/0002_fill.py"
    house.write(file, '"""Fill."""\n\nfrom modules.stock.domain import count\n')
    house.says("boundaries:order", file, "import count", "ten years")


def test_hand_written_routes_do_not_hold_the_service(house: House) -> None:
    file = "modules/stock/http.py"
    house.write(file, '"""Routes."""\n\nfrom modules.stock.service import StockService\n')
    house.says("boundaries:order", file, "StockService", "call the operations")


def test_tests_of_a_module_may_see_the_world_but_not_the_framework_s_inside(house: House) -> None:
    file = "modules/stock/tests/test_stock.py"
    house.write(file, '"""Stock."""\n\nimport os\n\nimport pytest\nfrom armature.testing import TestApp\n')
    assert house.check("boundaries", "outside", "vendors") == []
    house.write(file, '"""Stock."""\n\nfrom armature.engine.work import Workshop\n')
    house.says("boundaries:face", file, "Workshop", "armature.testing")


def test_personal_data_may_stand_in_an_answer_and_not_in_an_event(house: House) -> None:
    house.edit(CONTRACT, "Kind, command", "Kind, Personal, command")
    house.edit(CONTRACT, "    item_id: UUID\n    left: int\n", "    item_id: UUID\n    left: int\n    by: Personal[str] = ''\n")
    house.says("types:personal", CONTRACT, "class Counted", "carry an id")


def test_personal_data_in_an_answer_that_is_kept_is_refused(house: House) -> None:
    house.edit(CONTRACT, "Kind, command", "Kind, Personal, command")
    house.edit(CONTRACT, "    name: str\n    left", "    name: Personal[str]\n    left")
    house.says("types:closed", CONTRACT, "async def add", "answer with an id")


def test_two_modules_whose_tables_look_alike_are_told_apart(house: House) -> None:
    house.write("modules/stock_old/module.yaml", "name: stock_old\n")
    found = house.check("ownership")
    assert [(one.rule, one.file) for one in found] == [("ownership:name", "modules/stock_old")]


def test_a_module_has_a_name_that_tables_can_begin_with(house: House) -> None:
    house.write("modules/Till-2/module.yaml", "name: Till-2\n")
    assert "files:name" in {one.rule for one in house.check("files") if one.file == "modules/Till-2"}


def test_a_refusal_is_followed_from_the_service_into_the_domain(house: House) -> None:
    house.edit(DOMAIN, "    return Counted", "    _sure(item)\n    return Counted")
    text = (house.root / DOMAIN).read_text(encoding="utf-8")
    house.write(DOMAIN, text + "\n\ndef _sure(item: Item) -> None:\n    raise ItemNotFound\n")
    house.says("refusals:unlisted", CONTRACT, "async def add", "add ItemNotFound")


@pytest.mark.parametrize("word", ["@pytest.mark.skip", "@pytest.mark.xfail(strict=True)", "@pytest.mark.skipif(True, reason='')"])
def test_a_test_that_does_not_run_is_named(word: str, house: House) -> None:
    file = "modules/stock/tests/test_stock.py"
    house.write(file, f'"""Stock."""\n\nimport pytest\n\n\n{word}\ndef test_stock() -> None: ...\n')
    house.says("files:skip", file, word, "make it run")
