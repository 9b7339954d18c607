"""A project's `platform/` folder on a real disk, as small as a test wants it."""

from collections.abc import Mapping
from pathlib import Path

from armature.runtime.model import Model, ModelError, load

POLICIES = "platform/policies.yaml"
SINGLE = "platform/topologies/single.yaml"
DEV = "platform/environments/dev.yaml"
PRODUCTION = "platform/environments/production.yaml"


def project(root: Path, **files: str) -> Path:
    """Write the folder; without text a file is empty, which means defaults."""
    named = {"policies": POLICIES, "single": SINGLE, "dev": DEV, "production": PRODUCTION}
    for name, file in named.items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files.get(name, ""), encoding="utf-8")
    return root


def loaded(root: Path, environ: Mapping[str, str] = {}, *, environment: str = "dev", **flags: str) -> Model:
    given = {f"--{name.replace('_', '-')}": value for name, value in flags.items()}
    return load(root, topology="single", environment=environment, environ=environ, flags=given)


def refusal(root: Path, environ: Mapping[str, str] = {}, *, environment: str = "dev", **flags: str) -> list[str]:
    """The lines that a start of this project prints instead of starting."""
    try:
        loaded(root, environ, environment=environment, **flags)
    except ModelError as error:
        assert str(error).splitlines() == [str(problem) for problem in error.problems]
        return str(error).splitlines()
    raise AssertionError("the model was taken")
