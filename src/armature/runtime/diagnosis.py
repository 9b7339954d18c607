"""One answer of the doctor: what was looked at, how it stands, and the cure if it does not stand well."""

from typing import Literal

from msgspec import Struct

__all__ = ["Diagnosis", "error", "ok", "warning"]


class Diagnosis(Struct, frozen=True):
    """`status` is error when a start would fail or lose data, warning when it would work for now."""

    about: str
    status: Literal["ok", "warning", "error"]
    text: str
    cure: str = ""


def ok(about: str, text: str) -> Diagnosis:
    return Diagnosis(about, "ok", text)


def warning(about: str, text: str, cure: str) -> Diagnosis:
    return Diagnosis(about, "warning", text, cure)


def error(about: str, text: str, cure: str) -> Diagnosis:
    return Diagnosis(about, "error", text, cure)
