"""`armature prove`: one recorded trace of commands on every topology, and whether anything came out differently."""

import asyncio
import sys
from pathlib import Path

import click
import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from armature.cli.opening import REFUSED, explained, project_here, stoppable
from armature.testing.prove.proof import Proof, Watch, prove
from armature.testing.prove.trace import Trace
from armature.testing.prove.verdict import KINDS, hashes
from armature.testing.servers import MissingServer

__all__ = ["prove_command"]


@click.command("prove")
@click.option("--topology", "topologies", multiple=True, metavar="NAME", help="Play on these only; the first one records.")
@click.option("--commands", default=2_400, show_default=True, type=click.IntRange(1), help="Requests to generate.")
@click.option("--seed", default=1, show_default=True, help="Another seed is another trace.")
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), help="Keep the trace in this file.")
@click.option("--trace", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Play this trace; record none.")
@click.option("--json", "as_json", is_flag=True, help="Print the hashes and differences as JSON.")
@explained("prove")
def prove_command(
    topologies: tuple[str, ...], commands: int, seed: int, record: Path | None, trace: Path | None, as_json: bool
) -> None:
    """Prove that a topology changes nothing: play one trace of commands on each, and compare all that is left.

    Compared are the answers (status, entity tags, bytes of the body), the rows of every module, every read model, every event
    and every stored answer. Ids and times come from the trace; nothing is masked. The servers are started here and thrown away.
    Exit code 0 when all are equal or there is but one, 1 when something differs, 2 when it could not be tried.
    """
    root = project_here()
    names = topologies or _all_of(root)
    console = Console(stderr=True)
    if record is not None:
        record.open("ab").close()  # one that cannot be written is said now, and not when all has been played
    try:
        recorded = Trace.read(trace) if trace else None
        with stoppable():
            proof = asyncio.run(_watched(root, names, commands, seed, recorded, console))
    except (MissingServer, ValueError, TimeoutError) as refused:
        click.echo(f"armature prove: {refused}", err=True)
        sys.exit(REFUSED)
    if record is not None:
        proof.trace.write(record)
    if as_json:
        shown = {one.topology: hashes(one) for one in proof.played}
        click.echo(msgspec.json.encode({"steps": proof.trace.steps, "topologies": shown, "differences": proof.differences}))
    else:
        _print(proof)
    sys.exit(1 if proof.differences else 0)


def _all_of(root: Path) -> tuple[str, ...]:
    found = sorted(path.stem for path in (root / "platform" / "topologies").glob("*.yaml"))
    return tuple(sorted(found, key=lambda name: name != "single")) or ("single",)


async def _watched(root: Path, names: tuple[str, ...], commands: int, seed: int, trace: Trace | None, console: Console) -> Proof:
    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TextColumn("requests"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: list[TaskID] = []

        def begun(topology: str, steps: int) -> None:
            tasks.append(bars.add_task(topology, total=steps))

        watch = Watch(begun, lambda: bars.advance(tasks[-1]))
        return await prove(root, names, commands=commands, seed=seed, trace=trace, watch=watch)


def _print(proof: Proof) -> None:
    console = Console()
    table = Table(title=f"{proof.trace.steps} requests, seed {proof.trace.seed}", title_justify="left", box=SIMPLE, padding=0)
    for name in ("topology", *KINDS, "s"):
        table.add_column(name, justify="right" if name == "s" else "left", no_wrap=True)
    first = hashes(proof.played[0])
    for one in proof.played:
        found = hashes(one)
        cells = [f"[green]{found[kind][:7]}[/]" if found[kind] == first[kind] else f"[red]{found[kind][:7]}[/]" for kind in KINDS]
        table.add_row(f"{one.topology} × {one.nodes}", *cells, f"{one.seconds:.1f}")
    console.print(table)
    for text in proof.differences:
        console.print(f"[red]differs[/] {text}", highlight=False, soft_wrap=True)
    statuses = [answer.status for answers in proof.played[0].answers.values() for answer in answers]
    refused = sum(status >= 400 for status in statuses)
    replayed = sum("idempotent-replayed" in one.headers for answers in proof.played[0].answers.values() for one in answers)
    console.print(f"{len(statuses)} answers, {refused} refusals, {replayed} replays; ", end="", highlight=False)
    console.print(_verdict(proof), highlight=False, soft_wrap=True)


def _verdict(proof: Proof) -> str:
    if proof.differences:
        return "[red]the topologies differ[/]"
    if len(proof.played) == 1:
        text = f"{proof.played[0].topology} alone was played, and nothing was compared; name another one with --topology"
        return f"[yellow]{text}[/]"
    return "[green]all topologies are equal[/]"
