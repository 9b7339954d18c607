"""A made TypeScript package: compiled under `--strict`, run by Node against real servers and a network that breaks."""

import base64
import json
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest

from armature import Context, Contract, query
from armature.clients.output import write
from armature.kernel.failure import FieldError
from armature.kernel.refusals import Invalid
from armature.runtime.project import load_project
from armature.testing.faults import Blackhole, LoseAnswers, Reset, TcpProxy
from armature.testing.server import RunningServer
from modules.counter.contract import Counters
from tests.clients.answers import Answer, Answers, refusing
from tests.clients.make import ROOT, compiler, run, typescript_client
from tests.clients.strange import Stranges
from tests.clients.test_carried import BLOCKS, STREAM

pytestmark = pytest.mark.slow

STORY = Path(__file__).parent / "typescript" / "story.ts"
COUNTER = b'{"id":"01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b","name":"a","note":null,"value":%s,"version":1}'
_tenants = count(1)

COMPILER = {
    "target": "ES2022",
    "module": "NodeNext",
    "lib": ["ES2022", "DOM"],
    "types": [],
    "strict": True,
    "skipLibCheck": False,
}

BREAKS = {
    "a field": ("poor.error.value", "poor.error.valeu", "Property 'valeu' does not exist on type 'Insufficient'"),
    "an argument's type": ("by: 5 }))", 'by: "5" }))', "Type 'string' is not assignable to type 'number'"),
    "an argument's name": ("limit: 2 }", "most: 2 }", "'most' does not exist in type"),
    "a forgotten argument": ("{ counter_id: one.id, note: null }", "{ note: null }", "Property 'counter_id' is missing"),
    "a word that is none of the list": ('sort: "value"', 'sort: "vlaue"', """Type '"vlaue"' is not assignable"""),
    "a forgotten null": ("newer?.version", "newer.version", "'newer' is possibly 'null'"),
    "a version where none is": (
        "(await counters.list()).items",
        "(await counters.list({}, { ifMatch: 1 })).items",
        "'ifMatch' does not",
    ),
    "an event's field": ("happened.event.delta", "happened.event.dleta", "Property 'dleta' does not exist"),
}

CUT = """
import { EventParser } from "./node_modules/made-client/dist/runtime/events.js";
const stream = Buffer.from(process.argv[2], "base64");
for (let at = 1; at < stream.length; at += 1) {
  const parser = new EventParser();
  console.log(JSON.stringify([...parser.feed(stream.subarray(0, at)), ...parser.feed(stream.subarray(at))]));
}
"""

NUMBERS = """
import { read, write } from "./node_modules/made-client/dist/runtime/json.js";
const tried = (how) => { try { return how(); } catch (error) { return error.constructor.name; } };
const text = process.argv[2];
console.log(JSON.stringify([tried(() => JSON.stringify(read(text))), tried(() => write(JSON.parse(text)))]));
"""


@pytest.fixture(scope="session")
def tsc(request: pytest.FixtureRequest) -> Path:
    """The compiler."""
    return compiler(Path(request.config.cache.mkdir("typescript")))  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tsc: Path) -> Path:
    """A user's project: the compiled package among its dependencies, and the stories."""
    made = tmp_path_factory.mktemp("typescript")
    package = made / "node_modules" / "made-client"
    write(typescript_client([Counters, Stranges]), package)
    code, said = run(["node", tsc, "-p", "."], package)
    assert (code, said) == (0, "")
    (made / "package.json").write_text('{"type": "module"}')
    (made / "tsconfig.json").write_text(json.dumps({"compilerOptions": COMPILER, "files": ["story.ts"]}))
    (made / "story.ts").write_text(STORY.read_text())
    code, said = run(["node", tsc, "-p", "."], made)
    assert (code, said) == (0, "")
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """One server for all stories; each has a tenant of its own."""
    with RunningServer(ROOT) as running:
        yield running


def told_story(folder: Path, story: str, url: str, direct: str = "") -> Any:
    """What a story saw."""
    headers = json.dumps({"x-tenant-id": f"typescript-{next(_tenants)}"})
    code, said = run(["node", "story.js", story, url, direct or url, headers], folder)
    assert code == 0, said
    return json.loads(said)


