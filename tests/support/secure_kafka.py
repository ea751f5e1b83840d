"""A Kafka that trusts nobody: SASL_SSL with SCRAM, an authoriser, and a certificate authority of its own.

Only `ADMIN` may do everything; each test grants rights to `USER`. A second listener shows a certificate that is
issued to another host name. The broker is always a local Java process, since users, rights and certificates of a
foreign broker must not be changed.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sentiment_testing.kafka import SETTINGS
from sentiment_testing.kafka.guard import guarded
from sentiment_testing.kafka.jars import find_class_path, find_java, java_options
from sentiment_testing.kafka.java import await_answer, format_storage, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN: Final = "admin"
USER: Final = "sentiment"
ELSEWHERE: Final = "kafka.elsewhere.example"
"""The host name in the second listener's certificate, at which no broker is."""
_MECHANISM: Final = "SCRAM-SHA-512"
_PACKAGE: Final = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True)
class SecureBroker:
    """Address of the secured Kafka and the credentials to log in."""

    bootstrap_servers: str
    misnamed: str
    """The address whose certificate names another host."""
    ca: Path
    """The authority that issued the broker's certificates."""
    passwords: dict[str, str]

    def login(self, user: str) -> dict[str, str]:
        """Client settings for that user, including bootstrap servers."""
        return {"bootstrap.servers": self.bootstrap_servers, **_login(self.ca, user, self.passwords[user])}


@contextmanager
def secure_kafka() -> Iterator[SecureBroker]:
    """Starts the node on 127.0.0.1; raises UnavailableError if Java or Kafka is missing."""
    java, class_path = find_java(), find_class_path()
    folder = Path(tempfile.mkdtemp(prefix="kafka-secure-"))
    passwords = {ADMIN: "admin-secret", USER: "sentiment-secret"}
    try:
        ca = _certificates(folder)
        listener, controller = free_ports()
        misnamed, _ = free_ports()
        settings = SETTINGS | _properties(folder, listener, misnamed, controller, passwords[ADMIN])
        users = [f"--add-scram={_MECHANISM}=[name={name},password={word}]" for name, word in passwords.items()]
        properties = format_storage(folder, settings, *users)
        address = f"127.0.0.1:{listener}"
        log = folder / "broker.log"
        command = [java, "-Xmx512m", *java_options(class_path), "kafka.Kafka", str(properties)]
        with guarded(command, folder, log) as process:
            await_answer(address, process, log, _login(ca, ADMIN, passwords[ADMIN]))
            yield SecureBroker(address, f"127.0.0.1:{misnamed}", ca, passwords)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _certificates(folder: Path) -> Path:
    """Writes a key store for each listener, and the authority's certificate, whose path it returns."""
    authority = trustme.CA(organization_name="Test of sentiment-stream")
    for name, host in (("here", "127.0.0.1"), ("elsewhere", ELSEWHERE)):
        issued = authority.issue_cert(host)
        # Kafka reads only PKCS #8.
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        (folder / f"{name}.pem").write_bytes(pem + chain)
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def _properties(folder: Path, listener: int, misnamed: int, controller: int, password: str) -> dict[str, str]:
    """The node's settings in addition to the common ones: listeners, keys, logins and the authoriser."""
    scram = f'{_PACKAGE}.scram.ScramLoginModule required username="{ADMIN}" password="{password}";'
    # The controller cannot use SCRAM, whose users are part of the metadata that it has yet to load.
    plain = f'{_PACKAGE}.plain.PlainLoginModule required username="{ADMIN}" password="{password}"'
    listeners = f"SECURE://127.0.0.1:{listener},MISNAMED://127.0.0.1:{misnamed}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": listeners,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "SECURE",
        "listener.security.protocol.map": "SECURE:SASL_SSL,MISNAMED:SASL_SSL,CONTROLLER:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": _MECHANISM,
        "sasl.mechanism.inter.broker.protocol": _MECHANISM,
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.secure.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.misnamed.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": f'{plain} user_{ADMIN}="{password}";',
        "ssl.keystore.type": "PEM",
        "ssl.truststore.type": "PEM",
        "ssl.keystore.location": str(folder / "here.pem"),
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.misnamed.ssl.keystore.type": "PEM",
        "listener.name.misnamed.ssl.keystore.location": str(folder / "elsewhere.pem"),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN}",
        "log.dirs": str(folder / "data"),
    }


def _login(ca: Path, user: str, password: str) -> dict[str, str]:
    return {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": _MECHANISM,
        "sasl.username": user,
        "sasl.password": password,
        "ssl.ca.location": str(ca),
    }
