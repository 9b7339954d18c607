"""Tell the results twice: a table for people, JSON for whatever draws the documents.

The files carry no host name, user or path: they are meant to be committed and compared.
"""

import platform
import sqlite3
import statistics
import tempfile
import time
from importlib.metadata import version
from os import fsync
from pathlib import Path

import apsw
import msgspec
from msgspec import Struct
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.duel import Effort
from bench.result import Result, Series
from bench.serve import CORES
from bench.targets import ROOT
from bench.wire import HEADS, cells

__all__ = ["Machine", "look_around", "show", "write"]

RESULTS = ROOT / "bench" / "results"
VENDORS = ("uvicorn", "uvloop", "httptools", "msgspec", "starlette", "fastapi", "sqlalchemy", "aiosqlite", "asyncpg", "pydantic")


class Machine(Struct):
    """What a reader must know to compare two files."""

    cores: int
    python: str
    system: str
    sqlite: str
    sqlite_peer: str
    fsync_us: float
    packages: dict[str, str]


class Report(Struct):
    taken_at: str
    effort: Effort
    machine: Machine
    result: Result


def look_around(effort: Effort) -> Machine:
    """Describe the machine; durable rows mean little without the price of its fsync, so that is measured."""
    return Machine(
        cores=len(CORES),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        sqlite=apsw.sqlite_lib_version(),
        sqlite_peer=sqlite3.sqlite_version,
        fsync_us=_fsync_us(effort.data),
        packages={name: version(name) for name in VENDORS},
    )


def write(result: Result, machine: Machine, effort: Effort) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{result.row}.json"
    taken_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    shown = msgspec.structs.replace(effort, data=None)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(Report(taken_at, shown, machine, result))) + b"\n")
    return path


def show(result: Result, console: Console) -> None:
    console.print(_wires(result) if result.wires else _series(result))
    missing = [(one.name, one.missing) for one in result.series] + [(one.name, one.missing) for one in result.wires]
    for name, reason in missing:
        if reason is not None:
            console.print(f"  {name} is not there: {reason}", highlight=False, markup=False)
    for claim in result.claims:
        verdict = "[green]holds[/]" if claim.holds else "[red]does not hold[/]"
        if result.void:
            verdict = "[yellow]cannot be judged, the row is void[/]"
        console.print(
            f"  {claim.found:.3g} {claim.text}, promised {'at most' if claim.at_most else 'at least'} {claim.wanted:g}: {verdict}"
        )
    for reason in result.void:
        console.print("  [red]VOID[/]", escape(reason), highlight=False)
    for note in result.notes:
        console.print(f"  {note}", highlight=False, markup=False)
    console.print()


def _series(result: Result) -> Table:
    table = Table(title=f"{result.row}: {result.title}", title_justify="left")
    for head in ("", result.unit, "spread", "CPU us", "core", "p50 ms", "p99 ms", "at /s"):
        table.add_column(head, justify="left" if not head else "right")
    for series in result.series:
        table.add_row(*_cells(series))
    return table


def _wires(result: Result) -> Table:
    table = Table(title=f"{result.row}: {result.title}", title_justify="left")
    for head in HEADS:
        table.add_column(head, justify="left" if head in HEADS[:2] else "right")
    for wire in result.wires:
        table.add_row(*cells(wire))
    return table


def _cells(series: Series) -> list[str]:
    if series.missing is not None:
        return [series.name, "not there", "", "", "", "", "", ""]
    beside = [series.cpu_us, series.core_share, series.p50_ms, series.p99_ms, series.at_rate]
    forms = (".0f", ".0%", ".2f", ".2f", ",.0f")
    shown = ["" if value is None else format(value, form) for value, form in zip(beside, forms, strict=True)]
    digits = 0 if series.median >= 100 else 2
    return [series.name, f"{series.median:,.{digits}f}", f"{series.spread:.0%}", *shown]


def _fsync_us(folder: str | None) -> float:
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(50):
            file.write(b"x" * 4_096)
            file.flush()
            started = time.perf_counter()
            fsync(file.fileno())
            times.append((time.perf_counter() - started) * 1e6)
    return round(statistics.median(times), 1)