def test_breaks_are_found_before_they_run(folder: Path, tsc: Path, tmp_path: Path) -> None:
    text = STORY.read_text()
    for right, wrong, _ in BREAKS.values():
        assert text.count(right) >= 1
        text = text.replace(right, wrong)
    os.symlink(folder / "node_modules", tmp_path / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "story.ts").write_text(text)
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": {**COMPILER, "noEmit": True}, "files": ["story.ts"]}))
    code, said = run(["node", tsc, "-p", "."], tmp_path)
    assert code != 0 and [name for name, (_, _, expected) in BREAKS.items() if expected not in said] == [], said


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ('{"at":0.30000000000000004}', False),
        ("[5.9812345678901234,-0.12345678901234567,1.2345678901234567e-8,1e+21]", False),
        ("[9007199254740991,-9007199254740991]", False),
        (r'{"9007199254740993":"9007199254740993 \" 9007199254740993"}', False),
        ("[0.5,9007199254740993]", True),
        ('{"a":-9007199254740993}', True),
        ("18446744073709551615", True),
    ],
)
def test_only_whole_numbers_are_too_wide(folder: Path, text: str, refused: bool) -> None:
    """A fraction has as many digits as it needs and is the same double on both sides."""
    (folder / "numbers.js").write_text(NUMBERS)
    code, said = run(["node", "numbers.js", text], folder)
    read, written = json.loads(said)
    assert code == 0
    if refused:
        assert (read, written) == ("TooWide", "TooWide")
    else:
        assert json.loads(read) == json.loads(written) == json.loads(text)


def test_a_stream_says_the_same_wherever_it_is_cut(folder: Path) -> None:
    """The parser alone, cut in two at each byte, against what the Python one reads."""
    (folder / "cut.js").write_text(CUT)
    code, said = run(["node", "cut.js", base64.b64encode(STREAM).decode()], folder)
    blocks = [{"id": block.id, "type": block.type, "data": block.data} for block in BLOCKS]
    assert code == 0 and [json.loads(line) for line in said.splitlines()] == [blocks] * (len(STREAM) - 1)


def test_the_projects_own_contracts_compile(tsc: Path, tmp_path: Path) -> None:
    modules = load_project(ROOT).modules
    write(typescript_client([one for module in modules for one in module.contracts]), tmp_path)
    assert run(["node", tsc, "-p", ".", "--noEmit"], tmp_path) == (0, "")


def test_every_operation(folder: Path, server: RunningServer) -> None:
    assert told_story(folder, "operations", server.url) == {
        "values": [5, 4, 1, None, "uno", 0],
        "totals": {"counters": 2, "value": 3, "changes": 9},
        "verbs": ["create", "increment", "decrement", "transfer", "edit", "edit", "reset"],
        "first": 1,
        "gone": True,
        "left": ["two"],
        "got": 3,
    }


def test_both_styles_of_pages(folder: Path, server: RunningServer) -> None:
    assert told_story(folder, "pages", server.url) == {
        "all": [f"c{number}" for number in range(7)],
        "pages": [["c6", "c5", "c4"], ["c3", "c2", "c1"], ["c0"]],
        "total": 7,
        "last": [2],
    }


def test_every_refusal_that_a_healthy_server_gives(folder: Path, server: RunningServer) -> None:
    assert told_story(folder, "refusals", server.url) == {
        "met": [
            ["NameTaken", "counter:name_taken"],
            ["SameCounter", "counter:same"],
            ["CounterNotFound", "counter:not_found"],
            ["Insufficient", "counter:insufficient"],
            ["Invalid", "request:invalid"],
            ["KeyReused", "idempotency:key_reused"],
            ["Unauthenticated", "auth:unauthenticated"],
            ["Forbidden", "auth:forbidden"],
            ["RateLimited", "limit:exceeded"],
        ],
        "poor": [True, 0],
        "wrong": ["by"],
        "forbidden": "counter:write",
        "limited": ["10/minute", True],
    }


