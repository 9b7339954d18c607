"""What is shown of oneself: a certificate and its key, as two PEM files that may be renewed at any time."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from msgspec import Struct

__all__ = ["Expiry", "Pair", "Shown", "TlsRefused", "content_of", "now_utc", "parsed", "stamp_of"]

_CURE_MISSING = "`armature certs dev` makes certificates for this machine"


def now_utc() -> datetime:
    """Return the time by which certificates begin and end."""
    return datetime.now(UTC)


class TlsRefused(Exception):
    """Files that cannot be used; the text names the file and the cure."""


class Shown(Struct, frozen=True):
    """What a certificate says of its bearer."""

    names: frozenset[str]
    ends: datetime

    @property
    def days_left(self) -> int:
        """Whole days until it ends."""
        return (self.ends - now_utc()).days


class Pair(Struct, frozen=True):
    """A certificate and its key. All PEM."""

    certificate: Path
    key: Path

    def read(self) -> tuple[bytes, bytes, Shown]:
        """Return both contents and what is shown, ended or not; raises `TlsRefused` for files that do not belong together."""
        certificate, key = content_of(self.certificate), content_of(self.key)
        found = parsed(self.certificate, certificate)
        self._fits(found, key)
        return certificate, key, Shown(_names(found), found.not_valid_after_utc)

    def current(self, now: datetime) -> tuple[bytes, bytes, Shown]:
        """Read both; one that has ended is refused."""
        certificate, key, shown = self.read()
        if shown.ends < now:
            raise TlsRefused(f"{self.certificate} ended at {shown.ends:%Y-%m-%d %H:%M} UTC; renew it")
        return certificate, key, shown

    def _fits(self, certificate: x509.Certificate, key: bytes) -> None:
        try:
            made = load_pem_private_key(key, None).public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise TlsRefused(f"{self.key} holds no key; it must be PEM without a password (BEGIN PRIVATE KEY)") from None
        form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if made.public_bytes(*form) != certificate.public_key().public_bytes(*form):
            raise TlsRefused(f"{self.key} is not the key of {self.certificate}; put both there together")


class Expiry:
    """How long a certificate is good. Its files are read when they have changed; half a renewal is not believed."""

    def __init__(self, certificate: Path, key: Path, now: Callable[[], datetime] = now_utc) -> None:
        self.certificate = certificate
        self._pair = Pair(certificate, key)
        self._now = now
        self._looked: tuple[int, ...] = ()
        self._ends: datetime | None = None

    @property
    def days_left(self) -> float | None:
        """Days, negative when it is over; None as long as there was nothing that could be used."""
        return None if (ends := self.ends) is None else (ends - self._now()) / timedelta(days=1)

    @property
    def ends(self) -> datetime | None:
        """When it ends; None as long as there was nothing that could be used."""
        looked = stamp_of(self._pair.certificate, self._pair.key)
        if looked != self._looked:
            self._looked = looked
            with suppress(TlsRefused):
                self._ends = self._pair.read()[2].ends
        return self._ends


def stamp_of(*files: Path) -> tuple[int, ...]:
    """Return what changes when a file does."""
    return tuple(found for one in files for found in _of(one))


def _of(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def content_of(file: Path) -> bytes:
    """Return what a file holds; raises `TlsRefused`."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise TlsRefused(f"{error.filename}: {error.strerror}; {_CURE_MISSING}") from None


def parsed(file: Path, content: bytes) -> x509.Certificate:
    """Return the first certificate of a file: the one that is shown."""
    try:
        return x509.load_pem_x509_certificates(content)[0]
    except ValueError:
        raise TlsRefused(f"{file} holds no certificate; it must be PEM (BEGIN CERTIFICATE)") from None


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(found.get_values_for_type(x509.DNSName))
