"""The part of the Hugging Face Hub that ``huggingface_hub`` needs to push and fetch, on loopback.

Every push is a commit; large files (parquet, safetensors) go through LFS, the others in the commit itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from susx.testing.http_server import LoopbackServer, QuietHandler

__all__ = ["HubRepository", "LocalHub"]


@dataclass
class HubRepository:
    """A repository: commits, oldest first, each all files by name.

    Attributes:
        gated: files are refused, what it holds is told.
        private: without a token it is not there.
        sizes: what is said of a file's size in place of the truth.
        licence: that its card states.
    """

    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    gated: bool = False
    private: bool = False
    sizes: dict[str, int] = field(default_factory=dict)
    licence: str = ""

    def commit(self, files: dict[str, bytes]) -> str:
        """Add a commit that holds exactly these files and return its name."""
        seed = f"{len(self.commits)}{sorted((name, hashlib.sha256(data).hexdigest()) for name, data in files.items())}"
        self.commits.append((hashlib.sha1(seed.encode()).hexdigest(), dict(files)))
        return self.commits[-1][0]

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Return commit and files of a revision, None where there is none."""
        if revision == "main":
            return self.commits[-1] if self.commits else ("0" * 40, {})
        return next((entry for entry in self.commits if entry[0] == revision), None)


