"""`armature`: one file per command, gathered here and loaded when called: a start does not pay for tools it does not use."""

from importlib import import_module

import click

__all__ = ["main"]

COMMANDS = {
    "backup": ("backup", "backup_command"),
    "certs": ("certs", "certs"),
    "check": ("check", "check_command"),
    "client": ("client", "client"),
    "contracts": ("contracts", "contracts"),
    "doctor": ("doctor", "doctor"),
    "drill": ("drill", "drill_command"),
    "migrate": ("migrate", "migrate"),
    "new": ("new", "new"),
    "parked": ("parked", "parked"),
    "plan": ("plan", "plan"),
    "promote": ("promote", "promote_command"),
    "prove": ("prove", "prove_command"),
    "quarantined": ("quarantined", "quarantined"),
    "replay": ("replay", "replay"),
    "restore": ("restore", "restore_command"),
    "run": ("run", "run"),
    "shell": ("shell", "shell"),
}
"""Every command with its file below `armature.cli` and its name there."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        file, name = COMMANDS[cmd_name]
        found: click.Command = getattr(import_module(f"armature.cli.{file}"), name)
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="armature")
def main() -> None:
    """Armature: a backend platform for Python."""
