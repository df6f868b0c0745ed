"""Encryption of the port, and who may call it."""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

logger = logging.getLogger(__name__)


class TlsError(ValueError):
    """Certificates or keys are missing, damaged, or do not belong together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsFiles:
    """Files in PEM; when they change, as those of a mounted secret do, new connections see the new ones."""

    certificate: Path
    """The service's own, and any between it and the root."""
    key: Path
    """The certificate's private key, without a passphrase."""
    client_authority: Path | None = None
    """Certificates one of which must have signed each caller's own; None lets anybody call."""

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a secure port needs.

        Raises:
            TlsError: a file cannot be read, is no certificate or key, or the two do not belong together.
        """
        configuration = self._read()

        def latest() -> grpc.ServerCertificateConfiguration | None:
            try:
                return self._read()
            except TlsError as error:
                logger.warning("%s; new connections see the certificate before it", error)
                return None

        return grpc.dynamic_ssl_server_credentials(
            configuration,
            latest,  # type: ignore[arg-type]  # None is allowed, and keeps what there is
            require_client_authentication=self.client_authority is not None,
        )

    def _read(self) -> grpc.ServerCertificateConfiguration:
        self._check()
        authority = None if self.client_authority is None else self.client_authority.read_bytes()
        return grpc.ssl_server_certificate_configuration(
            [(self.key.read_bytes(), self.certificate.read_bytes())], authority
        )

    def _check(self) -> None:
        """Let OpenSSL read the files: gRPC takes anything, and then refuses every connection."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for path in (self.certificate, self.key, self.client_authority):
            if path is not None and not path.is_file():
                raise TlsError(f"TLS: there is no file {path}")
        try:
            # An empty passphrase, where one is needed: without any, OpenSSL would ask for it on the terminal.
            context.load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as error:
            raise TlsError(
                f"TLS: {self.certificate} and {self.key} must be a certificate and its key without a passphrase, "
                f"in PEM: {error}"
            ) from error
        try:
            if self.client_authority is not None:
                context.load_verify_locations(self.client_authority)
        except (OSError, ValueError) as error:
            raise TlsError(f"TLS: {self.client_authority} must hold certificates in PEM: {error}") from error
