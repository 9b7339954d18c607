"""Certificate and key of the public gRPC port, read again when the files change: a renewed certificate needs no restart.

gRPC would keep the old pair too when it is handed half a new one, but it tells nobody who reads the log, and at the start it
would speak of an address that is not free.
"""

import logging
import ssl
from pathlib import Path
from typing import Any

import grpc

from armature.edges.http.server import CannotListen

__all__ = ["credentials"]

log = logging.getLogger("armature.grpc")

_Pair = tuple[bytes, bytes]
# What OpenSSL says of a key of another certificate: of the same kind, and of another kind.
_OF_ANOTHER = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


def credentials(certificate: Path, key: Path) -> Any:
    """Return credentials that look at the files with each handshake. Connections that stand keep what they have.

    Raises `CannotListen` for files that cannot be used now; later the pair in use is kept until there is a whole one.
    """
    used = _stamps(certificate, key)
    pair = _read(certificate, key)
    refused: tuple[int, ...] = ()

    def renewed() -> Any:
        nonlocal used, refused
        # Before the files: whoever changes them while they are read is seen at the next handshake.
        now = _stamps(certificate, key)
        if now == used:
            return None
        try:
            found = _read(certificate, key)
        except CannotListen as reason:
            # Between two writes, or for good: each handshake looks again, and what it sees is told of once.
            if now != refused:
                log.warning("the pair in use is kept: %s", reason)
            refused = now
            return None
        used = now
        log.info("the certificate was renewed: %s", certificate)
        return _configuration(found)

    return grpc.dynamic_ssl_server_credentials(_configuration(pair), renewed)


def _configuration(pair: _Pair) -> Any:
    return grpc.ssl_server_certificate_configuration([pair])


def _read(certificate: Path, key: Path) -> _Pair:
    """Return key and certificate that belong together."""
    pair = _contents(certificate, key)
    _fits(certificate, key)
    if _contents(certificate, key) != pair:
        raise CannotListen(f"grpc.tls_certificate: {certificate} or its key is being written; put both there and leave them")
    return pair


def _contents(certificate: Path, key: Path) -> _Pair:
    return _bytes("grpc.tls_key", key), _bytes("grpc.tls_certificate", certificate)


def _bytes(name: str, path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as wrong:
        raise CannotListen(f"{name}: {path} cannot be read ({wrong.strerror}); name a file that this user may read") from wrong
    if b"-----BEGIN " not in content:
        raise CannotListen(f"{name}: {path} is no PEM file; it would have a line -----BEGIN …")
    return content


def _fits(certificate: Path, key: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # which key is strong enough is gRPC's to say
    try:
        context.load_verify_locations(certificate)
    except (ssl.SSLError, OSError):
        raise CannotListen(f"grpc.tls_certificate: {certificate} holds no whole certificate; it must be PEM") from None
    try:
        # Without a word of its own the password of a key that has one would be asked for at the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError) as wrong:
        if getattr(wrong, "reason", None) in _OF_ANOTHER:
            said = f"{key} is not the key of {certificate}; put both there together"
        else:
            said = f"{key} holds no key; it must be PEM without a password (BEGIN PRIVATE KEY)"
        raise CannotListen(f"grpc.tls_key: {said}") from None


def _stamps(*paths: Path) -> tuple[int, ...]:
    try:
        found = [one.stat() for one in paths]
    except OSError:
        return ()
    return tuple(number for one in found for number in (one.st_mtime_ns, one.st_size, one.st_ino))
