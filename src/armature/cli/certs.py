"""`armature certs`: certificates for the processes of a topology on a developer's machine, which call each other by them."""

import sys
from collections.abc import Iterator, Sequence

import click

from armature.adapters.grpc.door import grpc
from armature.cli.opening import REFUSED, explained, model_options, open_model
from armature.runtime.model import Model

__all__ = ["certs"]

_DAYS = 90
_BINDING = {
    "certificate": "{data}/certs/{process}.pem",
    "key": "{data}/certs/{process}.key",
    "authority": "{data}/certs/ca.pem",
}


class _Refused(Exception):
    """A wish that makes no sense here."""


@click.group()
def certs() -> None:
    """Certificates that processes show each other."""


@certs.command()
@model_options
@click.option("--process", "processes", metavar="NAME", multiple=True, help="Only for this process; may be repeated.")
@click.option("--days", type=click.IntRange(1, 3_650), default=_DAYS, show_default=True, help="How long they are good.")
@explained("certs dev")
def dev(topology: str, environment: str | None, data: str | None, processes: tuple[str, ...], days: int) -> None:
    """Make a local authority, once, and a new certificate for each process of the topology, in DATA/certs.

    Processes that run take the new ones for their next connection. Not for production: there whoever runs the machines signs.
    """
    model = open_model(topology, environment, data=data)
    names = list(dict.fromkeys(processes)) or list(model.topology.processes)
    part = grpc("certificates")
    try:
        _refuse(model, names)
        authority = part.issue(model.data / "certs", model.installation, names, days=days)
    except (_Refused, part.CertificatesRefused) as refused:
        click.echo(f"armature certs dev: {refused}", err=True)
        sys.exit(REFUSED)
    click.echo(f"{authority.folder}: authority ca.pem, good until {authority.ends:%Y-%m-%d}; whoever has ca.key is every process")
    for name in names:
        click.echo(f"  {name}.pem, {name}.key   good for {days} days")
    for line in _advice(model):
        click.echo(line)


def _refuse(model: Model, processes: Sequence[str]) -> None:
    if model.environment.production:
        cure = "let its own authority sign, with the process's name as a DNS name"
        raise _Refused(f"environment '{model.environment.name}' is production; {cure}")
    unknown = [name for name in processes if name not in model.topology.processes]
    if unknown:
        known = ", ".join(model.topology.processes)
        raise _Refused(f"topology '{model.topology.name}' has no process '{unknown[0]}'; it has {known}")


def _advice(model: Model) -> Iterator[str]:
    binding, file = model.environment.neighbours, f"platform/environments/{model.environment.name}.yaml"
    if binding.transport != "grpc":
        yield f"{file} lets processes call each other by {binding.transport}, which shows no certificates"
    elif binding.certificate is not None:
        yield f"{file} names {binding.certificate} for each process"
    else:
        yield f"To use them, write into {file}:"
        yield "neighbours:"
        yield from (f'  {key}: "{value}"' for key, value in _BINDING.items())
