"""Mutual TLS between processes: who may ask is decided by the names in a certificate, after its chain was found to be good.

Files are looked at again while the process runs: a certificate that was renewed is used for the next handshake, and connections
that stand are left alone. Half a renewal (a key that is not the certificate's) and one that is over already are not taken.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import grpc
from msgspec import Struct

from armature.adapters.grpc.shown import Pair, Shown, TlsRefused, content_of, now_utc, parsed, stamp_of

__all__ = ["Tls", "TlsFiles", "examine"]

log = logging.getLogger("armature.links")


class TlsFiles(Struct, frozen=True):
    """What a process shows, and whom it believes. All PEM."""

    certificate: Path
    key: Path
    authority: Path

    def stamp(self) -> tuple[int, ...]:
        """Return what changes when a file does."""
        return stamp_of(self.certificate, self.key, self.authority)


class _Read(Struct, frozen=True):
    stamp: tuple[int, ...]
    certificate: bytes
    key: bytes
    authority: bytes
    shown: Shown


class Tls:
    """`admitted` are the names of which a certificate must bear one: the processes that may ask."""

    def __init__(self, files: TlsFiles, admitted: Iterable[str], now: Callable[[], datetime] = now_utc) -> None:
        self._files = files
        self._admitted = frozenset(name.encode() for name in admitted)
        self._now = now
        self._read = _read(files, now())
        self._looked = self._read.stamp

    @property
    def stamp(self) -> tuple[int, ...]:
        """Which renewal is in use; looked up anew at each question."""
        return self._fresh().stamp

    @property
    def seconds_left(self) -> float:
        """How long the certificate in use is still good; negative when it is over."""
        return (self._fresh().shown.ends - self._now()).total_seconds()

    def admits(self, identities: Iterable[bytes] | None) -> bool:
        """Say whether one of the names in a peer's certificate is admitted."""
        return bool(self._admitted.intersection(identities or ()))

    def server(self) -> grpc.ServerCredentials:
        """Return credentials that ask for the newest files at each handshake."""
        given = [self._read.stamp]

        def fetch() -> object:
            fresh = self._fresh()
            if fresh.stamp == given[0]:
                return None
            given[0] = fresh.stamp
            return _configuration(fresh)

        make: Callable[..., grpc.ServerCredentials] = grpc.dynamic_ssl_server_credentials
        return make(_configuration(self._read), fetch, require_client_authentication=True)

    def client(self) -> grpc.ChannelCredentials:
        """Return credentials for a new channel."""
        fresh = self._fresh()
        return grpc.ssl_channel_credentials(fresh.authority, fresh.key, fresh.certificate)

    def _fresh(self) -> _Read:
        looked = self._files.stamp()
        if looked != self._looked:
            self._looked = looked
            try:
                self._read = _read(self._files, self._now())
            except TlsRefused as refused:
                log.warning("the certificate in use is kept: %s", refused)
            else:
                log.info("the certificate was renewed, it ends at %s", self._read.shown.ends.isoformat(timespec="minutes"))
        return self._read


def examine(files: TlsFiles) -> Shown:
    """Return what a process's certificate says; raises `TlsRefused` for files that it could not use."""
    return _read(files, now_utc()).shown


def _configuration(read: _Read) -> object:
    make: Callable[..., object] = grpc.ssl_server_certificate_configuration
    return make([(read.key, read.certificate)], root_certificates=read.authority)


def _read(files: TlsFiles, now: datetime) -> _Read:
    # Before the files: whoever changes them while they are read is seen at the next look.
    stamp = files.stamp()
    certificate, key, shown = Pair(files.certificate, files.key).current(now)
    authority = content_of(files.authority)
    parsed(files.authority, authority)
    return _Read(stamp, certificate, key, authority, shown)
