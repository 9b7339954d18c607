"""What a caller may say once: with two values it would be left to chance, or to a proxy on the way, which of them counts."""

from collections import Counter
from collections.abc import Sequence

from armature.kernel.failure import FieldError
from armature.kernel.refusals import Invalid

__all__ = ["Fields", "headers_of", "refuse_repeats"]

Fields = Sequence[tuple[bytes, bytes]]
"""Header fields, or metadata of a call, by names in small letters and in the order they came."""

_ONCE = {
    name.lower().encode(): name
    for name in ("Armature-Position", "Authorization", "Idempotency-Key", "If-Match", "X-Actor", "X-Roles", "X-Tenant-ID")
}


def headers_of(fields: Fields) -> dict[bytes, bytes]:
    """Return fields by name; `Invalid` where one that counts once came again."""
    headers = dict(fields)
    if len(headers) != len(fields):
        refuse_repeats(fields)
    return headers


def refuse_repeats(fields: Fields) -> None:
    """Raise `Invalid` where a field that counts once came again, were it with the same value. Other fields may repeat."""
    repeated = [name for name, count in Counter(name for name, _ in fields).items() if count > 1 and name in _ONCE]
    if repeated:
        raise Invalid(errors=[FieldError(_ONCE[name], "is sent more than once; send it once") for name in repeated])
