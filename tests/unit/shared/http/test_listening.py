"""Every port of a process: on loopback nothing is demanded, beyond it a secret is."""

from __future__ import annotations

import pytest

from consumer.settings import load
from shared.errors import SettingsError

KEY = "0123456789abcdef"
GROUPS = (
    ("http", "http.api_key", "SENTIMENT_HTTP__API_KEY"),
    ("metrics", "metrics.token", "SENTIMENT_METRICS__TOKEN"),
)
both = pytest.mark.parametrize(("group", "secret", "variable"), GROUPS)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
@pytest.mark.parametrize("group", [group for group, *_ in GROUPS])
def test_a_loopback_address_needs_no_secret(group: str, host: str) -> None:
    """Given an address that only this machine reaches, then no secret is demanded."""
    assert getattr(load({f"{group}.host": host, f"{group}.port": "8080"}), group).port == 8080


@pytest.mark.parametrize("port", [None, "8080"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "scores.example.com"])  # noqa: S104 - refused
@both
def test_a_wider_address_needs_a_secret(
    *, group: str, secret: str, variable: str, host: str, port: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an address that others reach, then nothing starts without a secret, which is not shown.

    Without a port too, since `serve` has a default.
    """
    flags = {f"{group}.host": host, f"{group}.port": port}
    with pytest.raises(SettingsError) as raised:
        load(flags)
    assert str(raised.value).startswith(f"{group}.host is not a loopback address")
    assert str(raised.value).endswith(f"set {secret} ({variable}) or listen on 127.0.0.1")
    monkeypatch.setenv(variable, KEY)
    assert KEY not in repr(load(flags))


def test_both_cannot_have_one_port() -> None:
    """Given one port for metrics and for scores, then the start says so, and not that another process has it."""
    with pytest.raises(SettingsError, match=r"metrics\.port and http\.port are both 8080; give each"):
        load({"metrics.port": "8080", "http.port": "8080"})


@pytest.mark.parametrize("key", ["short", "x" * 1_025, "with spaces in between", "\u00fcmlaute sind keine"])
@both
def test_a_weak_secret_is_refused(
    *, group: str, secret: str, variable: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a secret that no header can carry or that is soon guessed, then it is refused and not quoted."""
    monkeypatch.setenv(variable, key)
    with pytest.raises(SettingsError, match="16 to 1,024 printable") as raised:
        load({})
    assert str(raised.value).startswith(f"{secret}: ")
    assert group in secret
    assert key not in str(raised.value)
