"""The model: what is written in `platform/`, in variables and in flags, read once at the door and from then on a value.

    policies.yaml  <  the environment's `policies:`  <  ARMATURE_<SECTION>__<KEY>  <  --flag

A key is replaced whole: lists and mappings of two places are not merged, so that one place always says all."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from armature.engine.policies import Policies
from armature.runtime import overrides, rules, topology
from armature.runtime.documents import Document, KeyPath, read
from armature.runtime.environment import BUILT_IN, Environment, EnvironmentFile
from armature.runtime.problems import ModelError, Problem, suggestion
from armature.runtime.shape import check, leaves
from armature.runtime.topology import Topology

__all__ = ["DEFAULT", "Model", "ModelError", "load"]

S = TypeVar("S", bound=Struct)

DEFAULT = "default"


class Model(Struct, frozen=True):
    """Everything that is configured, and where each key came from."""

    root: Path
    topology: Topology
    environment: Environment
    policies: Policies
    origins: Mapping[str, str]
    """By dotted key: `default`, a file, a variable's name, or a flag."""
    data: Path
    """The data folder, absolute."""
    home: str = ""
    """Which database of the environment `environment.database` is here: its name in `databases`, empty for `database` itself."""

    @property
    def database_path(self) -> Path:
        """The database file, absolute."""
        return self.root / self.environment.database.path.replace("{data}", str(self.data))

    @property
    def installation(self) -> str:
        """What begins every name on servers that several installations may share."""
        return self.environment.installation or self.root.name

    @property
    def archive_path(self) -> Path:
        """The folder of the log's archived segments, absolute."""
        return self.data / (f"archive-{self.home}" if self.home else "archive")

    @property
    def log_name(self) -> str:
        """What begins the names of what belongs to this log alone, on servers that several logs may share."""
        return f"{self.installation}-{self.home}" if self.home else self.installation

    def on(self, home: str) -> "Model":
        """Return the model as it is for what lives on a database: with that one as `environment.database`."""
        if home == self.home:
            return self
        environment = self.environment
        # Where it is now stays among the others, so that there is a way back.
        others = {**environment.databases, self.home: environment.database}
        environment = msgspec.structs.replace(environment, database=others.pop(home), databases=others)
        return msgspec.structs.replace(self, environment=environment, home=home)


class _Settled(Struct, frozen=True):
    value: Any
    origin: str
    line: int = 0


def load(
    root: Path,
    *,
    topology: str,
    environment: str | None,
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str],
) -> Model:
    """Read the model of the project at `root`; raises `ModelError` with everything that is wrong with it.

    Without an environment the topology's own holds, else `dev`.
    `flags` are the given ones only (`{"--port": "8090"}`). A project without a `platform/` folder has the built-in
    topology `single` and the built-in environments."""
    if environment is None:
        environment = _environment_of(root / f"platform/topologies/{topology}.yaml")
    documents = _documents(root.absolute(), topology, environment)
    problems: list[Problem] = []
    settings: list[overrides.Setting] = []
    for taken, wrong in (overrides.from_variables(environ), overrides.from_flags(flags or {})):
        settings += taken
        problems += wrong
    problems += _misshapen(documents)
    if problems:
        raise ModelError(problems)
    return _settle(root.absolute(), documents, settings, names=(topology, environment))


def _environment_of(file: Path) -> str:
    """The environment a topology names; what is wrong with its file is told when the file is read for good."""
    try:
        named = read(file, shown_as=file.name).values.get("environment") if file.is_file() else None
    except ModelError:
        named = None
    return named if isinstance(named, str) and named else "dev"


class _Documents(Struct, frozen=True):
    policies: Document
    topology: Document
    environment: Document


def _documents(root: Path, topology: str, environment: str) -> _Documents:
    if not (root / "platform").is_dir():
        return _built_in(topology, environment)
    wanted = {"topologies": topology, "environments": environment}
    problems: list[Problem] = []
    for folder, name in wanted.items():
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
            known = [entry.stem for entry in (root / "platform" / folder).glob("*.yaml")]
            text = f"'{name}' is no name of one of the {folder}"
            problems.append(Problem(f"platform/{folder}", 0, "", text, suggestion(name, known)))
    if problems:
        raise ModelError(problems)
    files = ["platform/policies.yaml", *(f"platform/{folder}/{name}.yaml" for folder, name in wanted.items())]
    documents: list[Document] = []
    for file in files:
        try:
            documents.append(read(root / file, shown_as=file))
        except ModelError as error:
            problems += error.problems
    if problems:
        raise ModelError(problems)
    return _Documents(*documents)


def _built_in(topology: str, environment: str) -> _Documents:
    problems = []
    if topology != "single":
        text = f"there is no topology '{topology}', and no platform/ folder that could have it"
        problems.append(Problem("platform/topologies", 0, "", text, "use single, or create the file"))
    if environment not in BUILT_IN:
        text = f"there is no environment '{environment}', and no platform/ folder that could have it"
        problems.append(Problem("platform/environments", 0, "", text, suggestion(environment, BUILT_IN)))
    if problems:
        raise ModelError(problems)
    values = dict(BUILT_IN[environment])
    return _Documents(Document(DEFAULT), Document(DEFAULT), Document(f"built-in {environment}", values))


