"""With which vendors and sizes a topology runs: the shape of `platform/environments/*.yaml`, and what holds without one."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from armature.engine.policies import Policies, Section

__all__ = ["BUILT_IN", "Environment", "EnvironmentFile", "SecretName", "SecretReference"]

SecretName = Literal["keys.cursor"]
"""The one list of secrets: keys.cursor signs the cursors of pages."""

SecretReference = Annotated[str, Meta(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\s].*)$")]
"""Where a secret is, `env:NAME` or `file:PATH`; the secret itself never stands in a file of the model."""


class DatabaseBinding(Section, frozen=True):
    """The database of the modules."""

    adapter: Literal["sqlite"] = "sqlite"
    """The vendor."""
    path: str = "{data}/armature.db"
    """The database file; `{data}` is the data folder."""


class Environment(Section, frozen=True):
    """What an environment is, apart from its policies."""

    name: str = ""
    """The file's name without its ending; may be left out."""
    production: bool = False
    """True forbids what only development may do (identities from headers, internals in errors, generated keys)."""
    data: str = "data"
    """The data folder; a relative path starts at the project's root."""
    database: DatabaseBinding = field(default_factory=DatabaseBinding)
    """The database's vendor and place."""
    secrets: dict[SecretName, SecretReference] = field(default_factory=dict)
    """References to secrets by name: `keys.cursor: env:ARMATURE_CURSOR_KEY`."""


class EnvironmentFile(Environment, frozen=True):
    """An environment as its file has it: with overrides of the platform's policies."""

    policies: Policies = field(default_factory=Policies)
    """Any keys of policies.yaml; they win over the ones there."""


BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "dev": {},
    "production": {
        "production": True,
        "secrets": {"keys.cursor": "env:ARMATURE_CURSOR_KEY"},
        "policies": {
            "http": {
                "development_identity": False,
                "error_details": False,
                "drain_notice_seconds": 5.0,
                "admin_port": 9090,
            },
            "observe": {"log_format": "json"},
        },
    },
}
"""The environments of a project without a `platform/` folder, as when Armature is mounted inside another application."""
