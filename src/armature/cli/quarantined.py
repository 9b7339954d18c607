"""`armature quarantined`: events that could not be delivered and why, ways to try them again and to give one up, and to forget
a reaction that nobody has any more."""

import asyncio
import os
import sys
from time import monotonic

import click
import msgspec
from rich.console import Console

from armature.cli.listing import show_rows
from armature.cli.opening import REFUSED, explained, model_options, open_model
from armature.cli.wishes import Wishes, open_wishes, refuse_absent
from armature.engine.consumers import Consumers
from armature.engine.relay import wish_subject
from armature.engine.set_aside import Aside
from armature.runtime.addresses import resolve_addresses
from armature.runtime.model import Model
from armature.runtime.placing import homed
from armature.runtime.project import load_project, reaction_names
from armature.runtime.vendors import stores_of

__all__ = ["quarantined", "show_quarantined", "watch_drop", "watch_try"]


@click.group(invoke_without_command=True)
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print data for a script.")
@click.pass_context
@explained("quarantined")
def quarantined(ctx: click.Context, topology: str, environment: str | None, data: str | None, as_json: bool) -> None:
    """List the streams that reactions have parked and the broker cannot take. Exit code 1 when there are some."""
    if ctx.invoked_subcommand is None:
        sys.exit(asyncio.run(_list(open_model(topology, environment, data=data), as_json)))


@quarantined.command()
@click.argument("by")
@click.argument("stream", default="")
@model_options
@click.option("--patience", default=30.0, show_default=True, help="Seconds to wait for a running role to answer.")
@explained("quarantined retry")
def retry(by: str, stream: str, patience: float, **model: str | None) -> None:
    """Deliver what BY (a reaction, or `relay:broker`) has set aside again, in order; of one STREAM or of all.

    Exit code 0 when nothing is set aside any more, 1 when some had to stay, 2 when nobody could be asked.
    """
    sys.exit(asyncio.run(_retry(_model(model), (by, stream), patience)))


