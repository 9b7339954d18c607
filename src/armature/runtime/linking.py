"""Which vendor carries the calls between the processes of a topology: the environment's binding, made into an adapter."""

from armature.adapters.grpc.door import grpc
from armature.adapters.nats.door import nats
from armature.ports.links import Links
from armature.runtime.addresses import Addresses
from armature.runtime.certificates import certificate_files, certificate_of, port_files, unusable_of_port
from armature.runtime.model import Model
from armature.runtime.placing import answerers, reached
from armature.runtime.problems import ModelError, Problem
from armature.runtime.project import Project

__all__ = ["links_of", "refuse_uncertified", "refuse_unlinked"]


def refuse_unlinked(model: Model, project: Project) -> None:
    """Raise `GrpcMissing` or `NatsMissing` for a topology whose processes call each other by what is not installed."""
    facts = [module.facts() for module in project.modules]
    processes = model.topology.processes.items()
    if any("neighbour" in spec.roles or reached(model, name, facts) for name, spec in processes):
        (nats if model.environment.neighbours.transport == "nats" else grpc)("links")


def refuse_uncertified(model: Model, project: Project) -> None:
    """Raise `ModelError` for every certificate that a process of the topology is to show and could not use.

    For whoever starts all of them on one machine: each would say it by itself, and one after the other.
    """
    facts = [module.facts() for module in project.modules]
    processes, binding = model.topology.processes, model.environment.neighbours
    found: dict[str, str] = {}
    if binding.transport == "grpc" and binding.certificate is not None:
        linked = [name for name, spec in processes.items() if "neighbour" in spec.roles or reached(model, name, facts)]
        said = [certificate_of(model, name) for name in linked]
        found |= dict.fromkeys([one for one in said if isinstance(one, str)], "neighbours.certificate")
    if any("grpc" in spec.roles for spec in processes.values()) and port_files(model):
        refused = unusable_of_port(model)
        found |= {refused: "grpc.tls_certificate"} if refused else {}
    if found:
        raise ModelError([_certificate(model, key, said) for said, key in found.items()])


def _certificate(model: Model, key: str, said: str) -> Problem:
    text, _, cure = said.partition("; ")
    return Problem(model.origins.get(key, "default"), 0, key, text, cure)


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
        raise ModelError([_certificate(model, "neighbours.certificate", str(refused))]) from None
    return tls
