"""`armature`: one file per command, gathered here."""

import click

from armature.cli.check import check_command
from armature.cli.contracts import contracts
from armature.cli.doctor import doctor
from armature.cli.migrate import migrate
from armature.cli.new import new
from armature.cli.parked import parked
from armature.cli.plan import plan
from armature.cli.replay import replay
from armature.cli.run import run
from armature.cli.shell import shell

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="armature")
def main() -> None:
    """Armature: a backend platform for Python."""


for command in (check_command, contracts, doctor, migrate, new, parked, plan, replay, run, shell):
    main.add_command(command)
