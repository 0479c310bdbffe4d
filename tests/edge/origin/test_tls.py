from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.errors import OriginFailed
from tests.edge.origin.scripted import GOOD, fetch, origin_over, results


def make_certificate(folder: Path, host: str) -> Path:
    """A certificate of its own authority and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{host}.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@asynccontextmanager
async def tls_server(file: Path) -> AsyncIterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    serving: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.append(task)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(GOOD)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*serving)


async def test_an_authority_of_ones_own_is_trusted_for_its_origin(tmp_path: Path) -> None:
    file = make_certificate(tmp_path, "127.0.0.1")
    async with tls_server(file) as url, origin_over(url, ca_file=file) as origin:
        for _ in range(2):
            assert (await fetch(origin))[2] == b"good"


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    async with tls_server(make_certificate(tmp_path, "127.0.0.1")) as url:
        async with origin_over(url) as origin:
            with pytest.raises(OriginFailed) as caught:
                await fetch(origin)
            assert caught.value.result == "tls"
            assert results(origin) == {"tls": 1}


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    file = make_certificate(tmp_path, "127.0.0.2")
    async with tls_server(file) as url, origin_over(url, ca_file=file) as origin:
        with pytest.raises(OriginFailed) as caught:
            await fetch(origin)
        assert caught.value.result == "tls"


async def test_an_authority_file_that_cannot_be_read_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(OSError, match="NO_CERTIFICATE"):
        async with origin_over("https://127.0.0.1:1", ca_file=tmp_path / "ca.pem"):
            pass
