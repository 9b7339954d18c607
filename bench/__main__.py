"""One command for every claim: `python -m bench [ROW ...] [--rounds N] [--seconds S]`."""

import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from bench.duel import Effort
from bench.report import look_around, show, write
from bench.result import Result
from bench.rows import (
    calls,
    delivery,
    growth,
    grpc_calls,
    loops,
    neighbours,
    packages,
    postgres,
    process,
    processes,
    rebuild,
    scale,
    store,
    wires,
)

ROWS: dict[str, Callable[[Effort], Result]] = {
    "read": calls.read,
    "increment": calls.increment,
    "post": calls.post,
    "hot": calls.hot,
    "transfer": calls.transfer,
    "rebuild": rebuild.rebuild,
    "scale": scale.scale,
    "start": process.start,
    "memory": process.memory,
    "growth": growth.growth,
    "packages": packages.packages,
    "pg_read": postgres.pg_read,
    "pg_increment": postgres.pg_increment,
    "pg_bare": postgres.pg_bare,
    "pg_hot": processes.pg_hot,
    "pg_streams": processes.pg_streams,
    "pg_writers": processes.pg_writers,
    "visible": processes.visible,
    "numbering": delivery.numbering,
    "publish": delivery.publish,
    "wires": wires.wires,
    "grpc_calls": grpc_calls.grpc_calls,
    "link_grpc": neighbours.link_grpc,
    "link_nats": neighbours.link_nats,
    "neighbour": neighbours.neighbour,
    "store_spread": store.store_spread,
    "store_hot": store.store_hot,
}
# Rows that fetch packages run only when they are named: everything else works without a network.
FETCHING: dict[str, Callable[[Effort], Result]] = {"install": packages.install, "loops": loops.loops}


@click.command(help="Measure ours, the peer and the limit in turn; print tables and write bench/results/ROW.json.")
@click.argument("rows", nargs=-1, type=click.Choice([*ROWS, *FETCHING]))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Rounds; figures to be quoted need 5.")
@click.option("--seconds", default=1.0, show_default=True, type=click.FloatRange(0.1), help="Length of one measurement.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where data folders are made: the disk to measure.",
)
def main(rows: tuple[str, ...], rounds: int, seconds: float, data: Path | None) -> None:
    effort = Effort(rounds=rounds, seconds=seconds, data=None if data is None else str(data))
    console, machine = Console(), look_around(effort)
    console.print(f"{machine.cores} cores, Python {machine.python}, SQLite {machine.sqlite}, fsync {machine.fsync_us:.0f} us\n")
    failed = False
    for name in rows or tuple(ROWS):
        result = (ROWS | FETCHING)[name](effort)
        write(result, machine, effort)
        show(result, console)
        failed = failed or bool(result.void) or not all(claim.holds for claim in result.claims)
    # A benchmark that promised something says so with its exit code; nobody's tests depend on it.
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
