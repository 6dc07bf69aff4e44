"""A small stand-in of the Hub's HTTP API on this machine: repositories in memory, as many revisions as there were commits.

It answers what huggingface_hub asks when it lists, downloads and uploads: repository, tree, file (also from a byte on),
creation, what to upload how, commit. It can require a token, break off transfers, and be stopped.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """Files by name, for each commit; the last one is "main"."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    gated: bool = False

    def commit(self, files: dict[str, bytes], deleted: Collection[str] = ()) -> str:
        before = list(self.commits.values())[-1] if self.commits else {}
        merged = {path: data for path, data in before.items() if path not in deleted} | files
        name = hashlib.sha1(repr((len(self.commits), sorted(merged.items()))).encode()).hexdigest()
        self.commits[name] = merged
        return name

    def resolve(self, revision: str) -> str | None:
        revision = self.tags.get(revision, revision)
        if revision == "main" and self.commits:
            return list(self.commits)[-1]
        return revision if revision in self.commits else None


class HubStandIn:
    """The server. ``with HubStandIn() as hub: hub.address``."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[tuple[str, str]] = []
        self.agents: set[str] = set()
        self.breaks: dict[str, int] = {}  # file name -> transfers that break off in the middle
        stand_in = self

        class Handler(_Handler):
            hub = stand_in

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> HubStandIn:
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(self, name: str, files: dict[str, bytes], *, token: str | None = None) -> str:
        """Commits files to a repository, which is made if need be."""
        repository = self.repositories.setdefault(name, Repository(token=token))
        return repository.commit(files)

    def downloads(self) -> list[str]:
        """Names of the files that were sent."""
        found = [re.search(r"/resolve/[^/]+/(.+)", path) for method, path in self.requests if method == "GET"]
        return [unquote(match[1]) for match in found if match]


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, self.path))
        self.hub.agents.add(self.headers.get("user-agent", ""))
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
        if match is not None:
            return self.describe(match[1], match[2], unquote(match[3] or "main"))
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if match is not None:
            return self.send_file(*map(unquote, match.groups()), body=body)
        return self.refuse(404, "EntryNotFound")

    def repository(self, name: str) -> Repository | None:
        """The repository, if it is there and the token fits; otherwise the refusal is sent."""
        found = self.hub.repositories.get(name)
        if found is None or (found.token and self.headers.get("authorization") != f"Bearer {found.token}"):
            self.refuse(401 if found else 404, "RepoNotFound")
            return None
        if found.gated:
            self.refuse(403, "GatedRepo")
            return None
        return found

    def describe(self, name: str, what: str | None, revision: str) -> None:
        repository = self.repository(name)
        if repository is None:
            return None
        commit = repository.resolve(revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound")
        files = repository.commits[commit]
        if what == "tree":
            entries = [
                {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for path, data in files.items()
            ]
            return self.send_json(entries)
        siblings = [{"rfilename": path} for path in files]
        return self.send_json({"id": name, "modelId": name, "sha": commit, "siblings": siblings, "tags": []})

    def send_file(self, name: str, revision: str, path: str, *, body: bool) -> None:
        repository = self.repository(name)
        if repository is None:
            return None
        commit = repository.resolve(revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound")
        if path not in repository.commits[commit]:
            return self.refuse(404, "EntryNotFound")
        data = repository.commits[commit][path]
        asked = re.match(r"bytes=(\d+)-", self.headers.get("range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(data) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if not body:
            return None
        if self.hub.breaks.get(path, 0) > 0:
            self.hub.breaks[path] -= 1
            self.wfile.write(data[start : start + (len(data) - start) // 2])
            self.wfile.flush()
            self.close_connection = True
            return self.connection.close()
        self.wfile.write(data[start:])

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append(("POST", self.path))
        content = self.read_body()
        if path == "/api/validate-yaml":
            return self.send_json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            asked = json.loads(content)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            private = asked.get("private") or asked.get("visibility") == "private"
            token = (self.headers.get("authorization") or "").removeprefix("Bearer ") if private else None
            there = name in self.hub.repositories
            self.hub.repositories.setdefault(name, Repository(token=token))
            return self.send_json({"url": f"{self.hub.address}/{name}", "name": name}, status=409 if there else 200)
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/([^/]+)", path)
        repository = self.repository(match[1]) if match else None
        if match is None or repository is None:
            return None if match else self.refuse(404, "EntryNotFound")
        if match[2] == "preupload":
            asked = json.loads(content)["files"]
            return self.send_json(
                {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]}
            )
        lines = [json.loads(line) for line in content.splitlines()]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"
        }
        deleted = {line["value"]["path"] for line in lines if line["key"] == "deletedFile"}
        commit = repository.commit(files, deleted)
        return self.send_json(
            {"commitUrl": f"{self.hub.address}/{match[1]}/commit/{commit}", "commitOid": commit, "success": True}
        )

    def read_body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def send_json(self, value: object, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", f"{code} (stand-in)")
        self.send_header("Content-Length", "0")
        self.end_headers()
