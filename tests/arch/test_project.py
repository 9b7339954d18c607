"""The rules about what is no Python, the excuses, and the command that shows it all."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from armature.checks.excuses import excuses_file
from armature.checks.rules import RULES
from armature.cli.main import main
from armature.runtime.contracts.folder import write as write_contracts
from armature.runtime.model import load
from armature.runtime.project import load_project
from armature.runtime.schemas import write_schemas
from tests.arch.house import House, fresh

SINGLE = "platform/topologies/single.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "rule", "snippet", "cure"),
    [
        (SINGLE, "roles: [http, projector, sweeper]", "rolls: [http]", "model:load", "rolls", "roles"),
        (SINGLE, '"*"', "[stock]", "model:hosts", "", "name it in a process"),
        (SINGLE, '"*"', "[stock, shop, stokc]", "model:hosts", "", "did you mean 'stock'?"),
        (SINGLE, "roles: [http, projector, sweeper]", "roles: [http]", "model:roles", "", "add projector"),
    ],
)
def test_a_topology_hosts_what_there_is(file: str, old: str, new: str, rule: str, snippet: str, cure: str, house: House) -> None:
    house.edit(file, old, new)
    house.says(rule, file, snippet, cure)


def test_a_role_that_nobody_plays_is_named_for_the_environment_that_needs_it(house: House) -> None:
    assert house.check("topology") == []
    house.write("platform/environments/dev.yaml", "database: {adapter: postgres, url: env:PLACE}\n")
    house.says("topology:seats", SINGLE, "", "add sequencer")


def test_an_environment_that_a_topology_names_and_that_is_not_there_is_named(house: House) -> None:
    house.write("platform/topologies/other.yaml", "environment: nope\n")
    for rule in ("model", "topology"):
        found = [one for one in house.check(rule) if one.rule == "model:load"]
        assert [(one.file, "known are: dev" in one.cure) for one in found] == [("platform/environments/nope.yaml", True)], rule


def test_the_rule_of_topologies_alone_names_a_module_that_nobody_hosts(house: House) -> None:
    house.edit(SINGLE, '"*"', "[stock]")
    assert "model:hosts" in {one.rule for one in house.check("topology")}


def test_pools_that_do_not_fit_into_the_database_are_named(house: House) -> None:
    house.edit(SINGLE, "projector, sweeper]", "projector, sweeper, sequencer]\n    replicas: 3")
    place = "database: {adapter: postgres, url: env:PLACE, connections_max: 57}\n"
    house.write("platform/environments/dev.yaml", place)
    assert house.check("topology") == []
    house.write("platform/environments/dev.yaml", place + "policies: {postgres: {read_connections: 9}}\n")
    house.says("topology:connections", SINGLE, "", "lower replicas")


def test_kept_answers_that_processes_do_not_share_are_named(house: House) -> None:
    contract = "modules/stock/contract.py"
    house.edit(contract, "refuses=[ItemNotFound])\n    async def get", "refuses=[ItemNotFound], cache=KEPT)\n    async def get")
    house.edit(
        contract,
        "import Context, Contract, Event, Failure, Kind, command",
        "import Context, Contract, Event, Failure, Kind, cached, command",
    )
    house.edit(contract, "class ItemNotFound(", "KEPT = cached(seconds=60, until=[Counted])\n\n\nclass ItemNotFound(")
    assert house.check("topology") == []
    house.edit(SINGLE, "sweeper]", "sweeper]\n    replicas: 2")
    house.says("topology:cache", SINGLE, "", "redis")
    house.write("platform/environments/dev.yaml", "cache: {adapter: redis, url: env:PLACE}\n")
    assert house.check("topology") == []


def test_a_read_model_that_may_be_late_for_ever_is_named(house: House) -> None:
    assert house.check("observability") == []
    house.write("platform/policies.yaml", "")
    house.says("observability:lag", "modules/stock/projections.py", "class Counts", "lag_slo_seconds")
    house.edit("modules/stock/projections.py", 'order="stream")', 'order="stream", lag_slo_seconds=60)')
    assert house.check("observability") == []
    house.edit("modules/stock/projections.py", "lag_slo_seconds=60", "lag_slo_seconds=3")
    house.says("observability:lag", "modules/stock/projections.py", "class Counts", "head_check_seconds")


def test_a_model_file_that_nobody_reads_is_named(house: House) -> None:
    house.write("platform/environments/staging.yml", "")
    house.says("model:files", "platform/environments/staging.yml", "", "*.yaml")


def test_every_environment_is_loaded_and_not_only_the_first(house: House) -> None:
    house.write("platform/environments/staging.yaml", "database:\n  adaptor: sqlite\n")
    house.says("model:load", "platform/environments/staging.yaml", "adaptor", "adapter")


def test_a_production_environment_on_shared_servers_that_does_not_say_who_it_is_is_named(house: House) -> None:
    sound = """production: true
