"""`armature plan`: what the model means, before anything is started."""

import click
import msgspec

from armature.cli.opening import explained, model_options, open_model
from armature.engine.names import FORMS
from armature.engine.pipeline import STAGES
from armature.runtime.plan import plan as lay_out
from armature.runtime.plan_text import table
from armature.runtime.project import load_project

__all__ = ["plan"]


@click.command()
@model_options
@click.option("--defaults", is_flag=True, help="List every value, also those that nobody set.")
@click.option("--names", is_flag=True, help="List the names it uses in brokers, caches and blob stores.")
@click.option("--json", "as_json", is_flag=True, help="Print data for a script.")
@explained("plan")
def plan(topology: str, environment: str | None, data: str | None, **shown: bool) -> None:
    """Print processes, roles, modules, routes, adapters, and where each value came from."""
    model = open_model(topology, environment, data=data)
    laid = lay_out(model, [module.facts() for module in load_project(model.root).modules])
    if shown["names"]:
        names = {kind: form.replace("<installation>", model.installation) for kind, form in FORMS.items()}
        lines = [msgspec.json.format(msgspec.json.encode(names)).decode()] if shown["as_json"] else table(list(names.items()))
        for line in lines:
            click.echo(line)
        return
    if shown["as_json"]:
        click.echo(laid.to_json().decode())
        return
    click.echo(laid.render(defaults=shown["defaults"]), nl=False)
    click.echo(f"\npipeline: {' → '.join(STAGES)}")
