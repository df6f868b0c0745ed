"""Encryption of a service's port, with certificates made here."""

import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from katib_suggestion.experiment import Experiment, Trial
from katib_suggestion.serving import server as server_options
from katib_suggestion.serving.server import Server
from katib_suggestion.serving.tls import TlsError, TlsFiles
from katib_suggestion.wire import api_pb2, api_pb2_grpc


class Ready:
    def validate(self, experiment: Experiment) -> None:
        pass

    def suggest(self, experiment: Experiment, trials: list[Trial], count: int, total: int) -> list[dict[str, str]]:
        return [{"a": "1"}] * count


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> TlsFiles:
    files = TlsFiles(certificate=tmp_path / "tls.crt", key=tmp_path / "tls.key")
    write(files, authority)
    return files


def write(files: TlsFiles, authority: trustme.CA) -> None:
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(files.certificate)
    issued.private_key_pem.write_to_path(files.key)


def call(port: int, authority: trustme.CA, client: trustme.LeafCert | None = None) -> int:
    """Ask for two suggestions as somebody who trusts an authority; return how many came."""
    credentials = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(),
        client and client.private_key_pem.bytes(),
        client and client.cert_chain_pems[0].bytes(),
    )
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        request = api_pb2.GetSuggestionsRequest(current_request_number=2)
        reply = api_pb2_grpc.SuggestionStub(channel).GetSuggestions(request, timeout=20)
        return len(reply.parameter_assignments)


def started(files: TlsFiles) -> Server:
    server = Server(Ready, port=0, credentials=files.credentials())
    server.start()
    return server


def code_of(port: int, authority: trustme.CA, client: trustme.LeafCert | None = None) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call(port, authority, client)
    return caught.value.code()


def test_calls_are_encrypted_and_the_certificate_counts(files, authority):
    server = started(files)
    assert call(server.port, authority) == 2
    assert code_of(server.port, trustme.CA()) == grpc.StatusCode.UNAVAILABLE
    with grpc.insecure_channel(f"localhost:{server.port}") as channel, pytest.raises(grpc.RpcError) as caught:
        api_pb2_grpc.SuggestionStub(channel).GetSuggestions(api_pb2.GetSuggestionsRequest(), timeout=20)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    server.request_stop()
    assert server.run_until_stopped() == 0


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02"], ids=["nothing", "half a hello"])
def test_who_does_not_say_all_of_a_handshake_is_sent_away(files, monkeypatch, said):
    fast = [(name, value // 100 if "handshake" in name else value) for name, value in server_options._PATIENCE]
    monkeypatch.setattr(server_options, "_PATIENCE", fast)
    server = started(files)
    with socket.create_connection(("localhost", server.port)) as connection:
        connection.sendall(said)
        connection.settimeout(20)
        with suppress(ConnectionError):
            while connection.recv(4096):
                pass
    server.request_stop()
    assert server.run_until_stopped() == 0


def test_mutual_tls_knows_its_callers(files, authority, tmp_path):
    callers, strangers = trustme.CA(), trustme.CA()
    callers.cert_pem.write_to_path(tmp_path / "callers.crt")
    mutual = TlsFiles(certificate=files.certificate, key=files.key, client_authority=tmp_path / "callers.crt")
    server = started(mutual)
    assert call(server.port, authority, callers.issue_cert("katib")) == 2
    assert code_of(server.port, authority, strangers.issue_cert("katib")) == grpc.StatusCode.UNAVAILABLE
    assert code_of(server.port, authority) == grpc.StatusCode.UNAVAILABLE
    server.request_stop()
    assert server.run_until_stopped() == 0


def test_new_files_count_for_new_connections_and_damaged_ones_do_not(files, authority, caplog):
    server = started(files)
    assert call(server.port, authority) == 2
    files.certificate.write_text("half a certif")
    assert call(server.port, authority) == 2
    assert "new connections see the certificate before it" in caplog.text
    renewed = trustme.CA()
    write(files, renewed)
    deadline = time.monotonic() + 20
    while code_of(server.port, authority) != grpc.StatusCode.UNAVAILABLE:
        assert time.monotonic() < deadline
    assert call(server.port, renewed) == 2
    server.request_stop()
    assert server.run_until_stopped() == 0


def test_files_that_make_no_sense_are_refused_by_name(files, authority, tmp_path):
    other = TlsFiles(certificate=tmp_path / "other.crt", key=tmp_path / "other.key")
    write(other, authority)
    (tmp_path / "text").write_text("no PEM at all")
    wrong = {
        "there is no file": TlsFiles(certificate=tmp_path / "missing", key=files.key),
        "must be a certificate and its key": TlsFiles(certificate=files.certificate, key=other.key),
        "text and .* must be a certificate": TlsFiles(certificate=tmp_path / "text", key=files.key),
        "text must hold certificates": TlsFiles(
            certificate=files.certificate, key=files.key, client_authority=tmp_path / "text"
        ),
    }
    for message, given in wrong.items():
        with pytest.raises(TlsError, match=message):
            given.credentials()


def test_a_key_with_a_passphrase_is_refused_without_a_question(files, tmp_path):
    locked = tmp_path / "locked.key"
    key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, encryption)
    )
    with pytest.raises(TlsError, match="without a passphrase"):
        TlsFiles(certificate=files.certificate, key=locked).credentials()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tls-cert", "a"], "--tls-cert and --tls-key go together"),
        (["--tls-key", "a"], "--tls-cert and --tls-key go together"),
        (["--tls-client-ca", "a"], "--tls-client-ca needs --tls-cert and --tls-key"),
        (["--tls-cert", "missing", "--tls-key", "missing"], "there is no file missing"),
    ],
)
def test_wrong_flags_end_the_service_with_one_line(flags, message):
    command = [sys.executable, "-m", "darts_service", "--port", "0", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 78
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