def _misshapen(documents: _Documents) -> list[Problem]:
    wrong = check(documents.policies, Policies)
    wrong += check(documents.topology, Topology)
    wrong += check(documents.environment, EnvironmentFile)
    return wrong


def _settle(root: Path, documents: _Documents, settings: list[overrides.Setting], names: tuple[str, str]) -> Model:
    """Put the layers on each other; what the files say is known to have the right shape here."""
    settled = dict(_layers(documents, settings))
    policies = _build(Policies, settled)
    environment = msgspec.structs.replace(_build(Environment, settled), name=names[1])
    hosts = msgspec.convert(_filled(documents.topology.values), Topology)
    problems = list(topology.examine(hosts, documents.topology))
    problems += _misnamed(documents, names)
    problems += _homeless(hosts, environment, documents.topology)
    problems += rules.examine(policies, environment, hosts, lambda key: _place(settled, documents, key))
    if problems:
        raise ModelError(problems)
    origins = {".".join(path): entry.origin for path, entry in settled.items()}
    origins["processes"] = documents.topology.file if "processes" in documents.topology.values else DEFAULT
    return Model(
        root=root,
        topology=msgspec.structs.replace(hosts, name=names[0]),
        environment=environment,
        policies=policies,
        origins=origins,
        data=_data_folder(root, settled),
    )


def _layers(documents: _Documents, settings: list[overrides.Setting]) -> Iterator[tuple[KeyPath, _Settled]]:
    """Each key's values from the weakest to the strongest place."""
    for shape in (Policies, Environment):
        for leaf in leaves(shape):
            yield leaf.path, _Settled(leaf.default, DEFAULT)
    for document, shape, above in (
        (documents.policies, Policies, ()),
        (documents.environment, Environment, ()),
        (documents.environment, Policies, ("policies",)),
    ):
        for leaf in leaves(shape):
            path = (*above, *leaf.path)
            found, value = _at(document.values, path)
            if found:
                yield leaf.path, _Settled(value, document.file, document.line(path))
    for name, reference in _at(documents.environment.values, ("secrets",))[1].items():
        line = documents.environment.line(("secrets", name))
        yield ("secrets", name), _Settled(reference, documents.environment.file, line)
    for setting in settings:
        yield setting.leaf.path, _Settled(setting.value, setting.origin)


def _at(values: Mapping[str, Any], path: KeyPath) -> tuple[bool, Any]:
    """Whether a key is given, and its value; an empty section gives nothing."""
    inner: Any = values
    for part in path:
        if not isinstance(inner, Mapping) or part not in inner:
            return False, {}
        inner = inner[part]
    return True, inner


def _build(shape: type[S], settled: Mapping[KeyPath, _Settled]) -> S:
    values: dict[str, Any] = {}
    for leaf in leaves(shape):
        target = values
        for part in leaf.path[:-1]:
            target = target.setdefault(part, {})
        target[leaf.path[-1]] = settled[leaf.path].value
    if shape is Environment:
        values["secrets"] = {path[1]: entry.value for path, entry in settled.items() if path[0] == "secrets" and path[1:]}
    return msgspec.convert(values, shape)


def _filled(values: Any) -> Any:
    """A process without keys (`app:`) is one with all defaults."""
    processes = {name: entry or {} for name, entry in values.get("processes", {}).items()}
    return {**values, "processes": processes} if "processes" in values else values


def _misnamed(documents: _Documents, names: tuple[str, str]) -> Iterator[Problem]:
    for document, name in zip((documents.topology, documents.environment), names, strict=True):
        said = document.values.get("name", name)
        if said != name:
            yield document.problem(("name",), f"is '{said}', and the file is {name}.yaml", "remove the line")


def _homeless(hosts: Topology, environment: Environment, document: Document) -> Iterator[Problem]:
    for name, process in hosts.processes.items():
        if process.database and process.database not in environment.databases:
            text = f"'{process.database}' is no database of the environment {environment.name}"
            known = environment.databases
            cure = suggestion(process.database, known) if known else "name it there, under databases"
            yield document.problem(("processes", name, "database"), text, cure)


def _place(settled: Mapping[KeyPath, _Settled], documents: _Documents, key: str) -> tuple[str, int]:
    entry = next((entry for path, entry in settled.items() if ".".join(path) == key), None)
    if entry is None or entry.origin == DEFAULT:
        # Nobody wrote it: the environment's file is where it is to be written.
        return documents.environment.file, 0
    return entry.origin, entry.line


def _data_folder(root: Path, settled: Mapping[KeyPath, _Settled]) -> Path:
    """A file's relative path starts at the project; one that was typed starts where it was typed."""
    entry = settled["data",]
    typed = entry.origin.startswith(("--", overrides.PREFIX))
    try:
        folder = Path(entry.value).expanduser()
    except RuntimeError:
        text = f"'{entry.value}' is below the home of somebody this machine does not know"
        raise ModelError([Problem(entry.origin, entry.line, "data", text, "write the whole path")]) from None
    return (Path.cwd() if typed else root) / folder