class LocalHub(LoopbackServer):
    """A Hub; ``HF_ENDPOINT`` is its ``url``.

    Attributes:
        repositories: (``model`` or ``dataset``, owner/name) -> repository.
        objects: LFS objects by sha256.
        fail_commits: answer commits with 500.
        card_errors: what is wrong with any card.
        requests: method and path of what came.
        read: bytes of files that were sent.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], HubRepository] = {}
        self.objects: dict[str, bytes] = {}
        self.fail_commits = False
        self.card_errors: list[str] = []
        self.requests: list[str] = []
        self.read = 0
        super().__init__(_Handler)

    @property
    def url(self) -> str:
        """Address of the Hub."""
        return f"http://{self.host}"

    def add(self, kind: str, name: str, files: dict[str, bytes], **settings: Any) -> HubRepository:
        """Make a repository with one commit."""
        repository = self.repositories[kind, name] = HubRepository(**settings)
        repository.commit(files)
        return repository


_API = re.compile(
    r"/api/(model|dataset)s/([^/]+/[^/]+)(?:/(revision|preupload|commit|tree)/([^/]+)(?:/(.+))?)?$"
)
_FACTS = re.compile(r"/api/(model|dataset)s/([^/]+/[^/]+)/paths-info/([^/]+)$")
_RESOLVE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)$")
_BATCH = re.compile(r"/(datasets/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch$")


class _Handler(QuietHandler):
    state: LocalHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._get(body=False)

    def do_GET(self) -> None:
        self._get(body=True)

    def do_PUT(self) -> None:
        data = self._body()
        digest = hashlib.sha256(data).hexdigest()
        if self.path != f"/lfs/{digest}":
            return self._json(400, {"error": "digest"})
        self.state.objects[digest] = data
        return self._json(200, {})

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        self.state.requests.append(f"POST {path}")
        data = self._body()
        if path == "/api/validate-yaml":
            errors = [{"message": message} for message in self.state.card_errors]
            return self._json(400 if errors else 200, {"warnings": [], "errors": errors})
        if facts := _FACTS.match(path):
            return self._facts(facts, data)
        if not self.headers.get("Authorization"):
            return self._json(
                401, {"error": "Unauthorized"}, {"X-Error-Message": "Invalid username or password."}
            )
        if path == "/api/repos/create":
            return self._create(json.loads(data))
        if _BATCH.match(path):
            return self._batch(json.loads(data))
        match = _API.match(path)
        repository = self.state.repositories.get((match[1], match[2])) if match else None
        if not match or repository is None:
            return self._missing("RepoNotFound")
        if match[3] == "preupload":
            names = [file["path"] for file in json.loads(data)["files"]]
            mode = {
                name: "lfs" if name.endswith((".parquet", ".safetensors")) else "regular" for name in names
            }
            files = [{"path": n, "uploadMode": mode[n], "shouldIgnore": False} for n in names]
            return self._json(200, {"files": files})
        return self._commit(repository, data)

    def _facts(self, asked: re.Match[str], data: bytes) -> None:
        """Say which of some paths are there, as ``lance`` asks for them."""
        repository = self._repository(asked[1], asked[2])
        entry = repository.at(unquote(asked[3])) if repository else None
        if entry is None:
            return self._missing("RepoNotFound")
        text = data.decode()
        paths = json.loads(text)["paths"] if text.startswith("{") else parse_qs(text).get("paths", [])
        told = [
            {
                "type": "file",
                "path": name,
                "size": len(entry[1][name]),
                "oid": hashlib.sha1(name.encode()).hexdigest(),
            }
            for name in paths
            if name in entry[1]
        ]
        return self._json(200, told)

    def _create(self, asked: dict[str, Any]) -> None:
        kind, name = asked.get("type") or "model", f"{asked.get('organization') or 'me'}/{asked['name']}"
        if (kind, name) in self.state.repositories:
            return self._json(409, {"error": "exists"})
        self.state.repositories[kind, name] = HubRepository(
            private=bool(asked.get("private")) or asked.get("visibility") == "private"
        )
        return self._json(200, {"url": f"{self.state.url}/{'datasets/' if kind == 'dataset' else ''}{name}"})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = [
            {
                "oid": o["oid"],
                "size": o["size"],
                "actions": {"upload": {"href": f"{self.state.url}/lfs/{o['oid']}"}},
            }
            for o in asked["objects"]
        ]
        self._json(200, {"transfer": "basic", "objects": objects})

    def _commit(self, repository: HubRepository, data: bytes) -> None:
        if self.state.fail_commits:
            return self._json(500, {"error": "out of order"})
        files = dict((repository.at("main") or ("", {}))[1])
        for line in data.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.state.objects[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        oid = repository.commit(files)
        return self._json(200, {"commitUrl": f"o/n/commit/{oid}", "commitOid": oid})

    def _get(self, *, body: bool) -> None:
        parts = urlsplit(self.path)
        self.state.requests.append(f"{self.command} {parts.path}")
        if match := _RESOLVE.match(parts.path):
            return self._file(match, body=body)
        match = _API.match(parts.path)
        repository = self._repository(match[1], match[2]) if match else None
        if not match or repository is None:
            return self._missing("RepoNotFound")
        entry = repository.at(unquote(match[4] or "main"))
        if entry is None:
            return self._missing("RevisionNotFound")
        sizes = {name: repository.sizes.get(name, len(data)) for name, data in entry[1].items()}
        if match[3] == "tree":
            below = unquote(match[5] or "").rstrip("/")
            tree = [
                {"type": "file", "path": n, "size": s, "oid": hashlib.sha1(n.encode()).hexdigest()}
                for n, s in sizes.items()
                if not below or n.startswith(f"{below}/")
            ]
            return self._json(200, tree) if tree or not below else self._missing("EntryNotFound")
        blobs = "blobs" in parse_qs(parts.query)
        siblings = [
            {"rfilename": n, **({"size": s, "blobId": "0" * 40} if blobs else {})} for n, s in sizes.items()
        ]
        card = {"cardData": {"license": repository.licence}} if repository.licence else {}
        return self._json(
            200,
            {"id": match[2], "sha": entry[0], "siblings": siblings, "private": repository.private, **card},
        )

    def _file(self, match: re.Match[str], *, body: bool) -> None:
        repository = self._repository("dataset" if match[1] else "model", match[2])
        entry = repository.at(unquote(match[3])) if repository else None
        if repository is None or entry is None:
            return self._missing("RevisionNotFound" if repository else "RepoNotFound")
        if repository.gated:
            return self._json(
                403, {"error": "gated"}, {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}
            )
        data = entry[1].get(unquote(match[4]))
        if data is None:
            return self._missing("EntryNotFound")
        etag = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": entry[0]}
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(wanted[1]), min(int(wanted[2] or len(data) - 1), len(data) - 1)
            etag["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            with self.state.lock:
                self.state.read += last - first + 1
            return self._send(206, data[first : last + 1], "application/octet-stream", etag, body=body)
        with self.state.lock:
            self.state.read += len(data) * body
        return self._send(200, data, "application/octet-stream", etag, body=body)

    def _repository(self, kind: str, name: str) -> HubRepository | None:
        repository = self.state.repositories.get((kind, name))
        return (
            None
            if repository and repository.private and not self.headers.get("Authorization")
            else repository
        )

    def _missing(self, code: str) -> None:
        self._json(401 if code == "RepoNotFound" else 404, {"error": code}, {"X-Error-Code": code})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._send(
            status, json.dumps(value).encode(), "application/json", headers or {}, body=self.command != "HEAD"
        )

    def _send(self, status: int, data: bytes, kind: str, headers: dict[str, str], *, body: bool) -> None:
        try:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