installation: shop
signal: {adapter: nats, url: env:BROKER}
secrets: {keys.cursor: env:KEY}
policies: {http: {development_identity: false, error_details: false}}
"""
    house.write("platform/environments/live.yaml", sound)
    assert house.check("model") == []
    house.write("platform/environments/live.yaml", sound.replace("installation: shop\n", ""))
    house.says("model:load", "platform/environments/live.yaml", "", "write `installation: NAME`")


def test_permissions_and_limits_of_what_is_not_there_are_named(house: House) -> None:
    policies = "platform/policies.yaml"
    sound = "roles: {reader: [stock:read], owner: ['*']}\nlimits: {operations: {stock.get: 5/second}}\n"
    house.write(policies, sound)
    assert house.check("model") == []
    house.write(policies, sound.replace("stock:read", "stokc:read"))
    house.says("model:policies", policies, "", "did you mean 'stock:read'?")
    house.write(policies, sound.replace("stock.get", "stokc.get"))
    house.says("model:policies", policies, "", "did you mean 'stock.get'?")
    house.write(policies, "")
    house.write("platform/environments/dev.yaml", "policies: {limits: {operations: {stock.gett: 5/second}}}\n")
    house.says("model:policies", "platform/environments/dev.yaml", "", "did you mean 'stock.get'?")


def test_a_schema_that_is_older_than_the_code_is_named(house: House) -> None:
    write_schemas(house.root)
    assert house.check("model") == []
    house.write("platform/schemas/topology.json", "{}\n")
    house.says("model:schemas", "platform/schemas/topology.json", "", "commit")


def test_a_module_that_cannot_be_imported_is_told_and_not_thrown(house: House) -> None:
    house.edit("modules/stock/domain.py", "from modules.stock.contract import Counted, Item", "from nowhere import Counted, Item")
    found = house.check("model", "types", "sql", "contracts")
    assert {one.rule for one in found} == {"model:modules"} and "nowhere" in found[0].text


@pytest.mark.parametrize("rule", ["contracts", "graph", "sql", "types"])
def test_a_rule_that_is_asked_alone_tells_of_modules_that_cannot_be_imported(rule: str, house: House) -> None:
    promise(house)
    house.edit("modules/stock/domain.py", "from modules.stock.contract import Counted, Item", "from nowhere import Counted, Item")
    assert {one.rule for one in house.check(rule)} == {"model:modules"}


def test_policies_that_cannot_be_read_are_told_by_the_rule_of_contracts_alone(house: House) -> None:
    promise(house)
    house.write("platform/policies.yaml", "ruoles: {}\n")
    assert {one.rule for one in house.check("contracts")} == {"model:load"}


CONTRACT = "modules/stock/contract.py"


def promise(house: House) -> None:
    """Write what the house promises, as `armature contracts` does."""
    with fresh(house.root):
        policies = load(house.root, topology="single", environment="dev", environ={}).policies
        write_contracts(load_project(house.root), policies)


def test_a_document_that_is_older_than_the_code_is_named(house: House) -> None:
    promise(house)
    assert house.check("contracts") == []
    house.edit(CONTRACT, "Return an item.", "Return one item.")
    house.says("contracts:drift", "contracts/openapi.json", "", "armature contracts", also=2)


def test_a_promise_that_the_code_no_longer_keeps_is_named(house: House) -> None:
    promise(house)
    house.edit(CONTRACT, 'permission="stock:read"', 'permission="stock:look"')
    house.says("contracts:breaking", "contracts/stock.v1.json", "", "version=2", also=3)


def test_a_document_that_was_edited_by_hand_is_told_from_one_that_is_old(house: House) -> None:
    promise(house)
    house.edit("contracts/stock.v1.proto", "string name = 1;", "string name = 7;")
    house.says("contracts:edited", "contracts/stock.v1.proto", "", "undo the edit")
    assert "a field's number" in house.check("contracts")[0].text, "the numbers are read back from there, and say nothing"


OLDER = """

