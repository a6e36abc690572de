"""As much of an API server as kubectl needs to act on one pod; it keeps what kubectl sends."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any, Self

_VERBS = ["get", "list", "patch"]
_RESOURCES = [
    {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": _VERBS},
    {"name": "pods/ephemeralcontainers", "singularName": "", "namespaced": True, "kind": "Pod", "verbs": _VERBS},
]


class ApiServer:
    """Serves one pod, ``shop``, as a context manager. ``sent`` are the patches by the path that they were sent to."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        names = {"name": "shop", "namespace": "default", "uid": "1", "resourceVersion": "1"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": names, "spec": spec, "status": {"phase": "Running"}}
        pages: dict[str, Any] = {
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
            "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": _RESOURCES},
            "/api/v1/namespaces/default/pods/shop": pod,
            "/api/v1/namespaces/default/pods": {
                "kind": "PodList",
                "apiVersion": "v1",
                "metadata": {"resourceVersion": "1"},
                "items": [pod],
            },
        }
        sent = self.sent

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, page: Any) -> None:
                content = json.dumps(page or {"kind": "Status", "status": "Failure", "code": 404}).encode()
                self.send_response(200 if page else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self.answer(pages.get(self.path.partition("?")[0]))

            def do_PATCH(self) -> None:
                sent.append((self.path.partition("?")[0], json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self.answer(pod)

            def log_message(self, *_words: object) -> None:
                """Nothing on standard error."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
