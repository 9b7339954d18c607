"""The table of every way to ask: what voids it, how it reads, and that each way is answered."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from bench.closed import CALLERS, Ask, Told, closed
from bench.duel import Effort
from bench.readme import figures
from bench.report import Machine, Report, show
from bench.result import Result
from bench.rows.ways import Field
from bench.rows.wires import WAYS, Way, demand_steady, take
from bench.wire import HEADS, Wire, cells


def asked(name: str, *rates: float, missing: str | None = None, claimed_ms: float | None = None) -> Wire:
    """Return a wire with a round for each rate."""
    wire = Wire(name, f"what {name} carries", claimed_ms, missing=missing)
    for rate in rates:
        wire.alone.take(Told(calls=10, seconds=1.0, refused=0, p50_ms=0.25, p99_ms=1.5))
        wire.crowd.take(Told(calls=int(rate), seconds=1.0, refused=0, p50_ms=12.0, p99_ms=40.0, busy_share=0.5))
    return wire


def a_row() -> Result:
    wires = [asked("direct", 900.0, 1_000.0, 1_100.0, claimed_ms=0.5), asked("broker", missing="no server")]
    return Result("wires", "every way", "calls/s", wires=wires)


def kept(folder: Path, result: Result, rounds: int = 5) -> None:
    """Write the row as `python -m bench` does."""
    machine = Machine(2, "3.11.7", "Linux", "3.54.1", "3.40.1", 128.4, {})
    report = Report("2026-01-02T03:04:05Z", Effort(rounds=rounds), machine, result)
    (folder / f"{result.row}.json").write_bytes(msgspec.json.encode(report))


def test_one_caller_gives_latency_and_a_crowd_the_ceiling() -> None:
    result, wire = Result("wires", "", ""), Wire("direct", "nothing")
    take(result, wire, 1, Told(10, 2.0, 0, 0.2, 0.9))
    take(result, wire, CALLERS, Told(100, 2.0, 0, 3.0, 7.0))
    assert (wire.alone.p50_ms, wire.alone.p99_ms, wire.crowd.per_second, wire.crowd.p50_ms) == ([0.2], [0.9], [50.0], [3.0])
    assert result.void == []


def test_one_call_that_was_refused_voids_the_row() -> None:
    result = Result("wires", "", "")
    take(result, Wire("REST", "HTTP"), 1, Told(10, 1.0, 1, 0.2, 0.9))
    assert result.void == ["REST: 1 calls were refused"]


@pytest.mark.parametrize(("again", "void"), [(1_100.0, False), (1_200.0, True)])
def test_a_limit_that_differs_from_itself_voids_the_row(again: float, void: bool) -> None:
    result = Result("wires", "", "")
    demand_steady(result, {one.name: one for one in (asked("bare", 1_000.0), asked("bare again", again), asked("ours", 5.0))})
    assert bool(result.void) is void
    assert len(result.notes) == 1


@pytest.mark.parametrize(("share", "void"), [(0.99, []), (0.5, ["the machine was not quiet: direct had 50% of its core"])])
def test_a_direct_call_that_was_kept_from_its_core_voids_the_row(share: float, void: list[str]) -> None:
    result, direct = Result("wires", "", ""), Wire("direct", "nothing")
    take(result, direct, CALLERS, Told(100, 1.0, 0, 0.4, 0.9, share))
    demand_steady(result, {direct.name: direct})
    assert result.void == void


def test_a_line_shows_medians_spread_and_what_was_claimed() -> None:
    direct, broker = a_row().wires
    told = ("direct", "what direct carries", "0.250 (0%)", "1.50", "1,000 (20%)", "12.0", "50%", "0.5")
    assert cells(direct) == told
    assert cells(broker) == ("broker", "what broker carries", "not there", "", "", "", "", "")
    assert len(HEADS) == len(told) == len(cells(broker))


def test_the_terminal_shows_every_way_and_why_one_is_not_there() -> None:
    paper = io.StringIO()
    show(a_row(), Console(file=paper, width=200))
    shown = paper.getvalue()
    assert "1,000 (20%)" in shown and "broker is not there: no server" in shown


def test_the_readme_gives_the_row_a_table_of_its_own(tmp_path: Path) -> None:
    kept(tmp_path, a_row())
    text = figures(tmp_path)
    assert "| direct | what direct carries | 0.250 (0%) | 1.50 | 1,000 (20%) | 12.0 | 50% | 0.5 |" in text
    assert "Claimed elsewhere: by the Rust system" in text and "| what | ours |" not in text


def test_a_readme_without_the_row_says_nothing_of_wires(tmp_path: Path) -> None:
    kept(tmp_path, Result("read", "one", "req/s"))
    assert "claimed elsewhere" not in figures(tmp_path).lower()


def refusing(after: int) -> Ask:
    """Return what answers so many times and refuses from then on."""
    good = iter(range(after))

    async def ask() -> None:
        if next(good, None) is None:
            raise LookupError

    return ask


async def test_a_closed_loop_counts_what_was_refused() -> None:
    told = await closed(refusing(after=60), 2, 0.01, refusal=LookupError)
    assert told.calls - told.refused == 10  # the others warmed up


async def test_a_closed_loop_lets_anything_else_through() -> None:
    with pytest.raises(LookupError):
        await closed(refusing(after=60), 2, 0.01)


@pytest.fixture(scope="module")
def field() -> Iterator[Field]:
    with contextlib.ExitStack() as stack:
        yield Field(stack, Effort(rounds=1, seconds=0.1))


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_every_way_is_answered_and_refuses_nothing(field: Field, way: Way) -> None:
    load = way.prepare(field)
    for callers in (1, CALLERS):
        told = load(callers)
        assert told.calls >= callers and told.refused == 0
