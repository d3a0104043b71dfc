"""The review page, from a project."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from core.errors import UserError
from domains.tables.project.folder import Project
from domains.tables.review.security import new_token

__all__ = ["Review", "open_review"]


@dataclass(frozen=True)
class Review:
    """A page that is ready to be served.

    Attributes:
        address: to open in a browser; it holds the token, so it is for one person.
    """

    address: str
    _project: Project
    _user: str
    _token: str
    _listener: socket.socket

    def run(self) -> None:
        """Serve until interrupted."""
        from domains.tables.review.server import serve
        from domains.tables.review.session import ReviewSession

        with self._listener:
            serve(ReviewSession(self._project, self._user), self._token, self._listener)


def open_review(project: Project, *, port: int = 0, user: str = "") -> Review:
    """Open the port for the review page; `Review.run` serves it.

    Args:
        project: after `match`.
        port: on the loopback address; 0 for any free one.
        user: who decides; empty for whoever runs the program.

    Raises:
        UserError: the port is taken, or the packages of the page are not installed.
    """
    try:
        from domains.tables.review.server import open_socket
    except ImportError as error:
        raise UserError(f"the review page needs {error.name}; install counterpoint[tables]") from error
    if not 0 <= port <= 65535:
        raise UserError(f"--port must be 0 (any free one) to 65535, got {port}")
    listener = open_socket(port)
    token = new_token()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/?token={token}"
    return Review(address, project, user, token, listener)
