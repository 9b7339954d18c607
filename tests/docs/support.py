"""docs/reference/adapters.md: which law was seen to hold for which adapter, made from the results of a run.

`python -m tests.docs.support` runs the proofs, writes `docs/reference/conformance.json`, and puts the tables into the page.
`make test` compares the file with what it has just run itself.
"""

import importlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from armature.testing.servers import LocalNats, LocalPostgres, LocalRedis

__all__ = ["Proof", "adapter_of", "adapters_page", "differences", "proofs", "recorded", "seen", "test_files"]

ROOT = Path(__file__).parents[2]
_PAGE = ROOT / "docs" / "reference" / "adapters.md"
_RECORD = ROOT / "docs" / "reference" / "conformance.json"
_PLACE = re.compile(r"(<!-- support -->\n).*?(<!-- /support -->)", re.DOTALL)
_LAWS = "armature.conformance."

Kept = Mapping[str, Mapping[str, list[str]]]
"""By port and law: the proofs (test classes) that were seen to keep it."""


class Proof(Struct, frozen=True, order=True):
    """A test class that runs a port's laws on one adapter."""

    port: str
    adapter: str
    name: str
    where: str
    """The path of its file."""
    laws: tuple[str, ...]

    @property
    def node(self) -> str:
        """Its name in a result file of pytest."""
        return f"{self.where.removesuffix('.py').replace('/', '.')}.{self.name}"


class Record(Struct, frozen=True):
    """What is kept of a run."""

    versions: dict[str, str]
    kept: dict[str, dict[str, list[str]]]


def test_files() -> list[Path]:
    """Return the files that may hold proofs."""
    return [file for file in sorted((ROOT / "tests").rglob("test_*.py")) if "armature.conformance" in file.read_text("utf-8")]


def proofs() -> list[Proof]:
    """Return every proof there is, found in the tests themselves."""
    return sorted(proof for file in test_files() for proof in _of(file.relative_to(ROOT)))


def _of(file: Path) -> Iterator[Proof]:
    module = importlib.import_module(".".join(file.with_suffix("").parts))
    for name, found in vars(module).items():
        if not (isinstance(found, type) and name.startswith("Test") and found.__module__ == module.__name__):
            continue
        owners = [one for one in found.__mro__ if one.__module__.startswith(_LAWS)]
        laws = sorted({law for one in owners for law in vars(one) if law.startswith("test_")})
        if laws:
            port = owners[0].__module__.removeprefix(_LAWS).split("_")[0]
            yield Proof(port, adapter_of(name), name, file.as_posix(), tuple(laws))


def adapter_of(name: str) -> str:
    """The adapter a proof is called after: `TestRedisCache` is of redis."""
    folders = {one.name for one in (ROOT / "src/armature/adapters").iterdir() if one.is_dir()} | {"outbound"}
    words = [word.lower() for word in re.findall(r"[A-Z][a-z0-9]*", name)][1:]
    if words[0] not in folders:
        raise ValueError(f"{name}: call it after its adapter (Test + one of {', '.join(sorted(folders))})")
    return words[0]


def seen(results: Iterable[Path], among: Iterable[Proof]) -> Kept:
    """Read result files of pytest: a law is kept by a proof that ran it, with every parameter, and passed each time."""
    passed: dict[tuple[str, str], bool] = {}
    for result in results:
        for case in xml.parse(result).getroot().iter("testcase"):
            key = (case.get("classname", ""), case.get("name", "").split("[")[0])
            passed[key] = passed.get(key, True) and len(case.findall("*")) == len(case.findall("properties"))
    kept: dict[str, dict[str, list[str]]] = {}
    for proof in among:
        for law in proof.laws:
            names = kept.setdefault(proof.port, {}).setdefault(law, [])
            if passed.get((proof.node, law)):
                names.append(proof.name)
    return {port: dict(sorted(laws.items())) for port, laws in sorted(kept.items())}


def recorded() -> Record:
    """Return what the last recorded run saw."""
    return msgspec.json.decode(_RECORD.read_bytes(), type=Record)


def differences(before: Kept, after: Kept) -> list[str]:
    """Say, a line each, which proofs keep a law in one and not in the other."""
    places = sorted({(port, law) for kept in (before, after) for port, laws in kept.items() for law in laws})
    return [
        f"{port} {law}: recorded {', '.join(old) or 'nothing'}; found {', '.join(new) or 'nothing'}"
        for port, law in places
        if (old := sorted(before.get(port, {}).get(law, []))) != (new := sorted(after.get(port, {}).get(law, [])))
    ]


def adapters_page() -> str:
    """Return the page with its tables filled in; the rest of it is written by hand."""
    return _PLACE.sub(lambda found: found[1] + _tables(recorded(), proofs()) + found[2], _PAGE.read_text("utf-8"))


def _tables(record: Record, among: list[Proof]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    parts = [f"\nSeen with {versions}. Recorded in [conformance.json](conformance.json).\n"]
    for port, laws in record.kept.items():
        here = [proof for proof in among if proof.port == port]
        adapters = list(dict.fromkeys(proof.adapter for proof in here))
        parts.append(f"### {port}\n")
        parts += [f"- {adapter}: {', '.join(_place(one) for one in here if one.adapter == adapter)}" for adapter in adapters]
        parts.append(f"\n| law | {' | '.join(adapters)} |\n|---|{'---|' * len(adapters)}")
        for law, kept in laws.items():
            cells = (_cell([one for one in here if one.adapter == adapter], law, kept) for adapter in adapters)
            parts.append(f"| {_sentence(law)} | {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts) + "\n"


def _cell(here: list[Proof], law: str, kept: list[str]) -> str:
    asked = [one.name for one in here if law in one.laws]
    if not asked:
        return "–"
    return "✓" if set(asked) <= set(kept) else "**no**"


def _place(proof: Proof) -> str:
    return f"`{proof.where}::{proof.name}`"


def _sentence(law: str) -> str:
    text = law.removeprefix("test_").removeprefix("law_")
    return re.sub(r"^(\d+)_", r"\1. ", text).replace("_", " ")


def _versions() -> dict[str, str]:
    with LocalPostgres() as postgres, LocalNats() as nats, LocalRedis() as redis:
        said = [
            subprocess.run([server.command()[0], "--version"], capture_output=True, text=True, check=True).stdout
            for server in (postgres, nats, redis)
        ]
    numbers = [match[0] if (match := re.search(r"\d+(\.\d+)+", one)) else one.strip() for one in said]
    sqlite = importlib.import_module("apsw").sqlite_lib_version()
    return dict(zip(("SQLite", "PostgreSQL", "NATS", "Redis"), (sqlite, *numbers), strict=True))


def main(words: list[str]) -> int:
    """Run every proof and record what was seen; or, with `--compare RESULT.xml …`, only say whether that was the same."""
    return _compared([Path(word) for word in words[1:]]) if words[:1] == ["--compare"] else _run()


def _compared(results: list[Path]) -> int:
    wrong = differences(recorded().kept, seen([one for one in results if one.exists()], proofs()))
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


def _run() -> int:
    found = proofs()
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.xml"
        nodes = [f"{proof.where}::{proof.name}" for proof in found]
        words = [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--junitxml={result}", *nodes]
        code = subprocess.run(words, cwd=ROOT, check=False).returncode
        kept = seen([result], found)
    record = Record(_versions(), {port: dict(laws) for port, laws in kept.items()})
    _RECORD.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    _PAGE.write_text(adapters_page(), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
