"""Every port of a server under one certificate."""

import http.client
import json
import ssl
import urllib.request
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from modelyard.bundling import BuiltBundle
from modelyard.control import free_port
from modelyard.serving.protocols.messages import HEALTH

from .harness import Server, live


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "modelyard test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    plain = serialization.NoEncryption()
    (folder / "c.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "k.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return folder / "c.pem", folder / "k.pem"


class SecureServer(Server):
    """One that is asked over TLS, and whose certificate is checked."""

    certificate: Path

    def get(self, path: str, *, port: int | None = None) -> tuple[int, str]:
        try:
            trusted = ssl.create_default_context(cafile=str(self.certificate))
            url = f"https://127.0.0.1:{port or self.port}{path}"
            with urllib.request.urlopen(url, timeout=5, context=trusted) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""


def test_requests_scrapes_and_grpc_are_all_read_by_nobody_on_the_way(tmp_path: Path, built: BuiltBundle) -> None:
    """The certificate is that of the files, on each port; in the clear nobody gets an answer."""
    certificate, key = certified(tmp_path)
    grpc_port = free_port()
    options = (f"--certificate={certificate}", f"--private-key={key}", f"--grpc-port={grpc_port}")
    server = SecureServer(tmp_path, options=options)
    server.certificate = certificate
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built))
    server.start()
    try:
        status, text = server.get("/health")
        assert (status, json.loads(text)["status"]) == (200, "healthy")
        assert "model_requests_in_progress" in server.get("/metrics", port=server.metrics_port)[1]
        with pytest.raises((ConnectionError, http.client.BadStatusLine)):
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/health", timeout=5)
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        with grpc.secure_channel(f"127.0.0.1:{grpc_port}", credentials) as channel:
            check = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                HEALTH["HealthCheckRequest"].SerializeToString,
                HEALTH["HealthCheckResponse"].FromString,
            )
            assert check(HEALTH["HealthCheckRequest"](), timeout=10).status == 1
        assert server.statuses()[0].address.startswith("https://")
    finally:
        server.stop()
