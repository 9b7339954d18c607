"""`armature plan`: what the model means, before anything is started."""

import click

from armature.cli.opening import explained, model_options, open_model
from armature.engine.pipeline import STAGES
from armature.runtime.plan import plan as lay_out
from armature.runtime.project import load_project

__all__ = ["plan"]


@click.command()
@model_options
@click.option("--defaults", is_flag=True, help="List every value, also those that nobody set.")
@click.option("--json", "as_json", is_flag=True, help="Print data for a script.")
@explained("plan")
def plan(topology: str, environment: str, data: str | None, defaults: bool, as_json: bool) -> None:
    """Print processes, roles, modules, routes, adapters, and where each value came from."""
    model = open_model(topology, environment, data=data)
    laid = lay_out(model, [module.facts() for module in load_project(model.root).modules])
    if as_json:
        click.echo(laid.to_json().decode())
        return
    click.echo(laid.render(defaults=defaults), nl=False)
    click.echo(f"\npipeline: {' → '.join(STAGES)}")
