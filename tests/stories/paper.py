"""Counters on paper: what the module should answer, worked out without any of its code."""

from msgspec import Struct, field

__all__ = ["Paper", "Sheet"]


class Sheet(Struct):
    """One counter."""

    name: str
    note: str | None = None
    value: int = 0
    version: int = 1
    lines: list[tuple[int, str, int]] = field(default_factory=list)


class Paper(Struct):
    """The counters of one tenant, oldest first, and how often anything changed."""

    sheets: dict[str, Sheet] = field(default_factory=dict)
    gone: dict[str, Sheet] = field(default_factory=dict)
    changes: int = 0

    def create(self, identity: str, name: str, note: str | None) -> None:
        """Begin a counter."""
        self.sheets[identity] = Sheet(name, note, lines=[(1, "create", 0)])
        self.changes += 1

    def taken(self, name: str, by: str | None = None) -> bool:
        """Say whether another counter has the name."""
        return any(sheet.name == name for identity, sheet in self.sheets.items() if identity != by)

    def step(self, identity: str, verb: str, delta: int) -> None:
        """Move a counter by one version."""
        sheet = self.sheets[identity]
        sheet.value += delta
        sheet.version += 1
        sheet.lines.append((sheet.version, verb, sheet.value))
        self.changes += 1

    def delete(self, identity: str) -> None:
        """End a counter; what happened to it stays."""
        sheet = self.gone[identity] = self.sheets.pop(identity)
        sheet.lines.append((sheet.version + 1, "delete", sheet.value))
        self.changes += 1

    def shown(self, identity: str) -> dict[str, object]:
        """Return the counter as the module shows it."""
        sheet = self.sheets[identity]
        return {"id": identity, "name": sheet.name, "note": sheet.note, "value": sheet.value, "version": sheet.version}
