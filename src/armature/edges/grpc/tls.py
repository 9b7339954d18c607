"""Certificate and key of the public gRPC port, read again when the files change: a renewed certificate needs no restart."""

from pathlib import Path
from typing import Any

import grpc

from armature.edges.http.server import CannotListen

__all__ = ["credentials"]


def credentials(certificate: Path, key: Path) -> Any:
    """Return credentials that look at the files with each handshake. Connections that stand keep what they have."""
    seen = _stamps(certificate, key)

    def renewed() -> Any:
        nonlocal seen
        now = _stamps(certificate, key)
        if now == seen:
            return None
        try:
            found = _read(certificate, key)
        except CannotListen:
            return None  # between two writes; the next handshake looks again
        seen = now
        return found

    return grpc.dynamic_ssl_server_credentials(_read(certificate, key), renewed)


def _read(certificate: Path, key: Path) -> Any:
    pair = (_bytes("grpc.tls_key", key), _bytes("grpc.tls_certificate", certificate))
    return grpc.ssl_server_certificate_configuration([pair])


def _bytes(name: str, path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as wrong:
        raise CannotListen(f"{name}: {path} cannot be read ({wrong.strerror}); name a file that this user may read") from wrong
    if b"-----BEGIN " not in content:
        raise CannotListen(f"{name}: {path} is no PEM file; it would have a line -----BEGIN …")
    return content


def _stamps(*paths: Path) -> tuple[tuple[int, int], ...]:
    try:
        return tuple((one.stat().st_mtime_ns, one.stat().st_ino) for one in paths)
    except OSError:
        return ()
