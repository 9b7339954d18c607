"""buf judges the `.proto` of every change of the table, in its strictest category (FILE: what compiled code and the wire keep).

Where it agrees with us, good; where not, the table says why. It knows nothing but the `.proto`, so most of what breaks REST, the
log or a caller who leaves something out passes it.
"""

import subprocess
from pathlib import Path

import pytest

from tests.contracts.changes import CHANGES
from tests.contracts.reading import LIBRARY, documents_of, edited_text
from tests.contracts.tools import installed

BEFORE = documents_of(LIBRARY)
_YAML = "version: v2\nbreaking:\n  use:\n    - FILE\n"
_PROTO = ("library.v1.proto", "library.v2.proto", "shelves.v1.proto")


def module(folder: Path, documents: dict[str, bytes]) -> Path:
    """A buf module with the `.proto` of these documents, under the name it had first: buf compares files by name."""
    folder.mkdir()
    (folder / "buf.yaml").write_text(_YAML)
    for name in _PROTO:
        if name in documents:
            (folder / name).write_bytes(documents[name])
    return folder


@pytest.fixture(scope="module")
def buf() -> Path:
    return installed("@bufbuild/buf", "1.75.0", "node_modules/.bin/buf")


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_buf_says_of_a_change_what_the_table_says(name: str, buf: Path, tmp_path: Path) -> None:
    change = CHANGES[name]
    after = documents_of(edited_text(*change.edits), BEFORE)
    if "library.v2.proto" in after:
        after["library.v1.proto"] = BEFORE["library.v1.proto"]  # kept beside it
    before, now = module(tmp_path / "before", BEFORE), module(tmp_path / "now", after)
    built = subprocess.run([buf, "build", now], capture_output=True, text=True, timeout=60, check=False)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([buf, "breaking", now, "--against", before], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 100), done.stderr
    said = "breaks" if done.returncode else "passes"
    assert said == change.buf, done.stdout
    assert (said == "breaks") == bool(change.breaks) or change.why, "we differ from buf, and the table does not say why"
