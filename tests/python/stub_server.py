"""A stand-in for an OpenAI-compatible server on this machine: answers by a function, records what it was asked."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, Any]  # status and a JSON document, or bytes as they are


@dataclass
class Stub:
    """A running stub.

    Attributes
    ----------
    url
        Its base.
    requests
        Bodies of the requests so far, in the order they came.
    headers
        Their headers.
    """

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def completion(text: str, probabilities: dict[str, float], finish: str = "stop") -> dict[str, Any]:
    """Return a chat completion whose first token has these probabilities, the first named being the chosen one."""
    best = [
        {"token": token, "logprob": math.log(p) if p > 0 else -9999.0, "bytes": list(token.encode())}
        for token, p in probabilities.items()
    ]
    first = {**best[0], "top_logprobs": best}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "logprobs": {"content": [first]},
        "finish_reason": finish,
    }
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "stub", "choices": [choice]}


def words_of(body: dict[str, Any]) -> str:
    """Return the text of a request's message."""
    return " ".join(p["text"] for p in body["messages"][0]["content"] if p["type"] == "text")


def shows_image(body: dict[str, Any]) -> bool:
    """Whether the request carries an image."""
    return any(p["type"] == "image_url" for p in body["messages"][0]["content"])


@contextmanager
def stub_server(answer: Callable[[dict[str, Any], int], Reply], delay: float = 0.0) -> Iterator[Stub]:
    """Serve on a free port of 127.0.0.1; ``answer(body, number of the request)`` gives the reply."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                stub.requests.append(body)
                stub.headers.append(dict(self.headers))
                number = len(stub.requests)
                status, document = (404, {"error": {"message": "no such path"}})
                if self.path == "/v1/chat/completions":
                    status, document = answer(body, number)
            time.sleep(delay)
            data = document if isinstance(document, bytes) else json.dumps(document).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if status == 429:
                    self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client gave up waiting

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub = Stub(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
