"""A secret is fetched from where the model says, and is seen by nobody on the way."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE

import msgspec
import pytest

from armature.kernel.types import Secret
from armature.runtime.model import ModelError
from armature.runtime.plan import plan
from armature.runtime.secrets import resolve
from tests.model.project import DEV, loaded, project, refusal

VALUE = "hunter2-hunter2-hunter2-hunter2-hunter2"


def test_a_secret_is_never_repeated_by_a_refusal(tmp_path: Path) -> None:
    written = refusal(project(tmp_path, dev=f"secrets:\n  keys.cursor: {VALUE}"))
    assert written[0].startswith(f"{DEV}:2: secrets.keys.cursor: ")
    assert "write env:NAME or file:PATH" in written[0]
    set_ = refusal(project(tmp_path), {"ARMATURE_SECRETS__KEYS_CURSOR": VALUE})
    listed = refusal(project(tmp_path, dev=f"secrets: [{VALUE}]"))
    plain = refusal(project(tmp_path, dev=f"secrets: {VALUE}"))
    endpoint = refusal(project(tmp_path, policies=f"observe: {{otlp_endpoint: 'http://u:{VALUE}@host'}}"))
    assert "hunter2" not in "\n".join([*written, *set_, *listed, *plain, *endpoint])


def test_the_plan_shows_where_a_secret_is_and_not_what_it_is(tmp_path: Path) -> None:
    root = project(tmp_path, dev="secrets: {keys.cursor: env:KEY}")
    model = loaded(root, {"KEY": VALUE})
    secrets = resolve(model, {"KEY": VALUE})
    assert secrets["keys.cursor"].reveal() == VALUE.encode()
    drawn = plan(model, [])
    shown = [drawn.render(defaults=True), drawn.to_json().decode(), repr(model), repr(secrets), repr(dict(secrets))]
    assert "hunter2" not in "\n".join(shown)
    assert "env:KEY" in drawn.render()


def test_a_secret_cannot_be_written_by_accident() -> None:
    secret = Secret(VALUE.encode())
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)


def test_a_file_is_read_without_the_newline_that_an_editor_adds(tmp_path: Path) -> None:
    root = project(tmp_path, dev="secrets: {keys.cursor: file:key.txt}")
    (root / "key.txt").write_text(VALUE + "\n")
    assert resolve(loaded(root), {})["keys.cursor"].reveal() == VALUE.encode()


@pytest.mark.parametrize(
    ("reference", "environ", "message"),
    [
        ("env:KEY", {}, "the variable KEY is not set; set KEY"),
        ("env:KEY", {"KEY": "short"}, "env:KEY holds fewer than 32 bytes; make one"),
        ("file:nowhere", {}, "cannot be read (No such file or directory); create it"),
        ("file:platform", {}, "cannot be read (Is a directory)"),
        ("file:/dev/zero", {}, "is larger than 65536 bytes"),
    ],
)
def test_a_secret_that_is_missing_or_weak_stops_the_start_by_name(
    tmp_path: Path, reference: str, environ: dict[str, str], message: str
) -> None:
    model = loaded(project(tmp_path, dev=f"secrets: {{keys.cursor: '{reference}'}}"))
    with pytest.raises(ModelError) as raised:
        resolve(model, environ)
    said = str(raised.value)
    assert said.startswith(f"{DEV}: secrets.keys.cursor: ") and message in said
    assert "short;" not in said


def test_development_makes_a_key_once_for_all_processes(tmp_path: Path) -> None:
    model = loaded(project(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: resolve(model, {})["keys.cursor"].reveal(), range(32)))
    assert made == {resolve(model, {})["keys.cursor"].reveal()}
    (key,) = (model.data / "secrets").iterdir()
    assert S_IMODE(key.stat().st_mode) == 0o600
    assert S_IMODE(key.parent.stat().st_mode) == 0o700


def test_a_data_folder_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    model = loaded(project(tmp_path), data="/proc/armature")
    with pytest.raises(ModelError, match="cannot be written .* make the data folder writable"):
        resolve(model, {})
