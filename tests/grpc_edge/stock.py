"""A client as anybody would make one: classes that grpcio-tools writes from the rendered `.proto`, in a folder of their own."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc_tools  # type: ignore[import-untyped]
from grpc_tools import protoc
from msgspec import Struct

from armature.edges.grpc.proto import ProtoFile
from armature.edges.grpc.schema_text import render

__all__ = ["Stock", "stock"]

_MADE: dict[str, "Stock"] = {}


class Stock(Struct, frozen=True):
    """The modules that protoc wrote: messages, and stubs."""

    messages: Any
    stubs: Any


def stock(file: ProtoFile, folder: Path) -> Stock:
    """Compile the file; the same text is compiled once in a process, since its names are taken then."""
    text = render(file)
    if text not in _MADE:
        (folder / file.file).write_text(text)
        included = Path(grpc_tools.__file__).parent / "_proto"
        words = ["protoc", f"-I{folder}", f"-I{included}", f"--python_out={folder}", f"--grpc_python_out={folder}", file.file]
        assert protoc.main(words) == 0, text
        _MADE[text] = _import(file.package, folder)
    return _MADE[text]


def _import(package: str, folder: Path) -> Stock:
    sys.path.insert(0, str(folder))
    try:
        found: list[ModuleType] = [importlib.import_module(f"{package}_pb2{end}") for end in ("", "_grpc")]
    finally:
        sys.path.remove(str(folder))
    return Stock(*found)
