"""Secrets are looked up once, at start, from where the model says they are; what holds them never prints them."""

import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from armature.kernel.types import Hidden
from armature.runtime.environment import SecretName
from armature.runtime.model import Model
from armature.runtime.problems import ModelError, Problem

__all__ = ["Missing", "Secrets", "fetch", "resolve"]

# 256 bits of entropy in hexadecimal are 64 characters, in base64 43; whatever is shorter than this can be guessed.
BYTES_MIN = 32
BYTES_MAX = 65_536


class Secrets(Mapping[SecretName, Hidden[bytes]]):
    """The secrets of a running process by name."""

    def __init__(self, values: Mapping[SecretName, Hidden[bytes]]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: SecretName) -> Hidden[bytes]:
        return self._values[name]

    def __iter__(self) -> Iterator[SecretName]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self._values)})"


def resolve(model: Model, environ: Mapping[str, str]) -> Secrets:
    """Fetch every secret; raises `ModelError` for all that are missing or too short.

    Outside production a secret without a reference is made up once and kept in the data folder, so that cursors
    survive a restart."""
    found: dict[SecretName, Hidden[bytes]] = {}
    problems: list[Problem] = []
    for name in get_args(SecretName):
        reference = model.environment.secrets.get(name)
        try:
            value = _generated(model.data, name) if reference is None else fetch(reference, model.root, environ)
            if len(value) < BYTES_MIN:
                raise Missing(f"{reference or 'its file'} holds fewer than {BYTES_MIN} bytes", "make one: openssl rand -hex 32")
            found[name] = Hidden(value)
        except Missing as missing:
            key = f"secrets.{name}"
            problems.append(Problem(model.origins.get(key, "default"), 0, key, *missing.said))
    if problems:
        raise ModelError(problems)
    return Secrets(found)


class Missing(Exception):
    """A value that is not where the model says; `said` is what is wrong and the cure."""

    def __init__(self, text: str, cure: str) -> None:
        super().__init__(text)
        self.said = (text, cure)


def fetch(reference: str, root: Path, environ: Mapping[str, str]) -> bytes:
    """Return what a reference refers to; raises `Missing`."""
    kind, _, place = reference.partition(":")
    if kind == "env":
        if place not in environ:
            raise Missing(f"the variable {place} is not set", f"set {place}, or refer to a file: file:PATH")
        return environ[place].encode()
    return _file(root / place)


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise Missing(f"{path} cannot be read ({error.strerror})", "create it, readable by this user only") from None
    if len(data) > BYTES_MAX:
        raise Missing(f"{path} is larger than {BYTES_MAX} bytes", "refer to a file that holds the secret alone")
    # Editors and `echo` end a file with a newline that nobody means.
    return data.rstrip(b"\r\n")


def _generated(data: Path, name: SecretName) -> bytes:
    folder = data / "secrets"
    place = folder / name
    if not place.exists():
        draft = folder / f".{name}.{secrets.token_hex(8)}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_hex(32) + "\n")
            _publish(draft, place)
        except OSError as error:
            raise Missing(f"{folder} cannot be written ({error.strerror})", "make the data folder writable") from None
    return _file(place)


def _publish(draft: Path, place: Path) -> None:
    """Of two processes that start at once one wins, and both read the winner's key: a link never replaces."""
    try:
        os.link(draft, place)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
