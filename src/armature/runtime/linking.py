"""Which vendor carries the calls between the processes of a topology: the environment's binding, made into an adapter."""

from armature.adapters.grpc.door import grpc
from armature.adapters.nats.door import nats
from armature.ports.links import Links
from armature.runtime.addresses import Addresses
from armature.runtime.certificates import certificate_files
from armature.runtime.model import Model
from armature.runtime.placing import answerers, reached
from armature.runtime.problems import ModelError, Problem
from armature.runtime.project import Project

__all__ = ["links_of", "refuse_unlinked"]


def refuse_unlinked(model: Model, project: Project) -> None:
    """Raise `GrpcMissing` or `NatsMissing` for a topology whose processes call each other by what is not installed."""
    facts = [module.facts() for module in project.modules]
    processes = model.topology.processes.items()
    if any("neighbour" in spec.roles or reached(model, name, facts) for name, spec in processes):
        (nats if model.environment.neighbours.transport == "nats" else grpc)("links")


def links_of(model: Model, project: Project, process: str, addresses: Addresses) -> Links | None:
    """Return this process's way to the others; None when it asks nobody and answers nobody."""
    facts = [module.facts() for module in project.modules]
    spec = model.topology.processes.get(process)
    answers = spec is not None and "neighbour" in spec.roles
    wanted = reached(model, process, facts)
    if not wanted and not answers:
        return None
    binding, size = model.environment.neighbours, model.policies.neighbours.message_bytes_max
    if binding.transport == "nats":
        connection = nats("connection").NatsConnection(addresses.of("neighbours.url"))
        made: Links = nats("links").NatsLinks(connection, model.installation, message_bytes_max=size)
        return made
    targets = grpc("targets")
    folder = targets.socket_folder(model.data)
    listen = None
    if answers:
        listen = binding.listen or f"unix:{targets.socket_of(folder, process)}"
    place = grpc("links").Place(
        listen=listen,
        hosts={module: answerers(model, module) for module in wanted},
        targets=targets.Targets(folder, binding.addresses),
        tls=_tls(model, process),
        message_bytes_max=size,
    )
    grpc_links: Links = grpc("links").GrpcLinks(place)
    return grpc_links


def _tls(model: Model, process: str) -> object | None:
    binding = model.environment.neighbours
    if binding.certificate is None:
        return None
    part = grpc("tls")

    admitted = binding.admitted or list(model.topology.processes)
    files = certificate_files(model, process)
    try:
        tls: object = part.Tls(part.TlsFiles(*files), admitted)
    except part.TlsRefused as refused:
        said, _, cure = str(refused).partition("; ")
        place = model.origins.get("neighbours.certificate", "default")
        raise ModelError([Problem(place, 0, "neighbours.certificate", said, cure)]) from None
    return tls
