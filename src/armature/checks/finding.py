"""What a check found, as a value: printed by the command line, asserted by tests, drawn by the console."""

from typing import Literal

from msgspec import Struct

__all__ = ["Finding"]


class Finding(Struct, frozen=True):
    """One violation of a rule, and how to cure it. `line` is 0 where a finding is about the whole file or a setting."""

    rule: str
    file: str
    line: int
    text: str
    cure: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.rule}: {self.text}; {self.cure}"
