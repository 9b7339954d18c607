"""`armature check`: everything that can be said against a project without starting it, each with its cure."""

import sys
from difflib import get_close_matches

import click

from armature.checks.rules import RULES, ask_postgres, check
from armature.cli.check_sql import show_findings
from armature.cli.opening import REFUSED, explained, project_here

__all__ = ["check_command"]


@click.command("check")
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@click.option("--json", "as_json", is_flag=True, help="Print data for a script.")
@click.option("--postgres", metavar="URL", help="Ask this server about every statement too, and write contracts/sql.json.")
@click.option("--list", "as_list", is_flag=True, help="Print the rules.")
@explained("check")
def check_command(rules: tuple[str, ...], as_json: bool, postgres: str | None, as_list: bool) -> None:
    """Check the project against its rules, or against those named. Exits with 1 when something is wrong."""
    if as_list:
        for name, rule in RULES.items():
            click.echo(f"{name:<11} {rule.text}")
        return
    unknown = [name for name in rules if name not in RULES]
    if unknown:
        near = get_close_matches(unknown[0], RULES, n=1)
        cure = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(RULES)}"
        click.echo(f"armature check: there is no rule '{unknown[0]}'; {cure}", err=True)
        sys.exit(REFUSED)
    root = project_here()
    asked = ask_postgres(root, postgres) if postgres else []
    # What the server refused was not written down; that it is missing there needs no second line.
    told = {(one.file, one.line) for one in asked}
    found = [one for one in check(root, rules) if one.rule != "sql:postgres" or (one.file, one.line) not in told]
    sys.exit(show_findings([*asked, *found], as_json=as_json))
