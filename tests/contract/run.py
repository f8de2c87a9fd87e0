#!/usr/bin/env python3
"""Holds the real program against its own description of the API: schemathesis makes up requests
from /openapi.json, valid and invalid ones, and looks at every answer. The demo answers what can
be read; a second process over an empty database takes wishes for scans, and asks nobody.

usage: tests/contract/run.py PROGRAM      (needs what requirements.txt names, see tests/run)
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
AGENT = "contract-tests/1"

# What a schema cannot say: cursors are signed, addresses have to be scannable, checks have to
# fail before they can be fixed. A refusal of such data is right.
JUDGED_BY_CONTENT = {
    "GET /api/v1/servers": ["400"],
    "GET /api/v1/servers/{id}/scans": ["400"],
    "GET /api/v1/authorization-servers/{product}": ["400"],
    "GET /api/v1/servers/lookup": ["400", "422"],
    "GET /api/v1/scans/{id}/what-if": ["422"],
    "GET /api/v1/diffs/{pair}": ["400", "422"],
    "GET /v0/servers": ["400"],
    "GET /v0.1/servers": ["400"],
    "POST /api/v1/scans": ["400", "422"],
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """The program on a free port, until the block ends."""

    def __init__(self, folder, *arguments):
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.said = open(folder / f"{arguments[-1]}.log", "w+")
        command = [sys.argv[1], *arguments, "--listen", self.address]
        self.child = subprocess.Popen(command, stdout=self.said, stderr=self.said)

    def __enter__(self):
        patience = time.monotonic() + 120
        while time.monotonic() < patience:
            if self.child.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return self
            except OSError:
                time.sleep(0.2)
        self.__exit__()
        self.said.seek(0)
        sys.exit(f"the program was not ready:\n{self.said.read()[-4000:]}")

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()

    def get(self, path):
        request = urllib.request.Request(self.url + path, headers={"user-agent": AGENT})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


def operations(program):
    """What each operation is to be called with, and what it may refuse."""
    servers = program.get("/api/v1/servers?limit=100")["data"]
    changes = program.get("/api/v1/changes?order=newest")["data"]
    server, scan = servers[0]["id"], servers[0]["scan"]
    pair = next(f"{c['previous_scan']}...{c['scan']}" for c in changes if c["previous_scan"])
    issuers = program.get("/api/v1/authorization-servers/unrecognised")["data"]
    given = {
        "/api/v1/servers/{id}": {"path.id": server},
        "/api/v1/scans/{id}": {"path.id": scan},
        "/api/v1/why/{id}": {"path.id": scan},
        "/api/v1/checks/{id}": {"path.id": "pkce-advertised"},
        "/api/v1/issuers/{id}": {"path.id": issuers[0]["id"]} if issuers else {},
        "/api/v1/diffs/{pair}": {"path.pair": pair},
        "/api/v1/authorization-servers/{product}": {"path.product": "keycloak"},
        "/api/v1/stats/{series}": {"path.series": "cimd"},
        "/badges/{file}": {"path.file": f"{server}.svg"},
    }
    for path, methods in program.get("/openapi.json")["paths"].items():
        starts = [start for start in given if path == start or path.startswith(f"{start}/")]
        for method in methods:
            name = f"{method.upper()} {path}"
            values = given[starts[0]] if starts else {}
            yield name, values, JUDGED_BY_CONTENT.get(name, [])


def configuration(program, file):
    lines = []
    for name, values, refused in operations(program):
        if not values and not refused:
            continue
        lines.append(f"[[operations]]\ninclude-name = {json.dumps(name)}")
        if values:
            pairs = ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in values.items())
            lines.append(f"parameters = {{ {pairs} }}")
        if refused:
            allowed = json.dumps(["2xx", "3xx", "401", "403", "404", "409", "429", *refused])
            lines.append(f"[operations.checks.positive_data_acceptance]\nexpected-statuses = {allowed}")
    file.write_text("\n".join(lines) + "\n")


def judge(program, folder, name, *options):
    config = folder / f"{name}.toml"
    configuration(program, config) if name == "reads" else config.write_text(
        "[[operations]]\ninclude-name = \"POST /api/v1/scans\"\n"
        "[operations.checks.positive_data_acceptance]\n"
        "expected-statuses = [\"2xx\", \"400\", \"403\", \"404\", \"422\", \"429\"]\n"
    )
    command = [
        str(pathlib.Path(sys.executable).parent / "st"),
        "--config-file",
        str(config),
        "run",
        f"{program.url}/openapi.json",
        "--header",
        f"User-Agent: {AGENT}",
        "--phases",
        "examples,coverage,fuzzing",
        "--seed",
        "1",
        "--generation-database",
        "none",
        "--warnings",
        "off",
        "--continue-on-failure",
        "--no-color",
        *options,
    ]
    return subprocess.run(command, cwd=folder, env={**os.environ, "HOME": str(folder), "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)}).returncode


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with Program(folder, "demo") as demo:
            reads = judge(demo, folder, "reads", "--max-examples", "8")
        config = folder / "authdex.toml"
        config.write_text(
            f'[store]\nurl = "sqlite://{folder}/wishes.db"\n'
            "[http]\nreads_per_minute = 60000\nscan_requests_per_hour = 60000\n"
        )
        with Program(folder, "--config", str(config), "serve", "--role", "web") as serving:
            wishes = judge(
                serving, folder, "wishes", "--max-examples", "40",
                "--include-name", "POST /api/v1/scans",
            )
    sys.exit(1 if reads or wishes else 0)


if __name__ == "__main__":
    main()
