"""Is this machine fit to run Armature? Each question looks at the real thing (it binds the port, it writes the file), says
what it saw, and ends with a cure. The questions are asked before a start and by `armature doctor`."""

import sys
import time
from datetime import UTC, datetime

from msgspec import Struct

from armature.runtime import doctor_disk, doctor_ports
from armature.runtime.diagnosis import Diagnosis, error, ok, warning
from armature.runtime.model import Model

try:
    import resource
except ModuleNotFoundError:  # a system without process limits, such as Windows
    resource = None  # type: ignore[assignment]

__all__ = ["Diagnosis", "Moment", "Versions", "diagnose", "moment"]

PYTHON_MIN = (3, 11)
PYTHON_BELOW = (3, 15)

# Older libraries have the WAL-reset bug: a rare race of a checkpoint and a commit corrupts the file (sqlite.org/wal.html).
SQLITE_MIN = (3, 51, 3)

# This was written then; a clock that shows less is wrong, and ids and retention would follow it.
CLOCK_MIN = datetime(2026, 11, 1, tzinfo=UTC)

CLOCK_DRIFT_SECONDS_MAX = 1.0

# Beside one per connection: the database with its log for each reader, the log's segments, sockets of our own.
FILES_RESERVED = 256


class Versions(Struct, frozen=True):
    """What is installed. The caller names SQLite's version, since only its adapter knows the library."""

    sqlite: str
    python: tuple[int, int, int] = sys.version_info[:3]


class Moment(Struct, frozen=True):
    """Both clocks at once: the one that tells the date and the one that only goes forward."""

    wall: float
    monotonic: float


def moment() -> Moment:
    return Moment(time.time(), time.monotonic())


def diagnose(model: Model, versions: Versions) -> tuple[Diagnosis, ...]:
    """Ask all questions; the answers come in a fixed order, good ones included."""
    before = moment()
    found = [
        python(versions.python),
        sqlite(versions.sqlite),
        *doctor_disk.examine(model.data, model.database_path),
        *doctor_ports.examine(model),
        open_files(model.policies.http.connections_max),
        clock(before, moment()),
    ]
    return tuple(found)


def python(version: tuple[int, int, int]) -> Diagnosis:
    said = "Python " + ".".join(map(str, version))
    if version[:2] < PYTHON_MIN:
        return error("python", f"{said} is too old", "install 3.11 or newer and set up again: make setup PYTHON=…")
    if version[:2] >= PYTHON_BELOW:
        return warning("python", f"{said} is newer than what is tested", "use 3.11 to 3.14")
    return ok("python", said)


def sqlite(version: str) -> Diagnosis:
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if numbers < SQLITE_MIN:
        cure = "install the apsw wheel, which brings its own: make setup"
        return error("sqlite", f"SQLite {version} is older than {'.'.join(map(str, SQLITE_MIN))}", cure)
    return ok("sqlite", f"SQLite {version}")


def open_files(connections_max: int) -> Diagnosis:
    """Whether the connections that policies allow fit into what the system lets a process open."""
    if resource is None:
        return ok("open files", "this system has no such limit")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections_max + FILES_RESERVED
    if soft in (resource.RLIM_INFINITY, -1) or soft >= wanted:
        return ok("open files", f"{soft} may be open")
    text = f"{soft} may be open, and http.connections_max {connections_max} asks for {wanted}"
    return warning("open files", text, f"ulimit -n {wanted} (systemd: LimitNOFILE={wanted}), or lower connections_max")


def clock(before: Moment, after: Moment) -> Diagnosis:
    """Ids, retention and expiry follow the wall clock: it must show a possible date and go as fast as time does."""
    now = datetime.fromtimestamp(after.wall, UTC)
    if now < CLOCK_MIN:
        return error("clock", f"it shows {now:%Y-%m-%d %H:%M} UTC, which has passed", "set it: timedatectl set-ntp true")
    drift = (after.wall - before.wall) - (after.monotonic - before.monotonic)
    if abs(drift) > CLOCK_DRIFT_SECONDS_MAX:
        text = f"it jumped by {drift:+.1f} s while it was looked at"
        return warning("clock", text, "let one service alone set it, and in small steps: timedatectl set-ntp true")
    return ok("clock", f"{now:%Y-%m-%d %H:%M} UTC")
