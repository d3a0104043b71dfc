"""A real HTTP server that plays a language model behind the OpenAI protocol, with every way to fail."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Played:
    """What the server does and saw.

    ``faults`` are played first, one a request: a status, ("status", headers), "malformed", "schema", "drop", "slow",
    "outside", "short". Then it answers properly: each token is a character with log-probability ``-len(token set)``.
    """

    def __init__(self):
        self.faults, self.seen, self.keys, self.echo = [], [], [], True

    def logprob(self, character):
        return -1.0 if character in "aeiou" else -2.0

    def completion(self, body):
        text = body["prompt"] + "!"  # one generated token, as max_tokens asks for
        tokens = list(text)
        logprobs = [None, *(self.logprob(one) for one in tokens[1:])]
        return {
            "id": "1",
            "object": "text_completion",
            "created": 0,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "text": text,
                    "finish_reason": "length",
                    "logprobs": {"tokens": tokens, "token_logprobs": logprobs, "text_offset": [], "top_logprobs": []},
                }
            ],
        }

    def chat(self, body, value=None):
        allowed = body["response_format"]["json_schema"]["schema"]["properties"]["value"]["enum"]
        content = json.dumps({"value": max(allowed) if value is None else value})
        message = {"role": "assistant", "content": content}
        return {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def _send(self, status, text, headers=()):
        data = text.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        played = self.server.played
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        played.seen.append((self.path, body))
        played.keys.append(self.headers.get("Authorization"))
        fault = played.faults.pop(0) if played.faults else None
        if fault == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(0.5)
        if isinstance(fault, int):
            fault = (fault, ())
        if isinstance(fault, tuple):
            self._send(fault[0], '{"error": {"message": "played"}}', fault[1])
        elif fault == "malformed":
            self._send(200, '{"choices": [')
        elif fault == "schema":
            self._send(200, '{"choices": [{"index": 0, "text": 7, "logprobs": {"tokens": "abc"}}]}')
        elif "chat" in self.path:
            self._send(200, json.dumps(played.chat(body, "elsewhere" if fault == "outside" else None)))
        elif not played.echo:
            self._send(404, '{"error": {"message": "no completions"}}')
        else:
            answer = played.completion(body)
            if fault == "short":
                answer["choices"][0]["logprobs"]["token_logprobs"].pop()
            self._send(200, json.dumps(answer))


@contextmanager
def played_server():
    """The address of a running server on loopback, and what it plays."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.played = Played()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", server.played
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
