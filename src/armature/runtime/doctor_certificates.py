"""Do the processes of a topology have the certificates that they are to show each other and the callers of their gRPC port, and
how long are these good?

A machine may host some of the processes only: where one has its files, those are judged, and where none has, nothing would start.
"""

from collections.abc import Iterator

from armature.runtime.certificates import (
    DAYS_SOON,
    Certificate,
    certificate_files,
    certificate_of,
    certificate_of_port,
    port_files,
)
from armature.runtime.diagnosis import Diagnosis, error, ok, warning
from armature.runtime.model import Model

__all__ = ["examine_certificates"]

_CURE = "renew it where its authority is; here: armature certs dev"


def examine_certificates(model: Model) -> Iterator[Diagnosis]:
    """Judge the certificate of each process, and that of the gRPC port; nothing where none is named."""
    yield from _of_processes(model)
    if any("grpc" in spec.roles for spec in model.topology.processes.values()):
        yield from _of_port(model)


def _of_processes(model: Model) -> Iterator[Diagnosis]:
    if model.environment.neighbours.transport != "grpc" or model.environment.neighbours.certificate is None:
        return
    processes = list(model.topology.processes)
    here = [one for one in processes if certificate_files(model, one)[0].exists()]
    if not here:
        file = certificate_files(model, processes[0])[0]
        cure = f"armature certs dev --topology {model.topology.name}"
        yield error("certificates", f"no process has one, for example {file}", cure)
    for process in here:
        yield _of_process(model, process)


def _of_process(model: Model, process: str) -> Diagnosis:
    about, shown = f"certificate of {process}", certificate_of(model, process)
    if isinstance(shown, Certificate) and process not in shown.names:
        named = ", ".join(sorted(shown.names)) or "nobody"
        return error(about, f"it names {named} and not '{process}': nobody will ask it", _CURE)
    return _judged(about, shown)


def _of_port(model: Model) -> Iterator[Diagnosis]:
    policy, about = model.policies.grpc, "certificate of the gRPC port"
    given = {"grpc.tls_certificate": policy.tls_certificate, "grpc.tls_key": policy.tls_key}
    missing = [key for key, file in given.items() if file is None]
    if len(missing) == 1:
        yield error(about, f"{missing[0]} is missing, and its other half is given", "name both files, or neither")
    elif port_files(model):
        yield _judged(about, certificate_of_port(model))


def _judged(about: str, shown: Certificate | str) -> Diagnosis:
    if isinstance(shown, str):
        text, _, cure = shown.partition("; ")
        return error(about, text, cure)
    said = f"good until {shown.ends:%Y-%m-%d}, {shown.days_left} days left"
    return ok(about, said) if shown.days_left >= DAYS_SOON else warning(about, said, _CURE)
