"""Certificates for the processes of one machine or a test: a local authority, and one certificate for each process.

For development. In production certificates come from the authority that the operators run, with the same names in them.
"""

import ipaddress
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "CertificatesRefused", "issue"]

_AUTHORITY_DAYS = 3_650
_DAYS = 90
# Clocks of two machines differ; a certificate that begins now is refused by one that is behind.
_BEFORE = timedelta(minutes=5)


class CertificatesRefused(Exception):
    """A folder that cannot be used; the text names the file and the cure."""


class Authority:
    """The local authority in a folder: `ca.pem` and `ca.key`, made when neither is there."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.certificate_file, self.key_file = folder / "ca.pem", folder / "ca.key"
        if self.certificate_file.exists() or self.key_file.exists():
            self._certificate, self._key = self._found()
        else:
            self._certificate, self._key = self._made(name)

    @property
    def ends(self) -> datetime:
        """When it ends, and with it everything that it signed."""
        return self._certificate.not_valid_after_utc

    def _found(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
            key = serialization.load_pem_private_key(self.key_file.read_bytes(), None)
        except FileNotFoundError as missing:
            where = "make certificates where the authority's key is, or remove what is left of it"
            raise CertificatesRefused(f"{missing.filename} is not there and its other half is; {where}") from None
        except (ValueError, TypeError):
            raise CertificatesRefused(f"{self.folder}: ca.pem or ca.key cannot be read; remove both") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise CertificatesRefused(f"{self.key_file} is not the key of {self.certificate_file}; remove both")
        if certificate.not_valid_after_utc < datetime.now(UTC):
            raise CertificatesRefused(f"{self.certificate_file} has ended; remove it and its key")
        return certificate, key

    def _made(self, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} development authority")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BEFORE)
            .not_valid_after(now + timedelta(days=_AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(self.key_file, _pem(key), 0o600)
        _write(self.certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        return certificate, key

    def issue(self, name: str, *, days: float = _DAYS) -> tuple[Path, Path]:
        """Write `NAME.pem` and `NAME.key`: for both ends of a connection, valid for the process's name and for this machine."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        names: list[x509.GeneralName] = [x509.DNSName(name), x509.DNSName("localhost")]
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        ends = now + timedelta(days=days)
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, ends) - _BEFORE)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        certificate_file, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        _write(key_file, _pem(key), 0o600)
        _write(certificate_file, made.public_bytes(serialization.Encoding.PEM), 0o644)
        return certificate_file, key_file


def issue(folder: Path, installation: str, processes: Iterable[str], *, days: float = _DAYS) -> Authority:
    """Make the authority if there is none, and a new certificate for each process."""
    authority = Authority(folder, installation)
    for name in processes:
        authority.issue(name, days=days)
    return authority


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write(file: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others for a moment."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.touch(mode)
    beside.chmod(mode)
    beside.write_bytes(content)
    beside.replace(file)
