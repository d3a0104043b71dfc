"""Other pages and other machines are kept out."""

import pytest
from fastapi.testclient import TestClient

from domains.tables.review.security import HEADERS, Guard, new_token
from domains.tables.review.server import create_app, open_socket
from tests.domains.tables.review.conftest import OWN, PORT

HOST = f"127.0.0.1:{PORT}"


async def inner(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public")]})
    await send({"type": "http.response.body", "body": b"inside"})


@pytest.fixture
def client():
    return TestClient(Guard(inner, "secret", PORT), base_url=OWN, follow_redirects=False)


@pytest.fixture
def known(client):
    client.cookies.set(f"counterpoint_{PORT}", "secret")
    return client


def test_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(client):
    answer = client.get("/?token=secret")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert client.get("/").text == "inside"


@pytest.mark.parametrize(
    "address", ["/", "/?token=wrong", "/?token=", "/api/rows", "/assets/review.js", "/?token=sécret"]
)
def test_without_the_token_nothing_is_shown(client, address):
    answer = client.get(address)
    assert answer.status_code == 403
    assert "inside" not in answer.text


@pytest.mark.parametrize(
    "cookie", ["", "counterpoint_4321=", "counterpoint_4321=other", "a=b; ;;=", "counterpoint_9=secret"]
)
def test_other_cookies(client, cookie):
    assert client.get("/", headers={"cookie": cookie}).status_code == 403


@pytest.mark.parametrize(
    "other", ['prefs={"a":1}', "a b=1", 'foo="x', "theme[x]=1", 'x=a"b', "x", "x=1 2", "=", "counterpoint_4321=old"]
)
def test_cookies_of_other_local_programs_do_not_shut_the_page(client, other):
    own = f"counterpoint_{PORT}=secret"
    for cookie in (f"{other}; {own}", f"{own}; {other}", f"{other};{own};{other}"):
        assert client.get("/", headers={"cookie": cookie}).text == "inside"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4321", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:4321.evil.example", ""]
)
def test_other_names_for_this_machine(known, host):
    assert known.get("/", headers={"host": host}).status_code == 421
    assert known.get("/?token=secret", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", [HOST, f"localhost:{PORT}", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"])
def test_names_of_loopback(known, host):
    cookie = f"counterpoint_{PORT}=secret"
    assert known.get("/", headers={"host": host, "cookie": cookie}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": OWN}, 200),
        ({"origin": f"http://localhost:{PORT}"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": f"https://{HOST}"}, 403),
        ({"origin": "http://127.0.0.1:80"}, 403),
        ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": OWN, "content-type": "text/plain"}, 415),
        ({"origin": OWN, "content-type": "application/x-www-form-urlencoded"}, 415),
        ({"origin": OWN, "content-length": "99999999"}, 413),
        ({"origin": OWN, "content-length": "9" * 5000}, 413),
        ({"origin": OWN, "content-length": "\xb2".encode("latin-1")}, 411),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_writing_from_elsewhere(known, method, headers, status):
    answer = known.request(
        method, "/api/decisions", content=b"{}", headers={"content-type": "application/json", **headers}
    )
    assert answer.status_code == status


def test_body_of_unknown_length(known):
    answer = known.post("/", content=iter([b"{}"]), headers={"origin": OWN, "content-type": "application/json"})
    assert answer.status_code == 411


def test_headers_of_every_answer(known):
    for address in ("/", "/?token=secret", "/?token=wrong"):
        answer = known.get(address)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_tokens_differ():
    assert len({new_token() for _ in range(50)}) == 50
    assert len(new_token()) >= 43


def test_socket_is_on_loopback_only_and_a_taken_port_is_said():
    with open_socket(0) as listener:
        host, port = listener.getsockname()
        assert host == "127.0.0.1"
        with pytest.raises(ValueError, match=f"port {port} cannot be used"):
            open_socket(port)


def test_the_guard_stands_before_the_real_page(session):
    client = TestClient(create_app(session, "secret", PORT), base_url=OWN)
    for method, address in (("GET", "/"), ("GET", "/api/rows"), ("POST", "/api/undo"), ("GET", "/openapi.json")):
        answer = client.request(method, address)
        assert answer.status_code == 403
        assert answer.text == "Open the page by the address that the command has printed."
    assert not session.project.decisions.path.exists()
