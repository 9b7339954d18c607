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

_CLIENT = {
    0: "written, or in agreement",
    1: "with `--check`: a file differs from what the contracts say",
    2: "refused, and nothing was written: a name, a folder with files of somebody else, or a project that cannot be read",
}

EXIT_CODES = {
    "backup": {0: "saved", 2: "refused; a folder without a manifest is no backup"},
    "certs dev": {0: "made", 2: "refused, and nothing was made; the message says why and what helps"},
    "check": {0: "no error", 1: "an error was found", 2: "there is no such rule"},
    "client python": _CLIENT,
    "client typescript": _CLIENT,
    "contracts": {
        0: "written, or in agreement",
        1: "nothing was written, since it breaks somebody; with `--check` and `--against`: something is wrong",
        2: "the project or the release cannot be read",
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
    "drill": {
        0: "each part was killed often enough, nothing was lost and nothing happened twice",
        1: "something was lost, doubled or contradictory, or the drill proves too little",
        2: "the drill could not be held; the message says why",
    },
    "plan": {0: "printed", 2: "the model or the project cannot be read"},
    "promote": {
        0: "moved, or it had been moved before; with `--abort`: undone",
        2: "refused, and nothing was switched; the message says why and what helps",
    },
    "prove": {
        0: "all topologies are equal; of one alone nothing is compared, which is said",
        1: "something differs; it is printed",
        2: "a topology could not be played; the message says why",
    },
    "quarantined": {0: "nothing is set aside", 1: "something is set aside", 2: "there is no database to look at"},
    "quarantined retry": {
        0: "nothing is set aside any more",
        1: "some had to stay",
        2: "no such consumer or sink, or no process with its role answered",
    },
    "quarantined forget": {
        0: "it is forgotten",
        2: "a module still has it, nobody is called so, or database or broker are away",
    },
    "quarantined drop": {
        0: "dropped, and what waited behind it was delivered",
        1: "something of the tenant's stream had to stay",
        2: "no such stream, or nobody to deliver what waited behind it",
    },
    "replay": {
        0: "the new generation is live",
        1: "refused (a hole in the archive is named), or it waits for parked streams",
        2: "no such projection, or nobody to ask",
    },
    "restore": {0: "restored", 2: "refused: the backup is damaged, the target holds something, or the schema is another one"},
    "run": {
        0: "stopped as asked, every accepted request answered",
        1: "a process of the topology was given up, or had to be killed",
        2: "could not start, or a process of the topology could not begin; the message says why and what helps",
        75: "a server it needs is away: start it again later (a supervisor does)",
    },
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
        context = click.Context(command)
        for name in sorted(command.list_commands(context)):
            inner = command.get_command(context, name)
            if inner is not None:
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
