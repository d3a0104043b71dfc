"""The review page: a small server on the loopback address, for one person and one project."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FunctionLoader, StrictUndefined
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.errors import OperationError, UserError
from domains.tables.review import conflict_views, views
from domains.tables.review.security import Guard
from domains.tables.review.session import ReviewSession, StaleError

__all__ = ["create_app", "open_socket", "serve"]

_ASSETS = {"review.css": "text/css", "review.js": "text/javascript", "rows.js": "text/javascript"}


def _whole(text: str) -> str:
    """Half of a surrogate pair is no text: no file could hold it."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("half of a surrogate pair stands in it")
    return text


Text = Annotated[str, AfterValidator(_whole)]


class DecisionBody(BaseModel):
    """A decision as the page sends it; rows are positions in the table."""

    model_config = ConfigDict(extra="forbid", strict=True)

    generation: str
    kind: Literal["pair", "must_link", "cannot_link", "merge", "split", "lock", "value", "rule", "threshold"]
    groups: list[list[int]] = Field(default_factory=list, max_length=1000)
    answer: Literal["yes", "no", "unsure"] | None = None
    column: Text | None = None
    value: Text | None = None
    rule: Text | None = None
    threshold: float | None = Field(default=None, ge=0, le=1)


class UndoBody(BaseModel):
    """Which decision to take back; without an id the last one that counts."""

    model_config = ConfigDict(extra="forbid", strict=True)

    generation: str
    of: Text | None = None


