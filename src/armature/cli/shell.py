"""`armature shell`: call an operation by hand, through the same pipeline as everybody else."""

import asyncio
import os
import sys
from typing import Any

import click
import msgspec

from armature.cli.opening import explained, model_options, open_model
from armature.edges.http.problem import problem
from armature.engine.call import Identity
from armature.kernel.failure import Failure
from armature.runtime.model import Model
from armature.runtime.process import open_system
from armature.runtime.project import load_project

__all__ = ["shell"]


@click.command()
@model_options
@click.argument("operation", required=False)
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--tenant", default="public", show_default=True)
@click.option("--actor", default="operator", show_default=True)
@explained("shell")
def shell(operation: str | None, arguments: tuple[str, ...], tenant: str, actor: str, **of_model: Any) -> None:
    """Run one operation: `armature shell counter.list limit=5`. Without an operation, list them all.

    A value is JSON where it can be read as JSON, else text. Commands change the data as any other call does.
    """
    model = open_model(**of_model)
    if operation is None:
        for module in load_project(model.root).modules:
            for one in module.operations():
                click.echo(f"{one.full_name:24} {' '.join(one.arguments.__struct_fields__):40} {one.doc.splitlines()[0]}")
        return
    sys.exit(asyncio.run(_call(model, operation, arguments, tenant, actor)))


async def _call(model: Model, operation: str, arguments: tuple[str, ...], tenant: str, actor: str) -> int:
    system = await open_system(model, load_project(model.root), os.environ)
    try:
        known = {one.operation.full_name: one for one in system.core.pipelines}
        pipeline = known.get(operation)
        if pipeline is None:
            click.echo(f"armature shell: there is no operation {operation!r}; known are: {', '.join(sorted(known))}", err=True)
            return 2
        call = pipeline.new_call(tenant, Identity(actor, frozenset({"*"})), "shell")
        answer = await pipeline.run(call, pipeline.arguments.from_values(_values(arguments)), "shell", ())
        click.echo(msgspec.json.format(answer.body, indent=2))
    except Failure as failure:
        click.echo(msgspec.json.format(problem(failure, instance=operation, trace_id=None).body, indent=2), err=True)
        return 1
    finally:
        await system.close()
    return 0


def _values(arguments: tuple[str, ...]) -> dict[str, object]:
    values: dict[str, object] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals:
            raise click.UsageError(f"{argument!r} is not NAME=VALUE")
        try:
            values[name] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            values[name] = text
    return values
