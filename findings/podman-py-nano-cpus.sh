#!/usr/bin/env bash
# podman 5.8.0 (PyPI, March 2026): the Python bindings of Podman's API.
#
# Behaviour: `containers.create(nano_cpus=500000000)` is described in the method's own help as a CPU quota, and is dropped before the request
# is sent. No error, no warning; the container has no CPU limit. `cpu_quota` and `cpu_period`, two lines further up in that help, are sent.
# The same help says that mem_limit takes float values; 5e8 is a TypeError.
#
# Seen, as the server is asked:
#   nano_cpus=500000000                    no resource_limits at all
#   cpu_quota=50000, cpu_period=100000     resource_limits: {cpu: {period: 100000, quota: 50000}}
#   mem_limit=5e8                          TypeError: Passed size 500000000.0 should be a type of unicode, str or int (found : <class 'float'>)
# A Podman 4.3.1 that got the first request made a container with NanoCpus 0, CpuQuota 0.
#
# Why it hurts: nano_cpus is how half a CPU is said in the docker package, whose interface this one repeats, so programs that were moved over keep
# working and lose every CPU limit. Go, Node and the JVM in those containers then size themselves for the whole machine.
#
# A stand-in server writes down the request; Podman is not needed. Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet podman==5.8.0 || exit 77

cat >ask.py <<'EOF'
import http.server, json, os, socketserver, threading
import podman

asked = []

class Answer(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "client"

    def log_message(self, *words):
        pass

    def reply(self, code, data):
        body = json.dumps(data).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(200, {"Id": "1", "Name": "web", "Version": "5.8.0"})

    def do_POST(self):
        asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.reply(201, {"Id": "1", "Warnings": []})

server = socketserver.ThreadingUnixStreamServer("socket", Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = podman.PodmanClient(base_url=f"unix://{os.getcwd()}/socket")
for settings in ({"nano_cpus": 500000000}, {"cpu_quota": 50000, "cpu_period": 100000}, {"mem_limit": 5e8}):
    try:
        client.containers.create("localhost/web", ["server"], **settings)
        print(settings, "asks for", asked[-1].get("resource_limits"))
    except TypeError as error:
        print(settings, "TypeError:", error)
help_text = type(client.containers).create.__doc__
print("described:", "nano_cpus (int):  CPU quota" in help_text, "float values" in help_text, "nano_cpus" in help_text.lower().partition("not supported")[2])
EOF
timeout 60 env/bin/python ask.py | tee answers
diff answers - <<'EOF'
{'nano_cpus': 500000000} asks for None
{'cpu_quota': 50000, 'cpu_period': 100000} asks for {'cpu': {'period': 100000, 'quota': 50000}}
{'mem_limit': 500000000.0} TypeError: Passed size 500000000.0 should be a type of unicode, str or int (found : <class 'float'>)
described: True True False
EOF