@upcast(Counted, from_schema=1)
def _counted(old: dict[str, int]) -> dict[str, int]:
    return {**old, "kept": old["left"]}
"""


def test_old_events_that_nothing_reads_are_named(house: House) -> None:
    promise(house)
    house.edit(CONTRACT, 'counted", schema=1', 'counted", schema=2')
    house.says("contracts:upcast", CONTRACT, "", "@upcast(Counted, from_schema=1)", also=3)
    house.edit(CONTRACT, "event, query", "event, query, upcast")
    house.edit(CONTRACT, "    item_id: UUID\n    left: int\n", f"    item_id: UUID\n    kept: int\n{OLDER}")
    house.edit("modules/stock/projections.py", ":left)", ":kept)")
    promise(house)
    assert house.check("contracts") == []
    house.edit(CONTRACT, '"kept": old["left"]', '"keep": old["left"]')
    house.says("contracts:upcast", CONTRACT, "", "mend the @upcast")
    house.edit(CONTRACT, '"keep": old["left"]', '"kept": old["left"]')
    (house.root / "contracts/events/stock.counted.1.json").unlink()
    house.says("contracts:history", "contracts/events/stock.counted.1.json", "", "version control")


DECISION = "**Context.** A.\n\n**Choice.** B.\n\n**Price.** C.\n\n**Revisit when** D.\n"


@pytest.mark.parametrize("part", ["Context", "Choice", "Price", "Revisit when"])
def test_a_decision_tells_all_four_parts(part: str, house: House) -> None:
    house.write("docs/decisions/one.md", DECISION)
    assert house.check("docs") == []
    house.edit("docs/decisions/one.md", f"**{part}", "**Otherwise")
    house.says("docs:decision", "docs/decisions/one.md", "", part)


def test_a_link_leads_somewhere(house: House) -> None:
    house.write("docs/a.md", "# A page\n\n[b](b.md#two-words) [web](https://example.org/) [top](#a-page)\n```\n[c](c.md)\n```\n")
    house.write("docs/b.md", "## Two words\n")
    assert house.check("docs") == []
    house.edit("docs/b.md", "Two", "Three")
    house.says("docs:link", "docs/a.md", "[b]", "heading")
    (house.root / "docs/b.md").unlink()
    house.says("docs:link", "docs/a.md", "[b]", "path")


EXCUSE = "excused:\n  - rule: files:vague\n    place: modules/stock/tests/helpers.py\n    reason: it is a test of names\n"


def test_an_excuse_with_a_reason_quiets_one_finding(house: House) -> None:
    house.write("modules/stock/tests/helpers.py", '"""Odds."""\n')
    house.says("files:vague", "modules/stock/tests/helpers.py", "", "subject")
    house.write(excuses_file(house.root), EXCUSE)
    assert house.check("files") == []


def test_an_excuse_that_excuses_nothing_is_a_finding(house: House) -> None:
    house.write("platform/excused.yaml", EXCUSE)
    assert [(one.rule, one.cure) for one in house.check("files")] == [("excuses", "remove the entry")]
    assert house.check("docs") == [], "only the rules that ran can say whether an excuse is needed"


def test_an_excuse_without_a_reason_is_a_finding(house: House) -> None:
    house.write("platform/excused.yaml", EXCUSE.replace("it is a test of names", '""'))
    assert [one.rule for one in house.check("docs")] == ["excuses"]


@pytest.mark.parametrize("text", ["excused: 7\n", "excuses: []\n", "excused:\n  - 3\n", "excused: [\n"])
def test_an_excuses_file_that_cannot_be_understood_is_a_finding(text: str, house: House) -> None:
    house.write("platform/excused.yaml", text)
    assert [(one.rule, one.file) for one in house.check("docs")] == [("excuses", "platform/excused.yaml")]


@pytest.mark.parametrize("line", ["def build(needs):", "raise ZeroDivisionError\n\n\ndef build(needs: Needs) -> Module:"])
def test_a_module_that_falls_over_at_import_is_told_and_not_thrown(line: str, house: House) -> None:
    house.edit("modules/stock/module.py", "def build(needs: Needs) -> Module:", line)
    assert [one.rule for one in house.check("model", "types", "sql")] == ["model:modules"]


def run(root: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.chdir(root)
    with fresh(root):
        return CliRunner().invoke(main, ["check", *words])


def test_the_command_says_place_rule_text_and_cure_and_leaves_with_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(house.root)
    with fresh(house.root):
        assert CliRunner().invoke(main, ["contracts"]).exit_code == 0
    assert run(house.root, monkeypatch).output == "no findings\n"
    house.edit("modules/stock/domain.py", "from modules", "import os\n\nfrom modules")
    said = run(house.root, monkeypatch, "outside")
    assert said.exit_code == 1
    line = "error: modules/stock/domain.py:3: outside:import: it imports os; configuration is read at the door: ask for a policy"
    assert said.output.splitlines() == [line, "1 finding"]
    told = json.loads(run(house.root, monkeypatch, "outside", "--json").output)["findings"]
    assert [(one["rule"], one["line"]) for one in told] == [("outside:import", 3)]
    assert run(house.root, monkeypatch, "graph", "docs").exit_code == 0


def test_the_command_lists_its_rules_and_knows_a_slip_of_the_hand(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [line.split()[0] for line in run(house.root, monkeypatch, "--list").output.splitlines()] == list(RULES)
    refused = run(house.root, monkeypatch, "grpah")
    assert refused.exit_code == 2 and "did you mean 'graph'?" in refused.output


def test_a_type_that_not_every_edge_can_carry_is_refused_at_start(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.edit("modules/stock/contract.py", "left: int = 1", "left: int = 1, marks: set[str] | None = None")
    monkeypatch.chdir(house.root)
    with fresh(house.root):
        refused = CliRunner().invoke(main, ["shell", "stock.get"])
    assert refused.exit_code == 2
    assert "modules/stock/contract.py: stock.add: marks: set[str] is no type of a contract; use one of: bool" in refused.output


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("left: int = 1", "left: int = 1, marks: set[str] | None = None", "stock.add: marks: set[str] is no type of a contract"),
        (
            "left: int = 1",
            'left: int = 1, mark: Literal["a", 1] = 1',
            "stock.add: mark: its values are neither all texts nor all",
        ),
        (
            "left: int = 1",
            'left: Annotated[Decimal, Meta(ge=1)] = Decimal("1")',
            "stock.add: arguments: Can only set `ge` on a numeric type",
        ),
        (
            "class Item(Struct, frozen=True):",
            "class Item(Struct, frozen=True, kw_only=True):\n    größe: int = 1",
            "'größe' is no name in",
        ),
    ],
)
def test_what_no_document_can_say_is_told_in_a_line_by_every_command(
    house: House, monkeypatch: pytest.MonkeyPatch, old: str, new: str, words: str
) -> None:
    file = "modules/stock/contract.py"
    (house.root / "contracts").mkdir(exist_ok=True)
    house.edit(
        file, "from typing import Protocol", "from decimal import Decimal\nfrom typing import Annotated, Literal, Protocol"
    )
    house.edit(file, "from msgspec import Struct", "from msgspec import Meta, Struct")
    house.edit(file, old, new)
    monkeypatch.chdir(house.root)
    for command in (["contracts"], ["contracts", "--check"], ["client", "python", "--out", "made"], ["shell", "stock.get"]):
        with fresh(house.root):
            refused = CliRunner().invoke(main, command)
        assert (refused.exit_code, refused.output.count("\n")) == (2, 1), refused.output
        assert f"{file}: stock" in refused.output and words in refused.output
    checked = run(house.root, monkeypatch, "types", "contracts")
    assert checked.exit_code == 1 and words in checked.output