def test_a_version_guards_a_change_and_spares_a_body(folder: Path, server: RunningServer) -> None:
    assert told_story(folder, "versions", server.url) == {"same": None, "newer": 2, "code": "request:stale", "after": 2}


def test_a_command_whose_answer_is_lost_happens_once(folder: Path, server: RunningServer) -> None:
    with TcpProxy(_port(server)) as proxy:
        lost = proxy.when(b"/increment", LoseAnswers())
        saw = told_story(folder, "lost", f"http://127.0.0.1:{proxy.port}", server.url)
        assert lost.fired == 1 and proxy.counts["LoseAnswers"] >= 1
    assert saw == {"value": 5, "version": 2, "there": 5, "replayed": [True]}


def test_a_feed_goes_on_where_it_was_cut(folder: Path, server: RunningServer) -> None:
    with TcpProxy(_port(server)) as proxy:
        cut = proxy.when(b"event: counter.changed", Reset(), side="server", nth=3)
        saw = told_story(folder, "feed", f"http://127.0.0.1:{proxy.port}", server.url)
        assert cut.fired == 1 and proxy.counts["connections"] >= 2
    assert saw == {"seen": list(range(saw["seen"][0], saw["seen"][0] + 8)), "ids": 8}


def test_a_deadline_and_a_signal_end_calls_in_a_dead_network(folder: Path, server: RunningServer) -> None:
    with TcpProxy(_port(server)) as proxy:
        proxy.switch(Blackhole())
        assert told_story(folder, "late", f"http://127.0.0.1:{proxy.port}") == {"late": "mine", "aborted": "enough"}
        assert proxy.counts["Blackhole"] >= 1


def test_repeats_newer_codes_and_numbers_that_are_too_wide(folder: Path) -> None:
    answers = [
        Answer(503, b"busy"),
        Answer(200, COUNTER % b"1"),
        Answer(200, COUNTER % b"9007199254740993"),
        Answer(200, b"<html>"),
        Answer(409, b'{"code":"counter:frozen","detail":"It is frozen.","status":409}'),
        Answer(500, b"<html>"),
    ]
    with Answers(answers) as server:
        assert told_story(folder, "told", server.url) == {
            "repeated": 1,
            "failed": [True, True],
            "newer": ["Refused", "counter:frozen"],
            "proxy": ["Refused", 500],
            "sent": True,
            "path": True,
        }
    first, second = server.asked[:2]
    assert len(server.asked) == len(answers) and first == second and len(first.headers["idempotency-key"]) == 36
    assert (first.headers["authorization"], first.headers["traceparent"]) == ("Bearer secret", "00-trace")
    assert json.loads(first.body) == {"by": 1}


def test_a_position_of_each_log_is_carried_until_a_log_is_another_one(folder: Path) -> None:
    totals = Answer(200, b'{"counters":1,"value":1,"changes":1}')
    told = [Answer(200, COUNTER % b"1", {"armature-position": one}) for one in ("quota:a", "b", "quota:c")]
    stranger = refusing(Invalid(errors=[FieldError("Armature-Position", "is not a position of this log")]))
    with Answers([told[0], totals, told[1], totals, told[2], stranger, totals]) as server:
        assert told_story(folder, "positions", server.url) == ["quota:a", "b,quota:a", None]
    sent = [one.headers.get("armature-position") for one in server.asked]
    assert sent == [None, "quota:a", None, "b,quota:a", None, "b,quota:c", None]


def test_nobody_there_is_no_answer(folder: Path) -> None:
    with Answers([Answer()]) as server:
        pass
    assert told_story(folder, "nobody", server.url) == {"nobody": True}


def _port(server: RunningServer) -> int:
    return int(server.url.rpartition(":")[2])


def test_no_object_of_a_client_can_be_awaited_by_mistake() -> None:
    """JavaScript calls the `then` of whatever is awaited, or returned by an async function."""

    class Thens(Contract, Protocol, name="thens", version=1):
        """Has an operation of that name."""

        @query("GET /then", public=True)
        async def then(self, ctx: Context) -> int:
            """Return what follows."""
            ...

    text = typescript_client([Thens]).files["src/contracts/thens.ts"]
    assert "  then_(" in text and "  then(" not in text
