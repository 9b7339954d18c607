"""Rule `machine`: what the doctor holds against this machine, as findings beside those of the other rules."""

from collections.abc import Iterable

from armature.checks.finding import Finding
from armature.runtime.diagnosis import Diagnosis

__all__ = ["RULE", "findings"]

RULE = "machine"


def findings(diagnoses: Iterable[Diagnosis]) -> tuple[Finding, ...]:
    """The bad answers; the good ones are no findings."""
    return tuple(
        Finding(RULE, diagnosis.about, 0, diagnosis.text, diagnosis.cure, diagnosis.status)
        for diagnosis in diagnoses
        if diagnosis.status != "ok"
    )