class ReloadBody(BaseModel):
    """Load the project again."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _text(name: str) -> str:
    return (files("domains.tables.review") / name).read_text("utf-8")


@cache
def _pages() -> Environment:
    return Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda name: _text(f"pages/{name}")),
    )


def create_app(session: ReviewSession, token: str, port: int) -> Guard:
    """The application: pages, the API that they call, and the guard in front.

    Args:
        session: the project.
        token: that opens the page.
        port: on which it is served.
    """
    # Newer releases of FastAPI can send traces elsewhere if the environment says so; rows of tables must not leave.
    silent: Any = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False, "operation_spans": False}
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, telemetry=silent)

    def page(name: str, active: str, view: Mapping[str, Any] | list[Any]) -> HTMLResponse:
        shown = _pages().get_template(f"{name}.html.j2").render(active=active, view=view, **views.common(session))
        return HTMLResponse(shown)

    def within(build: Callable[[], Response]) -> Response:
        """Views read what a decision changes, so that both take turns."""
        with session.lock:
            session.check()
            return build()

    @app.get("/")
    def overview() -> Response:
        return within(lambda: page("overview", "overview", views.overview(session)))

    @app.get("/queue")
    def queue() -> Response:
        with session.lock:
            questions, _ = session.questions
            target = f"/pair/{questions[0].left}/{questions[0].right}" if questions else "/done"
        return Response(status_code=303, headers={"location": target})

    @app.get("/done")
    def done() -> Response:
        return within(lambda: page("done", "pair", {}))

    @app.get("/pair/{a}/{b}")
    def pair(a: int, b: int) -> Response:
        return within(lambda: page("pair", "pair", views.pair(session, a, b)))

    @app.get("/set/{row}")
    def set_page(row: int) -> Response:
        return within(lambda: page("set", "sets", views.set_page(session, row)))

    @app.get("/sets")
    def sets() -> Response:
        return within(lambda: page("sets", "sets", views.listed_sets(session)))

    @app.get("/conflicts")
    def conflicts(column: str = "") -> Response:
        return within(lambda: page("conflicts", "conflicts", conflict_views.conflicts(session, column)))

    @app.get("/conflict/{row}")
    def conflict(row: int, column: str) -> Response:
        return within(lambda: page("conflict", "conflicts", conflict_views.conflict(session, row, column)))

    @app.get("/rows")
    def rows() -> Response:
        return within(lambda: page("rows", "rows", {"total": len(session.labels), "columns": session.table.columns}))

    @app.get("/decisions")
    def decisions() -> Response:
        return within(lambda: page("decisions", "decisions", views.history(session)))

    @app.get("/api/rows")
    def api_rows(start: int = 0, count: int = 50, within_set: int | None = None, text: str = "") -> Response:
        return within(lambda: JSONResponse(views.rows(session, start, count, within_set, text)))

    @app.get("/api/state")
    def api_state() -> Response:
        def state() -> Response:
            return JSONResponse({"generation": session.generation, "sets": session.count, **_counts(session)})

        return within(state)

    @app.post("/api/decisions")
    def api_decide(body: DecisionBody) -> Response:
        def decide() -> Response:
            session.check(body.generation)
            named = ("answer", "column", "value", "rule", "threshold")
            fields = {name: value for name in named if (value := getattr(body, name)) is not None}
            decision = session.decide(body.kind, body.groups, **fields)
            return JSONResponse({"id": decision.id, "kind": decision.kind, "sets": session.count, **_counts(session)})

        return within(decide)

    @app.post("/api/undo")
    def api_undo(body: UndoBody) -> Response:
        def undo() -> Response:
            session.check(body.generation)
            done = session.undo(body.of)
            if done is None:
                return JSONResponse({"undone": None, "sets": session.count, **_counts(session)})
            back, target = done
            rows = [p for p in map(session.index.position, target.rows) if p is not None]
            shown = {"id": target.id, "kind": target.kind, "rows": rows[:2], "column": target.column, "by": back.id}
            return JSONResponse({"undone": shown, "sets": session.count, **_counts(session)})

        return within(undo)

    @app.post("/api/reload")
    def api_reload(body: ReloadBody) -> Response:
        session.load()
        return JSONResponse({"generation": session.generation})

    @app.get("/assets/{name}")
    def asset(name: str) -> Response:
        if name not in _ASSETS:
            return JSONResponse({"error": "there is no such file"}, 404)
        return Response(_text(f"assets/{name}"), media_type=_ASSETS[name])

    @app.exception_handler(StaleError)
    def stale(request: Request, error: StaleError) -> Response:
        return _problem(request, 409, str(error), stale=True)

    @app.exception_handler(UserError)
    def wrong(request: Request, error: UserError) -> Response:
        return _problem(request, 400, str(error))

    @app.exception_handler(OperationError)
    def failed(request: Request, error: OperationError) -> Response:
        return _problem(request, 500, str(error))

    @app.exception_handler(RequestValidationError)
    def unreadable(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body")
        return _problem(request, 422, f"{place or 'the request'}: {first['msg']}")

    @app.exception_handler(400)
    def garbled(request: Request, _error: Exception) -> Response:
        return _problem(request, 400, "the body cannot be read as JSON")

    @app.exception_handler(404)
    def nowhere(request: Request, _error: Exception) -> Response:
        return _problem(request, 404, "there is no such page")

    return Guard(app, token, port)


def _counts(session: ReviewSession) -> dict[str, Any]:
    questions, open_ = session.questions
    following = [questions[0].left, questions[0].right] if questions else None
    return {"answered": len(session.decided.answered), "open": open_, "next": following}


def _problem(request: Request, status: int, message: str, *, stale: bool = False) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": message, "stale": stale}, status)
    shown = _pages().get_template("problem.html.j2").render(message=message, stale=stale, status=status)
    return HTMLResponse(shown, status)


def open_socket(port: int) -> socket.socket:
    """Listen on the loopback address, on nothing else.

    Args:
        port: 0 for any free one.

    Raises:
        UserError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise UserError(
            f"port {port} cannot be used ({error.strerror}); choose another with --port, or 0 for any"
        ) from error
    return listener


def serve(session: ReviewSession, token: str, listener: socket.socket) -> None:
    """Serve until interrupted.

    Args:
        session: the project.
        token: that opens the page.
        listener: see `open_socket`.
    """
    import uvicorn

    port = listener.getsockname()[1]
    config = uvicorn.Config(
        create_app(session, token, port), log_level="warning", access_log=False, server_header=False, ws="none"
    )
    uvicorn.Server(config).run(sockets=[listener])
