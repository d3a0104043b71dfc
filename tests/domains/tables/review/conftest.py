"""A page on a small project."""

import pytest
from fastapi.testclient import TestClient

from domains.tables.review.server import create_app
from domains.tables.review.session import ReviewSession
from tests.domains.tables.project.small_project import small_project

PORT = 4321
OWN = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def project(tmp_path):
    return small_project(tmp_path)


@pytest.fixture
def session(project):
    return ReviewSession(project, "tester")


class Page:
    """What a browser does: opens the address, keeps the cookie, says where its requests come from."""

    def __init__(self, session):
        self.session = session
        self.client = TestClient(
            create_app(session, "secret", PORT), base_url=OWN, follow_redirects=False, raise_server_exceptions=False
        )
        assert self.client.get("/?token=secret").status_code == 303

    def get(self, address):
        return self.client.get(address)

    def post(self, address, body, **headers):
        return self.client.post(address, json=body, headers={"origin": OWN, **headers})

    def decide(self, kind, *groups, **fields):
        body = {"generation": self.session.generation, "kind": kind, "groups": [list(g) for g in groups], **fields}
        return self.post("/api/decisions", body)

    def undo(self, of=None):
        return self.post("/api/undo", {"generation": self.session.generation, "of": of})


@pytest.fixture
def page(session):
    return Page(session)
