"""`armature doctor`: can this machine run the system, and if not, what helps?"""

import sys

import apsw
import click
import msgspec

from armature.cli.opening import explained, model_options, open_model
from armature.runtime.doctor import Versions, diagnose

__all__ = ["doctor"]

_MARKS = {"ok": ("ok     ", "green"), "warning": ("warning", "yellow"), "error": ("error  ", "red")}


@click.command()
@model_options
@click.option("--port", help="Port that would be listened on.")
@click.option("--json", "as_json", is_flag=True, help="Print data for a script.")
@explained("doctor")
def doctor(topology: str, environment: str, as_json: bool, **flags: str | None) -> None:
    """Look at Python, SQLite, disk, ports and clock; a cure for each trouble. Exit code 1 if a start would fail."""
    found = diagnose(open_model(topology, environment, **flags), Versions(apsw.sqlite_lib_version()))
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        for one in found:
            mark, colour = _MARKS[one.status]
            click.echo(f"{click.style(mark, fg=colour)}  {one.about}: {one.text}" + (f"; {one.cure}" if one.cure else ""))
    sys.exit(any(one.status == "error" for one in found))
