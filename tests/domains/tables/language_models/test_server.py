import math
import socket

import pytest

from core.errors import OperationError, UserError
from domains.tables.language_models.server import Server
from tests.domains.tables.language_models.played_server import played_server


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None, raising=True)
    with played_server() as found:
        yield found


def _mean(text):
    return sum(-1.0 if one in "aeiou" else -2.0 for one in text) / len(text)


def test_log_probabilities(server):
    url, played = server
    found = Server(url, "m").score("The city is", ["Ulm", "Rio"])
    assert found == pytest.approx([_mean(" Ulm"), _mean(" Rio")])
    assert [body["prompt"] for _, body in played.seen] == ["The city is Ulm", "The city is Rio"]
    assert all(body["echo"] and body["max_tokens"] == 1 for _, body in played.seen)


@pytest.mark.parametrize("fault", [500, 502, 503, 504, 408, 429, "malformed", "schema", "short", "drop"])
def test_tries_again(server, fault):
    url, played = server
    played.faults = [fault, fault]
    assert Server(url, "m").score("p", ["aa"]) == pytest.approx([_mean(" aa")])
    assert len(played.seen) == 3


def test_retry_after_is_kept():
    import time

    with played_server() as (url, played):
        played.faults = [(429, [("Retry-After", "0.4")])]
        started = time.perf_counter()
        Server(url, "m").score("p", ["aa"])
        assert time.perf_counter() - started >= 0.4


@pytest.mark.parametrize(
    ("fault", "words"),
    [(500, "answered 500 after 2 attempts"), ("malformed", "form that cannot be used"), ("drop", "no connection")],
)
def test_gives_up(server, fault, words):
    url, played = server
    played.faults = [fault] * 9
    with pytest.raises(OperationError, match=words):
        Server(url, "m", retries=1).score("p", ["aa"])
    assert len(played.seen) == 2


def test_time_out():
    with played_server() as (url, played):
        played.faults = ["slow"]
        with pytest.raises(OperationError, match=r"within 0\.1 s"):
            Server(url, "m", timeout=0.1, retries=0).score("p", ["aa"])


def test_nobody_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(OperationError, match="is the server running"):
            Server(url, "m", retries=0).score("p", ["aa"])


def test_choice_where_nothing_is_echoed(server, caplog):
    url, played = server
    played.echo = False
    model = Server(url, "m")
    expected = [math.log(0.05), math.log(0.9), math.log(0.05)]
    assert model.score("p", ["a", "c", "b"]) == pytest.approx(expected)
    assert "chooses under a schema" in caplog.text
    before = len(played.seen)
    assert model.score("p", ["c", "b", "a"]) == pytest.approx([expected[1], expected[0], expected[2]])
    assert len(played.seen) == before + 1  # it does not ask for an echo again
    offered = [
        body["response_format"]["json_schema"]["schema"]["properties"]["value"]["enum"] for _, body in played.seen[1:]
    ]
    assert offered == [["a", "b", "c"]] * 2  # in one order, whatever the caller's


def test_insists_on_log_probabilities(server):
    url, played = server
    played.echo = False
    with pytest.raises(OperationError, match="mode='choice'"):
        Server(url, "m", mode="logprobs").score("p", ["a"])


@pytest.mark.parametrize("fault", ["outside", "schema", "malformed", 500])
def test_wrong_choices_are_asked_again(server, fault):
    url, played = server
    played.faults = [fault]
    found = Server(url, "m", mode="choice").score("p", ["a", "b"])
    assert found == pytest.approx([math.log(0.1), math.log(0.9)])
    assert len(played.seen) == 2


def test_one_candidate_needs_no_choice(server):
    url, played = server
    assert Server(url, "m", mode="choice").score("p", ["a"]) == [0.0]
    assert not played.seen


def test_key(server, monkeypatch):
    url, played = server
    monkeypatch.setenv("OPENAI_API_KEY", "of another service")
    Server(url, "m").score("p", ["a"])
    assert "another" not in played.keys[-1]
    monkeypatch.setenv("MY_KEY", "secret")
    Server(url, "m", key_variable="MY_KEY").score("p", ["a"])
    assert played.keys[-1] == "Bearer secret"
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(UserError, match="MY_KEY"):
        Server(url, "m", key_variable="MY_KEY").score("p", ["a"])
    played.faults = [401]
    with pytest.raises(UserError, match="refuses the key"):
        Server(url, "m").score("p", ["a"])


@pytest.mark.parametrize("settings", [{"url": "localhost:8000"}, {"timeout": 0}, {"retries": -1}, {"confidence": 0.5}])
def test_refused(settings):
    with pytest.raises(UserError):
        Server(**{"url": "http://127.0.0.1:1/v1", "model": "m", **settings})


def test_bad_requests():
    model = Server("http://127.0.0.1:1/v1", "m")
    for prompt, candidates in (("", ["a"]), ("p", []), ("p", ["a", " "])):
        with pytest.raises(UserError):
            model.score(prompt, candidates)
