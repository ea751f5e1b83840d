"""Who may ask, in front of everything: host names, token, requests of other sites; and the headers of answers."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response

from dashboard.web.problems import Problem
from shared.http.listening import is_secret
from shared.kafka.exposure import is_loopback

if TYPE_CHECKING:
    from pydantic import SecretStr
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from dashboard.settings import DashboardSettings

COOKIE: Final = "sentiment_dashboard"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, settings: DashboardSettings) -> None:
        self._app = app
        self._token = settings.token
        self._hosts = _LOCAL | {settings.host.lower(), *(name.lower() for name in settings.trusted_hosts)}
        # A page of another site can make its own name lead here, but not an address.
        self._addresses = not is_loopback(settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers itself what may not pass."""
        if scope["type"] != "http":
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        response: Response | None
        try:
            response = self._checked(scope)
        except Problem as problem:
            response = problem.response()
        await (response or self._app)(scope, receive, answer)

    def _checked(self, scope: Scope) -> Response | None:
        """None for what may pass; raises Problem."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_trusted(host):
            raise Problem(
                421, "unknown_host", "this name is not in dashboard.trusted_hosts; add it to reach the page"
            )
        if scope["method"] not in {"GET", "HEAD"}:
            _refuse_other_sites(headers, host)
        if self._token is None:
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if scope["path"] == "/" and given and is_secret(given[0].encode(), self._token):
            # Away from the address bar and the history at once.
            response = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
            response.set_cookie(COOKIE, session_of(self._token), httponly=True, samesite="strict", path="/")
            return response
        if not self._knows(headers, self._token):
            raise Problem(401, "unauthorized", "open the page once as /?token=... with dashboard.token")
        return None

    def _is_trusted(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._addresses

    @staticmethod
    def _knows(headers: Headers, token: SecretStr) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and is_secret(given.strip().encode(), token):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), session_of(token).encode())


def session_of(token: SecretStr) -> str:
    """What the cookie holds: not the token itself, but the same after a restart."""
    return hmac.new(token.get_secret_value().encode(), COOKIE.encode(), hashlib.sha256).hexdigest()


def _refuse_other_sites(headers: Headers, host: str) -> None:
    """A page of another site may send a request from its viewer's browser; raises Problem for that."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if (origin is not None and urlsplit(origin).netloc != host) or site not in {None, "same-origin", "none"}:
        raise Problem(403, "other_site", "requests come from this page only")
    # A form of another site may send text/plain without being asked, but not JSON.
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "not_json_type", "send the header Content-Type: application/json")
