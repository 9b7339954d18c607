"""Reads the carried files, as they stand beside this one."""

from pathlib import Path

__all__ = ["carried"]


def carried(language: str, ending: str) -> dict[str, str]:
    """Return the texts of a language's files by name."""
    folder = Path(__file__).parent / language
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"*{ending}")) if path.stem != "__init__"}
