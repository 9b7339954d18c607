"""Do the processes of a topology have the certificates that they are to show each other, and how long are these good?

A machine may host some of the processes only: where one has its files, those are judged, and where none has, nothing would start.
"""

from collections.abc import Iterator

from armature.runtime.diagnosis import Diagnosis, error, ok, warning
from armature.runtime.linking import certificate_files, certificate_of
from armature.runtime.model import Model

__all__ = ["examine_certificates"]

_DAYS_SOON = 14
_CURE = "renew it where its authority is; here: armature certs dev"


def examine_certificates(model: Model) -> Iterator[Diagnosis]:
    """Judge the certificate of each process; nothing where the environment names none."""
    if model.environment.neighbours.transport != "grpc" or model.environment.neighbours.certificate is None:
        return
    processes = list(model.topology.processes)
    here = [one for one in processes if certificate_files(model, one)[0].exists()]
    if not here:
        file = certificate_files(model, processes[0])[0]
        cure = f"armature certs dev --topology {model.topology.name}"
        yield error("certificates", f"no process has one, for example {file}", cure)
    for process in here:
        yield _judged(model, process)


def _judged(model: Model, process: str) -> Diagnosis:
    about, shown = f"certificate of {process}", certificate_of(model, process)
    if isinstance(shown, str):
        text, _, cure = shown.partition("; ")
        return error(about, text, cure)
    if process not in shown.names:
        return error(
            about, f"it names {', '.join(sorted(shown.names)) or 'nobody'} and not '{process}': nobody will ask it", _CURE
        )
    said = f"good until {shown.ends:%Y-%m-%d}, {shown.days_left} days left"
    return ok(about, said) if shown.days_left > _DAYS_SOON else warning(about, said, _CURE)
