"""docs/reference/commands.md: every command, its arguments, options and exit codes, read from the command line itself."""

import inspect
from collections.abc import Iterator

import click

from armature.cli.main import main

__all__ = ["EXIT_CODES", "all_commands", "commands_page"]

_HEAD = """# Commands

<!-- Made by `python -m tests.docs.pages`; a test compares it with the code. -->

Commands work on the project that the working directory belongs to: the nearest folder upwards that has `modules/`.
`-h` or `--help` works everywhere. A command line that cannot be understood exits with 2.

"""

EXIT_CODES = {
    "check": {0: "no error", 1: "an error was found", 2: "there is no such rule"},
    "contracts": {
        0: "written, or in agreement",
        1: "with `--check`: a file differs from the code",
        2: "the project cannot be read",
    },
    "doctor": {0: "a start would work", 1: "a start would fail", 2: "the model cannot be read"},
    "migrate": {
        0: "done, or nothing to do",
        1: "files and database do not fit together, or a migration failed",
        2: "the project cannot be read",
    },
    "new project": {0: "made", 2: "refused; nothing is left half made"},
    "new module": {0: "made", 2: "refused; nothing is left half made"},
    "parked": {0: "no stream is parked", 1: "there are parked streams", 2: "there is no database to look at"},
    "parked retry": {
        0: "none is parked any more",
        1: "some had to stay",
        2: "no such projection, or no process with the projector role answered",
    },
    "plan": {0: "printed", 2: "the model or the project cannot be read"},
    "replay": {
        0: "the new generation is live",
        1: "refused (a hole in the archive is named), or it waits for parked streams",
        2: "no such projection, or nobody to ask",
    },
    "run": {0: "stopped as asked, every accepted request answered", 2: "could not start; the message says why and what helps"},
    "shell": {0: "answered", 1: "refused; the problem is on stderr", 2: "no such operation, or the project cannot be read"},
}
"""What scripts may rely on, by command; a command without an entry fails the test."""


def all_commands() -> dict[str, click.Command]:
    """Return every command that does something, by the words after `armature`."""
    return dict(_walk(main, ""))


def _walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if path and (not isinstance(command, click.Group) or command.invoke_without_command):
        yield path, command
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from _walk(inner, f"{path} {name}".strip())


def commands_page() -> str:
    """Return the page."""
    return _HEAD + "\n".join("\n".join(_one(path, command)) for path, command in all_commands().items())


def _one(path: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"armature {path}")
    yield f"## armature {path}\n"
    usage = " ".join(piece for piece in command.collect_usage_pieces(context) if "COMMAND" not in piece)
    yield f"    armature {path} {usage}".rstrip() + "\n"
    yield inspect.cleandoc(command.help or "").replace("\n\n", "\n\n") + "\n"
    options = [one for one in command.get_params(context) if isinstance(one, click.Option) and "--help" not in one.opts]
    if options:
        yield "| option | what it does | default |\n|---|---|---|"
        yield from (_option(one, context) for one in options)
        yield ""
    yield "| exit code | when |\n|---|---|"
    yield from (f"| {code} | {text} |" for code, text in EXIT_CODES[path].items())
    yield ""


def _option(option: click.Option, context: click.Context) -> str:
    name = option.opts[0] + ("" if option.is_flag else f" {option.make_metavar(context)}")
    default = option.default
    shown = "" if option.is_flag or not isinstance(default, str | int | float) else f"`{default}`"
    return f"| `{name}` | {option.help or ''} | {shown} |"
