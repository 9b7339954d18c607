"""The doctor looks at the real thing: a port that is taken, a folder that cannot be written, a clock that moved."""

import resource
import socket
from contextlib import ExitStack
from pathlib import Path

import apsw
import pytest

from armature.checks.finding import Finding
from armature.checks.machine import findings
from armature.runtime import doctor, doctor_ports
from armature.runtime.diagnosis import Diagnosis
from armature.runtime.doctor import CLOCK_MIN, Moment, Versions, diagnose
from armature.runtime.doctor_disk import examine, file_system, free_space, local, writable
from armature.runtime.doctor_ports import Door, port
from tests.model.project import loaded, project

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:20 / /srv rw - nfs4 server:/srv rw
24 23 0:21 / /srv/local rw - xfs /dev/sdb1 rw
25 22 0:22 / /with\\040space rw - fuse.sshfs me@there:/ rw
26 22 0:23 / /run rw - tmpfs tmpfs rw
"""


def stands(diagnosis: Diagnosis) -> tuple[str, str]:
    assert bool(diagnosis.cure) == (diagnosis.status != "ok"), "a bad answer has a cure, a good one needs none"
    return diagnosis.about, diagnosis.status


def test_this_machine_is_fit_and_the_doctor_leaves_nothing_behind(tmp_path: Path) -> None:
    model = loaded(project(tmp_path), port="0")
    before = sorted(tmp_path.rglob("*"))
    answers = diagnose(model, Versions(apsw.sqlite_lib_version()))
    assert [about for about, status in map(stands, answers) if status == "error"] == []
    assert {a.about for a in answers} == {
        *("python", "sqlite", "data folder", "disk", "file system", "port", "open files", "clock")
    }
    assert sorted(tmp_path.rglob("*")) == before


def test_everything_that_is_wrong_is_found_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        model = loaded(project(tmp_path), data="/proc/armature", port=str(taken.getsockname()[1]))
        found = findings(diagnose(model, Versions("3.45.0", python=(3, 10, 1))))
    errors = {finding.file for finding in found if finding.severity == "error"}
    assert errors == {"python", "sqlite", "data folder", "disk", "port"}


def test_a_port_that_is_taken_is_found_and_one_that_was_left_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        found = port(Door("requests", "127.0.0.1", number, "--port"))
        assert stands(found) == ("port", "error")
        assert "or pick another: --port " in found.cure
    assert stands(port(Door("requests", "127.0.0.1", number, "--port"))) == ("port", "ok")


def free_below(count: int) -> int:
    """A port after which there are so many free ones."""
    with ExitStack() as stack:
        while True:
            first = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            try:
                for number in range(first + 1, first + count):
                    socket.create_server(("127.0.0.1", number)).close()
            except (OSError, OverflowError):
                continue
            return int(first)


FLEET = """processes:
  web: {roles: [http, grpc], replicas: 2}
  keeper: {roles: [projector, sweeper]}