@quarantined.command()
@click.argument("by")
@click.argument("stream")
@model_options
@click.option("--patience", default=30.0, show_default=True, help="Seconds to wait for a running role to answer.")
@click.option("--tenant", default="", help="Whose, where several have a stream of that name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@explained("quarantined drop")
def drop(by: str, stream: str, patience: float, tenant: str, yes: bool, **model: str | None) -> None:
    """Give up the first event that waits in STREAM: BY will never take it. What waits behind it is delivered.

    Exit code 0 when nothing of the tenant's stream is set aside any more, 1 when something had to stay, 2 when nobody could be
    asked.
    """
    sys.exit(asyncio.run(_drop(_model(model), (by, stream), patience, tenant, ask=not yes)))


@quarantined.command()
@click.argument("by")
@model_options
@explained("quarantined forget")
def forget(by: str, **model: str | None) -> None:
    """Forget the reaction BY that no module has any more: its group at the broker, how far it was and what it set aside.

    The broker keeps events for it until then, and has no room for new ones some day. Run it when no process of a release that
    still has the reaction is left; one that is added again begins anew. Exit code 0 when it is forgotten, 2 when that is refused.
    """
    sys.exit(asyncio.run(_forget(_model(model), by)))


def _model(given: dict[str, str | None]) -> Model:
    return open_model(given["topology"] or "", given["environment"], data=given["data"])


async def _list(model: Model, as_json: bool) -> int:
    async with open_wishes(model) as wishes:
        return await show_quarantined(wishes, Console(), as_json=as_json)


async def _retry(model: Model, what: tuple[str, str], patience: float) -> int:
    async with open_wishes(model) as wishes:
        return await watch_try(wishes, what, Console(), patience)


async def _drop(model: Model, what: tuple[str, str], patience: float, tenant: str, *, ask: bool) -> int:
    async with open_wishes(model) as wishes:
        return await watch_drop(wishes, what, Console(), patience, tenant=tenant, ask=ask)


async def _forget(model: Model, by: str) -> int:
    project, console = load_project(model.root), Console()
    if by in reaction_names(project):
        return _said(console, REFUSED, f"armature quarantined forget: a module has the reaction {by!r}; take it away there first")
    own, addresses = homed(model, project), resolve_addresses(model, os.environ)
    refuse_absent(model, own, addresses)
    stores = stores_of(model, own, addresses, monotonic)
    await stores.open()
    try:
        consumers = Consumers(stores.database)
        known = (await consumers.marks()).consumers
        if by not in known:
            told = f"known are: {', '.join(known)}" if known else "none has run here yet"
            told += "".join(f"; look also with --database {name}" for name in model.environment.databases if name)
            return _said(console, REFUSED, f"armature quarantined forget: no reaction {by!r} has run here; {told}")
        await consumers.forget(by, stores.bus)
    finally:
        await stores.close()
    return _said(console, 0, f"forgot {by}, which was done with everything up to position {known[by]}")


async def show_quarantined(wishes: Wishes, console: Console, *, as_json: bool = False) -> int:
    """Print what is set aside; return the exit code."""
    streams = await wishes.aside.streams()
    if as_json:
        click.echo(msgspec.json.encode(streams))
    elif not streams:
        console.print("nothing is set aside")
    else:
        rows = [_row(one) for one in streams]
        show_rows(console, ("by", "tenant", "stream", "event", "position", "attempts", "since", "reason"), rows)
    return 1 if streams else 0


def _row(one: Aside) -> tuple[str, ...]:
    where = (one.by, one.tenant_id, one.stream, one.type, str(one.position), str(one.attempts))
    return (*where, f"{one.since:%Y-%m-%d %H:%M:%S}", one.reason)


async def watch_try(wishes: Wishes, what: tuple[str, str], console: Console, patience_seconds: float) -> int:
    """Ask for another delivery of (by, stream or nothing) and wait for its end; return the exit code."""
    by, stream = what
    names = await wishes.aside.names()
    if by not in names:
        known = f"known are: {', '.join(names)}" if names else "none has run here yet"
        return _said(console, REFUSED, f"armature quarantined: nobody is called {by!r}; {known}")
    if not await _waiting(wishes, what):
        return _said(console, 0, f"nothing is set aside by {by}" + (f" under {stream}" if stream else ""))
    return _said(console, *await wishes.retried(what, _role(by), patience_seconds))


async def watch_drop(
    wishes: Wishes, what: tuple[str, str], console: Console, patience_seconds: float, *, tenant: str = "", ask: bool = False
) -> int:
    """Give up the first event that waits in (by, stream), then deliver what waits behind it; return the exit code."""
    by, stream = what
    waiting = [one for one in await _waiting(wishes, what) if tenant in ("", one.tenant_id)]
    if len(waiting) != 1:
        whose = f"{by} and {tenant}" if tenant else by
        text = f"nothing of {stream} waits for {whose}; armature quarantined lists what waits"
        if waiting:
            text = f"{stream} waits for several tenants: {', '.join(one.tenant_id for one in waiting)}; name one with --tenant"
        return _said(console, REFUSED, f"armature quarantined drop: {text}")
    (first,) = waiting
    text = f"event {first.position} ({first.type}) of stream {stream}, set aside because: {first.reason}"
    if ask:
        click.confirm(f"{by} will never take {text}\nGive it up?", abort=True)
    if not await wishes.aside.drop(first):
        return _said(console, 1, "it has moved meanwhile; look again with armature quarantined")
    _said(console, 0, f"dropped {text}")
    # Asked even where nothing waits behind it: a running relay holds the stream until it has looked again.
    code, told = await wishes.retried(what, _role(by), patience_seconds)
    if any(one.tenant_id == first.tenant_id for one in await _waiting(wishes, what)):
        return _said(console, code, told)
    return _said(console, 0, told if code != REFUSED else f"nothing of {stream} waits for {by} any more")


def _role(by: str) -> str:
    return "relay" if by.startswith(wish_subject("")) else "reactor"


async def _waiting(wishes: Wishes, what: tuple[str, str]) -> list[Aside]:
    by, stream = what
    return [one for one in await wishes.aside.streams(by) if stream in ("", one.stream)]


def _said(console: Console, code: int, text: str) -> int:
    console.print(text, highlight=False, soft_wrap=True)
    return code
