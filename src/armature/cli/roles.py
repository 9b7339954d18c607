"""Adding a new module's roles to `platform/policies.yaml` without touching a comment or a line that somebody wrote."""

import re
from pathlib import Path

__all__ = ["add_roles", "role_lines"]

_ROLES = re.compile(r"^roles:[ \t]*(\{\}[ \t]*)?(#.*)?$")


def role_lines(module: str) -> list[str]:
    """Return the two roles a module begins with."""
    return [f"{module}.reader: [{module}:read]", f"{module}.writer: [{module}:read, {module}:write]"]


def add_roles(policies: Path, module: str) -> bool:
    """Write the roles below `roles:`; False when the file is not there or is written in another way."""
    if not policies.is_file():
        return False
    lines = policies.read_text(encoding="utf-8").splitlines()
    if any(line.strip().startswith((f"{module}.reader:", f"{module}.writer:")) for line in lines):
        return True
    start = next((at for at, line in enumerate(lines) if _ROLES.match(line)), None)
    if start is None:
        return False
    end = start + 1
    for at in range(start + 1, len(lines)):
        if lines[at].strip() and not lines[at].startswith((" ", "\t")):
            break
        if lines[at].strip():
            end = at + 1
    known = next((line for line in lines[start + 1 : end] if line.strip() and not line.strip().startswith("#")), "  x")
    indent = known[: len(known) - len(known.lstrip())]
    lines[start] = lines[start].replace(" {}", "", 1)
    lines[end:end] = [indent + line for line in role_lines(module)]
    policies.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return True
