"""What stands in a file of the model and cannot be understood is refused, with the line and the cure."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from armature.runtime.model import ModelError, load
from tests.model.project import DEV, POLICIES, SINGLE, loaded, project, refusal

SOME_KEYS = ["http", "port", "roles", "processes", "app", "modules", "name", "secrets", "policies", "database", "path", "data"]

UNKNOWN = {
    "policies": {
        "htpp: {}": f"{POLICIES}:1: unknown key 'htpp'; did you mean 'http'?",
        "http:\n  prot: 1": f"{POLICIES}:2: http: unknown key 'prot'; did you mean 'port'?",
    },
    "single": {
        "proceses: {}": f"{SINGLE}:1: unknown key 'proceses'; did you mean 'processes'?",
        "processes:\n  web:\n    replcas: 2": f"{SINGLE}:3: processes.web: unknown key 'replcas'; did you mean 'replicas'?",
    },
    "dev": {
        "prodution: true": f"{DEV}:1: unknown key 'prodution'; did you mean 'production'?",
        "database: {pth: x}": f"{DEV}:1: database: unknown key 'pth'; did you mean 'path'?",
        "policies:\n  http:\n    prot: 1": f"{DEV}:3: policies.http: unknown key 'prot'; did you mean 'port'?",
        "secrets:\n  keys.cursr: env:A": f"{DEV}:2: secrets: unknown key 'keys.cursr'; did you mean 'keys.cursor'?",
    },
}


@pytest.mark.parametrize(
    ("file", "text", "message"), [(file, *case) for file, cases in UNKNOWN.items() for case in cases.items()]
)
def test_an_unknown_key_is_refused_at_every_level_with_the_nearest_one(
    tmp_path: Path, file: str, text: str, message: str
) -> None:
    assert refusal(project(tmp_path, **{file: text})) == [message]


MISFITS = {
    "http: {port: '80'}": "http.port: expected int, found '80'; remove the quotes",
    "http: {port: 70000}": "http.port: expected int <= 65535, found 70000; for instance `port: 8080`",
    "http: {port: 80.5}": "http.port: expected int, found 80.5; for instance `port: 8080`",
    "http: {port: [80]}": "http.port: expected int, found a list; for instance `port: 8080`",
    "http: {port: }": "http.port: expected int, found null; for instance `port: 8080`",
    "http: {error_details: yes}": "http.error_details: expected bool, found 'yes'; write true or false, without quotes",
    "http: {error_details: ON}": "http.error_details: expected bool, found 'ON'; write true or false, without quotes",
    "http: 8080": "http: expected a section, found 8080; its keys are: host, port",
    "database: {synchronous: ful}": "database.synchronous: expected one of full, normal, extra, found 'ful'; did you mean",
    "http: {cors_origins: [1]}": "http.cors_origins: expected str (at $[0]), found a list; write a list: [first, second]",
    "roles: [a]": "roles: expected object, found a list; write `name: value` lines",
    "roles: {ann: counter}": "roles.ann: expected array, found 'counter'; write a list: [first, second]",
    "limits: {operations: {counter.reset: [5]}}": "limits.operations.counter.reset: expected str, found a list; write one text",
    "commands: {deadline_seconds: .inf}": "commands.deadline_seconds: expected float, found '.inf'",
    "commands: {deadline_seconds: 1e999}": "commands.deadline_seconds: is no float that can be held",
    "commands: {deadline_seconds: 0}": "commands.deadline_seconds: expected float > 0.0, found 0",
    "queries: {reader_threads: 010}": "queries.reader_threads: expected int, found '010'",
    "queries: {reader_threads: 1_0}": "queries.reader_threads: expected int, found '1_0'",
}


@pytest.mark.parametrize(("text", "message"), MISFITS.items())
def test_a_value_of_the_wrong_type_is_refused_with_what_was_expected_and_what_was_found(
    tmp_path: Path, text: str, message: str
) -> None:
    (line,) = refusal(project(tmp_path, policies="# a comment\n" + text))
    assert line.startswith(f"{POLICIES}:2: {message}")


SAYINGS = {
    "http: {prefix: v1}": "http.prefix: 'v1' is no prefix",
    "http: {prefix: '/{vers}'}": "http.prefix: '/{vers}' has an unknown placeholder",
    "http: {aliases: {health: /livez}}": "http.aliases: 'health: /livez' is no pair of paths",
    "http: {aliases: {/a: /a}}": "http.aliases: '/a' points at itself",
    "http: {cors_origins: ['*']}": "http.cors_origins: '*' would let every site read answers",
    "http: {cors_origins: ['https://a.example/']}": "http.cors_origins: 'https://a.example/' is no origin",
    "http: {trusted_proxies: [10.0.0.1/8]}": "http.trusted_proxies: 10.0.0.1/8 has host bits set",
    "http: {host: ''}": "http.host: is empty",
    "http: {admin_port: 8080}": "http.admin_port: is 8080, as http.port is",
    "limits: {default: often}": "limits.default: 'often' is not a rate; accepted: ",
    "limits: {operations: {counter.reset: 1/year}}": "limits.operations: 'counter.reset' '1/year' is not a rate",
    "outbound: {allow_hosts: ['http://a']}": "outbound.allow_hosts: 'http://a' is no host",
    "observe: {otlp_endpoint: 'collector:4318'}": "observe.otlp_endpoint: is no address",
}


@pytest.mark.parametrize(("text", "message"), SAYINGS.items())
def test_text_of_the_wrong_form_is_refused_where_it_stands(tmp_path: Path, text: str, message: str) -> None:
    (line,) = refusal(project(tmp_path, policies=text))
    assert line.startswith(f"{POLICIES}:1: {message}") and "; " in line


TRAPS = {
    "http:\n\tport: 1": (2, "indent with spaces, not with tabs"),
    "http: {port: 1}\nhttp: {port: 2}": (2, "keep one; the first is on line 1"),
    "http:\n  port: 1\n  port: 2": (3, "keep one; the first is on line 2"),
    "a: [1": (1, "check colons, quotes and indentation"),
    "a: 1\n---\nb: 2": (2, "keep one document per file"),
    "- a": (1, "write `key: value` lines"),
    "1: a": (1, "write it in quotes: '1'"),
    "? [a]\n: b": (1, "a key is a word"),
    "http: !!python/object:os.system {}": (1, "write plain data"),
    "http: {host: !!python/name:os.system x}": (1, "write plain data"),
    "http: {host: *nobody}": (1, "write the `&anchor` before its `*alias`"),
    "http: &a {host: *a}": (1, "use fewer aliases"),
    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
    "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]": (1, "use fewer aliases"),
    "http: \x07": (1, "remove it"),
    'http: {host: "\\0"}': (1, "remove the escape"),
    'http: {"\\ud800": 1}': (1, "remove the escape"),
    'http: {host: "\\udfff"}': (1, "remove the escape"),
    "[" * 5_000: (0, "a model has four levels"),
}


@pytest.mark.parametrize(("text", "expected"), TRAPS.items(), ids=range(len(TRAPS)))
def test_the_traps_of_yaml_are_refused_with_a_cure_and_never_a_trace(
    tmp_path: Path, text: str, expected: tuple[int, str]
) -> None:
    line, cure = expected
    said = refusal(project(tmp_path, policies=text))[0]
    assert said.startswith(f"{POLICIES}:{line}:" if line else f"{POLICIES}:"), said
    assert cure in said


def test_words_that_other_readers_take_for_false_stay_words(tmp_path: Path) -> None:
    model = loaded(project(tmp_path, policies="roles:\n  no: [on, off, 'yes', 2026-01-01, 12:30:00]"))
    assert model.policies.roles == {"no": ["on", "off", "yes", "2026-01-01", "12:30:00"]}


def test_anchors_and_merges_work_and_the_own_key_wins(tmp_path: Path) -> None:
    text = "processes:\n  a: &a {replicas: 2, roles: [http]}\n  b: {replicas: 3, <<: *a}"
    processes = loaded(project(tmp_path, single=text)).topology.processes
    assert (processes["b"].replicas, processes["b"].roles) == (3, ["http"])


def test_empty_files_and_empty_sections_mean_defaults(tmp_path: Path) -> None:
    bare = loaded(project(tmp_path))
    commented = loaded(project(tmp_path, policies="http:\n  # port: 1\n", single="processes:\n  app:\n", dev="database:\n"))
    assert commented.policies == bare.policies
    assert commented.topology == bare.topology
    assert commented.environment == bare.environment


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    root = project(tmp_path, policies="htpp: 1\nhttp: {port: x}", single="proceses: 1", dev="nam: 1")
    said = refusal(root, {"ARMATURE_HTTP__HOTS": "x"}, port="x")
    assert len(said) == 6, said


def test_a_missing_file_is_named_with_those_that_exist(tmp_path: Path) -> None:
    root = project(tmp_path)
    with pytest.raises(ModelError, match=r"topologies/singel\.yaml: no such file; .* did you mean 'single'\?"):
        load(root, topology="singel", environment="dev", environ={})
    (root / POLICIES).unlink()
    assert refusal(root) == [f"{POLICIES}: no such file; create it"]


@pytest.mark.parametrize("name", ["../dev", "/etc/passwd", "", "Dev", "a.b"])
def test_a_name_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    (line,) = refusal(project(tmp_path), environment=name)
    assert line.startswith(f"platform/environments: '{name}' is no name")


def test_a_file_that_cannot_be_read_is_refused_in_words(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / POLICIES).write_bytes(b"http:\n  host: \xff\n")
    assert refusal(root) == [f"{POLICIES}:2: is not UTF-8 text; save the file as UTF-8"]
    (root / POLICIES).unlink()
    (root / POLICIES).mkdir()
    assert "cannot be read (Is a directory)" in refusal(root)[0]


TOPOLOGIES = {
    "processes: {}": "processes: has no process",
    "processes: {app: {modules: []}}": "processes.app.modules: is empty",
    "processes: {app: {roles: []}}": "processes.app.roles: is empty",
    "processes: {app: {modules: counter}}": "processes.app.modules: expected a list or *, found 'counter'; write [counter]",
    "processes: {app: {roles: [http, projektor]}}": "processes.app.roles: expected one of store, http, grpc, "
    "neighbour, projector, sweeper, sequencer, relay, reactor, watcher, "
    "found 'projektor'; did you mean 'projector'?",
    "processes: {app: {roles: [http, http]}}": "processes.app.roles: names 'http' twice",
    "processes: {app: {replicas: 0}}": "processes.app.replicas: expected int >= 1, found 0",
    "processes: [app]": "processes: expected named sections, found a list",
    "name: other": "name: is 'other', and the file is single.yaml",
}


@pytest.mark.parametrize(("text", "message"), TOPOLOGIES.items())
def test_a_topology_that_could_not_run_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (line,) = refusal(project(tmp_path, single=text))
    assert line.startswith(f"{SINGLE}:1: {message}")


def test_a_project_without_a_platform_folder_has_the_built_in_model(tmp_path: Path) -> None:
    model = load(tmp_path, topology="single", environment="dev", environ={})
    assert set(model.origins.values()) == {"default"}
    assert model.database_path == tmp_path / "data/armature.db"
    assert refusal(tmp_path, environment="prodution")[0].endswith("did you mean 'production'?")


def test_production_without_a_platform_folder_is_as_strict_as_with_one(tmp_path: Path) -> None:
    shipped = load(Path(__file__).parents[2], topology="single", environment="production", environ={})
    embedded = load(tmp_path, topology="single", environment="production", environ={})
    assert embedded.environment == shipped.environment
    assert embedded.policies.http == shipped.policies.http
    assert embedded.policies.observe == shipped.policies.observe


def test_what_ships_for_production_may_play_both_edges() -> None:
    model = load(Path(__file__).parents[2], topology="dual", environment="production", environ={})
    assert (model.policies.http.admin_port, model.policies.grpc.port) == (9190, 9090)


BOTH = "processes: {app: {}, edge: {roles: [http, grpc]}}"
MET = {
    "http: {admin_port: 9090}": "http.admin_port: is 9090, as grpc.port is",
    "grpc: {port: 8080}": "grpc.port: is 8080, as http.port is",
    "grpc: {port: 8080, host: 0.0.0.0}": "grpc.port: is 8080, as http.port is",
}


@pytest.mark.parametrize(("text", "message"), MET.items())
def test_a_port_that_one_process_would_listen_on_twice_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (line,) = refusal(project(tmp_path, policies=text, single=BOTH))
    assert line.startswith(f"{POLICIES}:1: {message}, and process 'edge' listens on both; pick another port")


@pytest.mark.parametrize("roles", ["[http, grpc]", "[http]"])
def test_a_port_of_two_addresses_or_processes_or_any_free_one_is_nobodys_twice(tmp_path: Path, roles: str) -> None:
    apart = "grpc: {host: 127.0.0.2, port: 8080}\nhttp: {admin_port: 8081}" if "grpc" in roles else "grpc: {port: 8080}"
    assert loaded(project(tmp_path, policies=apart, single=f"processes: {{web: {{roles: {roles}}}, calls: {{roles: [grpc]}}}}"))
    assert loaded(tmp_path, {"ARMATURE_GRPC__PORT": "0"}, port="0", admin_port="0")


YAML_LIKE = st.text(alphabet="abhtp :-[]{}#&*!<>|?%@`'\"\\,.~=01\n\t\u00e9\x00\U0001f600", max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(SOME_KEYS) | st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=YAML_LIKE | VALUES.map(yaml.safe_dump), file=st.sampled_from(["policies", "single", "dev"]))
def test_whatever_stands_in_a_file_is_taken_or_refused_in_words(tmp_path: Path, text: str, file: str) -> None:
    try:
        loaded(project(tmp_path, **{file: text}))
    except ModelError as error:
        assert all(problem.file and problem.text and problem.cure for problem in error.problems)


def test_the_home_of_a_stranger_is_refused_in_words(tmp_path: Path) -> None:
    assert refusal(project(tmp_path, dev="data: ~nobody-we-know/data")) == [
        "platform/environments/dev.yaml:1: data: '~nobody-we-know/data' is below the home of somebody "
        "this machine does not know; write the whole path"
    ]
