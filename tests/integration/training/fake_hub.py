"""A server that answers as the Hugging Face hub does for one data set: its commit and its files."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPOSITORY = "owner/reviews"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def fake_hub(files: Mapping[str, bytes]) -> Iterator[str]:
    """The address of a hub that has REPOSITORY with these files, at COMMIT, which is also `main` and `v1`."""

    class Hub(_Handler):
        pass

    Hub.files = files
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    files: Mapping[str, bytes] = {}

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        api, files = f"/api/datasets/{REPOSITORY}", f"/datasets/{REPOSITORY}/resolve/"
        if not path.startswith((api, files)):
            self._refuse(401, "RepoNotFound")
        elif path.startswith(files):
            self._file(*path.removeprefix(files).split("/", 1))
        elif path == api:
            self._revision("main")
        elif path.startswith(f"{api}/revision/"):
            self._revision(path.removeprefix(f"{api}/revision/"))
        elif path.startswith(f"{api}/tree/{COMMIT}"):
            self._tree(path.removeprefix(f"{api}/tree/{COMMIT}").strip("/"))
        else:
            self._refuse(404, "EntryNotFound")

    do_HEAD = do_GET  # noqa: N815 - the base class calls it so

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        asked = parse_qs(sent).get("paths", [])
        self._json([self._entry(name) for name in asked if name in self.files])

    def _tree(self, folder: str) -> None:
        """Lists a folder: its files, and its folders, which the client asks for one by one."""
        prefix = f"{folder}/" if folder else ""
        below = [name.removeprefix(prefix) for name in self.files if name.startswith(prefix)]
        folders = dict.fromkeys(name.partition("/")[0] for name in below if "/" in name)
        entries = [{"type": "directory", "path": prefix + name, "oid": "0" * 40} for name in folders]
        entries += [self._entry(prefix + name) for name in below if "/" not in name]
        if entries:
            self._json(entries)
        else:
            self._refuse(404, "EntryNotFound")

    def _entry(self, name: str) -> dict[str, Any]:
        content = self.files[name]
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}  # noqa: S324

    def _revision(self, name: str) -> None:
        if name in {"main", "v1", COMMIT}:
            self._json({"id": REPOSITORY, "sha": COMMIT})
        else:
            self._refuse(404, "RevisionNotFound")

    def _file(self, revision: str, name: str) -> None:
        if name not in self.files or revision not in {"main", "v1", COMMIT}:
            self._refuse(404, "EntryNotFound")
        else:
            content = self.files[name]
            self._answer(200, content, ETag=f'"{hashlib.sha256(content).hexdigest()}"')

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, b"", **{"X-Error-Code": code})

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode())

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"X-Repo-Commit": COMMIT, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keeps standard error free."""
