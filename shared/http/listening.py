"""What every port of a process demands: a secret, once other machines can reach it; and where it is asked."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, SecretStr

from shared.kafka.exposure import is_loopback
from shared.settings import variable

if TYPE_CHECKING:
    from shared.settings import Settings

_SECRET: Final = re.compile(r"[!-~]{16,1024}")

_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - addresses that are asked about


def _strong(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and not _SECRET.fullmatch(secret.get_secret_value()):
        raise ValueError("must have 16 to 1,024 printable ASCII characters and no space")
    return secret


Secret = Annotated[SecretStr | None, AfterValidator(_strong)]
"""What a client must send in a header of HTTP; None: nothing."""


def is_secret(given: bytes, secret: SecretStr | None) -> bool:
    """Whether a client may go on with what it has sent; anything will do where no secret is asked for."""
    # In constant time: how long an answer takes must not say how much of it is right.
    return secret is None or hmac.compare_digest(given, secret.get_secret_value().encode())


def address_of(host: str) -> str:
    """Where to ask, on this machine, a process that listens on `host`."""
    return _EVERYWHERE.get(host, host)


def require_secret(group: Settings, host: str, secret: str, *, otherwise: str) -> None:
    """Raises ValueError if other machines reach a group's host and it has no secret.

    `host` and `secret` are dotted names of settings, `otherwise` says what anyone could do.
    """
    address, given = (getattr(group, name.rpartition(".")[-1]) for name in (host, secret))
    # Whatever the port is: some commands have a default of their own.
    if given is None and not is_loopback(address):
        raise ValueError(
            f"{host} is not a loopback address, so anyone who reaches it could {otherwise}: set {secret} "
            f"({variable(secret)}) or listen on 127.0.0.1"
        )
