"""`armature`: one file per command, gathered here."""

import click

from armature.cli.run import run

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="armature")
def main() -> None:
    """Armature: a backend platform for Python."""


main.add_command(run)
