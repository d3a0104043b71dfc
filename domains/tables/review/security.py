"""Who may talk to the page: the person who started it, from this machine, and no other page of the same browser."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

__all__ = ["HEADERS", "Guard", "new_token"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 4 << 20
"""Bytes of a request; a decision about 100,000 rows is smaller."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Sent with every answer: nothing from elsewhere runs here, no other page may frame, read or keep it."""


def new_token() -> str:
    """256 random bits for the address that opens the page."""
    return secrets.token_urlsafe(32)


class Guard:
    """Lets a request through to the page only if all of this holds.

    - Its ``Host`` is this machine's loopback address and this port. A page elsewhere that points its own name here
      (DNS rebinding) has that name in ``Host``.
    - It has the token: once in the address, where it becomes a cookie that scripts cannot read (HttpOnly) and that is
      never sent with a request that another site started (SameSite=Strict).
    - If it writes, the browser says that this page sent it: ``Origin`` is this page, or, where there is no ``Origin``,
      ``Sec-Fetch-Site`` is "same-origin"; and its body is JSON, which no form of another site can send.

    There are no CORS headers: another origin can read nothing.

    Args:
        app: the page.
        token: see `new_token`.
        port: on which it is served.
    """

    def __init__(self, app: Application, token: str, port: int) -> None:
        self.app, self.token, self.cookie = app, token, f"counterpoint_{port}"
        self.hosts = {f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if headers.get("host", "").lower() not in self.hosts:
            await _answer(send, 421, "This address is not the one that the page is served on.")
            return
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        if scope["method"] == "GET" and scope["path"] == "/" and "token" in query:
            if self._is_token(query["token"]):
                await _answer(send, 303, "", self._welcome())
            else:
                await _answer(send, 403, "The token in this address is of another run; use the address of this one.")
            return
        if not any(self._is_token(value) for value in self._cookies_of(headers.get("cookie", ""))):
            await _answer(send, 403, "Open the page by the address that the command has printed.")
            return
        if scope["method"] not in ("GET", "HEAD"):
            problem = self._foreign(headers)
            if problem:
                await _answer(send, *problem)
                return
        await self.app(scope, receive, _with_headers(send))

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.token.encode())

    def _welcome(self) -> list[tuple[bytes, bytes]]:
        cookie = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"
        return [(b"location", b"/"), (b"set-cookie", cookie.encode())]

    def _cookies_of(self, header: str) -> list[str]:
        """Values of this page's cookie.

        By hand: `http.cookies` gives up at the first cookie that it dislikes, and those of other programs on this
        machine come here too.
        """
        pairs = (part.partition("=") for part in header.split(";"))
        return [value.strip() for name, _, value in pairs if name.strip() == self.cookie]

    def _foreign(self, headers: dict[str, str]) -> tuple[int, str] | None:
        """Why a request that writes is refused, or None."""
        origin = headers.get("origin")
        if origin is not None:
            own = origin.lower() in {f"http://{host}" for host in self.hosts}
        else:
            own = headers.get("sec-fetch-site") == "same-origin"
        if not own:
            return 403, "Only the page itself may change something."
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return 415, "The body must be JSON."
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdecimal()):
            return 411, "The length of the body must be given."
        if len(length) > len(str(LARGEST_BODY)) or int(length) > LARGEST_BODY:
            return 413, f"A request has at most {LARGEST_BODY} bytes."
        return None


def _with_headers(send: Send) -> Send:
    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = [(name, value) for name, value in message["headers"] if name.decode("latin-1") not in HEADERS]
            message["headers"] = known + [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        await send(message)

    return add


async def _answer(send: Send, status: int, text: str, more: list[tuple[bytes, bytes]] | None = None) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *(more or [])]
    await _with_headers(send)({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