"""


@pytest.mark.parametrize(
    ("offset", "who"),
    [(0, "web.1's requests"), (1, "web.2's requests"), (5, "web.2's admin"), (11, "web.2's gRPC"), (100, "keeper's health")],
)
def test_the_port_of_every_process_is_looked_at(tmp_path: Path, offset: int, who: str) -> None:
    first = free_below(101)
    model = loaded(project(tmp_path, single=FLEET), port=f"{first}", grpc_port=f"{first + 10}", admin_port=f"{first + 4}")
    assert [stands(one) for one in doctor_ports.examine(model)] == [("port", "ok")] * 7
    with socket.create_server(("127.0.0.1", first + offset)):
        (found,) = (one for one in doctor_ports.examine(model) if one.status == "error")
    assert f":{first + offset} " in found.text
    assert found.text.endswith(f"is for {who}")


def test_a_port_that_two_would_listen_on_is_found(tmp_path: Path) -> None:
    first = free_below(101)
    model = loaded(project(tmp_path, single=FLEET), port=f"{first}", grpc_port=f"{first + 1}")
    (found,) = (one for one in doctor_ports.examine(model) if one.status == "error")
    assert found.text == f"127.0.0.1:{first + 1} would be listened on by web.1's gRPC and by web.2's requests"


def test_ports_that_count_beyond_the_last_one_are_found(tmp_path: Path) -> None:
    found = [one for one in doctor_ports.examine(loaded(project(tmp_path, single=FLEET), port="65535")) if one.status == "error"]
    assert [one.text.partition(" (")[0] for one in found] == ["65635 is above 65535", "65536 is above 65535"]


def test_one_process_that_takes_no_requests_has_a_port_for_its_health(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        model = loaded(project(tmp_path, single="processes: {app: {roles: [projector]}}"), health_port=f"{number}")
        (found,) = doctor_ports.examine(model)
    assert stands(found) == ("port", "error")
    assert "--health-port" in found.cure


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_an_address_of_another_machine_cannot_be_listened_on(host: str) -> None:
    assert stands(port(Door("requests", host, 8080, "--port"))) == ("port", "error")


def test_a_folder_that_is_a_file_or_cannot_be_written_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is not a folder" in writable(tmp_path / "file").text
    assert "is not a folder" in writable(tmp_path / "file" / "below").text
    assert "cannot be written" in writable(Path("/proc/armature")).text
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert stands(writable(tmp_path / "dangling")) == ("data folder", "error")


def test_a_disk_without_room_is_found(tmp_path: Path) -> None:
    assert stands(free_space(Path("/proc"))) == ("disk", "error")
    room = 1 << 62
    assert stands(free_space(tmp_path, bytes_min=room)) == ("disk", "error")
    assert stands(free_space(tmp_path, bytes_min=1, bytes_low=room)) == ("disk", "warning")
    assert stands(free_space(tmp_path / "not/yet", bytes_min=1, bytes_low=1)) == ("disk", "ok")


def test_the_databases_own_folder_is_examined_too(tmp_path: Path) -> None:
    answers = list(examine(tmp_path, Path("/proc/armature/armature.db")))
    assert ("data folder", "error") in map(stands, answers)
    assert len(list(examine(tmp_path, tmp_path / "armature.db"))) == len(answers) / 2


def test_a_file_system_of_the_network_is_found_by_the_nearest_mount() -> None:
    assert file_system(Path("/home/ann"), MOUNTS) == "ext4"
    assert file_system(Path("/srv/data"), MOUNTS) == "nfs4"
    assert file_system(Path("/srvdata"), MOUNTS) == "ext4"
    assert file_system(Path("/srv/local/data"), MOUNTS) == "xfs"
    assert file_system(Path("/with space/x"), MOUNTS) == "fuse.sshfs"
    assert file_system(Path("/home"), "") == ""


def test_a_folder_on_the_network_is_refused_and_one_in_memory_is_warned_of(tmp_path: Path) -> None:
    def on(kind: str) -> tuple[str, str]:
        return stands(local(tmp_path, f"22 1 8:1 / / rw - {kind} x rw"))

    assert on("nfs4") == on("cifs") == on("fuse.sshfs") == ("file system", "error")
    assert on("tmpfs") == ("file system", "warning")
    assert on("ext4") == on("overlay") == ("file system", "ok")


def test_a_clock_of_the_past_or_one_that_jumps_is_found() -> None:
    now = CLOCK_MIN.timestamp() + 86_400
    assert stands(doctor.clock(Moment(now, 5.0), Moment(now + 2, 7.0))) == ("clock", "ok")
    assert stands(doctor.clock(Moment(now, 5.0), Moment(now - 60, 5.1))) == ("clock", "warning")
    assert stands(doctor.clock(Moment(0.0, 5.0), Moment(0.0, 5.0))) == ("clock", "error")


def test_more_connections_than_open_files_is_warned_of() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = doctor.open_files(soft)
    assert stands(found) == ("open files", "warning")
    assert f"ulimit -n {soft + doctor.FILES_RESERVED}" in found.cure
    assert stands(doctor.open_files(1)) == ("open files", "ok")


def test_old_and_odd_versions_are_judged() -> None:
    assert [doctor.sqlite(v).status for v in ("3.51.2", "3.51.3", "3.54.1", "4.0", "odd")] == [
        *("error", "ok", "ok", "ok", "error")
    ]
    assert [doctor.python(v).status for v in ((3, 10, 9), (3, 11, 0), (3, 15, 0))] == ["error", "ok", "warning"]


def test_a_bad_answer_is_a_finding_like_any_other() -> None:
    answers = [doctor.sqlite("3.45.0"), doctor.python((3, 15, 0)), doctor.sqlite("3.54.0")]
    found = findings(answers)
    assert [finding.severity for finding in found] == ["error", "warning"]
    assert found[0] == Finding("machine", "sqlite", 0, answers[0].text, answers[0].cure)
    assert str(found[0]).startswith("sqlite: machine: SQLite 3.45.0 is older than 3.51.3; install")
