"""The sandbox's batches: requests that are worked off later, and their answers in a packed archive."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from omnibridge.connector import Response, SandboxRequest, json_bytes
from omnibridge_mailchimp.sandbox_answers import Refused, Route, Rows, answer, page, required
from omnibridge_mailchimp.wire import Json

__all__ = ["RESULTS", "Batches"]

RESULTS = "/batch-results/"
_PENDING = 500
_PART = 100  # answers in one file of the archive


class Batches:
    """Batches by id. `takes` is how long one is worked at; `respond` answers each of its requests."""

    def __init__(self, now: Callable[[], datetime], respond: Callable[[SandboxRequest], Response], root: str) -> None:
        self._now = now
        self._respond = respond
        self._root = urlsplit(root)
        self.takes = timedelta(0)
        self.batches: dict[str, Json] = {}
        self._work: dict[str, tuple[str, Rows]] = {}
        self._files: dict[str, bytes] = {}
        self.routes = (
            Route("GET", "/batches", self._list),
            Route("POST", "/batches", self._begin),
            Route("GET", "/batches/{}", self._look),
            Route("DELETE", "/batches/{}", self._drop),
        )

    def result(self, request: SandboxRequest) -> Response:
        """The archive at a signed address, to whoever has it."""
        content = self._files.get(request.target)
        return Response(403) if content is None else Response(200, {"content-type": "application/x-gzip"}, content)

    def forget(self) -> None:
        """No archive can be had any more."""
        self._files.clear()

    def _begin(self, request: SandboxRequest) -> Response:
        operations: Rows = required(request.json(), "operations")["operations"]
        if sum(batch["status"] != "finished" for batch in self.batches.values()) >= _PENDING:
            raise Refused(429, "Too Many Requests", "You have more than 500 pending batches.")
        for operation in operations:
            required(operation, "method", "path")
        id_ = f"{len(self.batches) + 1:010x}"
        self._work[id_] = (request.headers.get("authorization", ""), operations)
        self.batches[id_] = {
            "id": id_,
            "status": "pending",
            "total_operations": len(operations),
            "finished_operations": 0,
            "errored_operations": 0,
            "submitted_at": self._now().isoformat(),
            "completed_at": "",
            "response_body_url": "",
        }
        return answer(request, self.batches[id_])

    def _list(self, request: SandboxRequest) -> Response:
        for id_ in self.batches:
            self._work_off(id_, request)
        rows = list(self.batches.values())
        return answer(request, {"batches": page(request, rows), "total_items": len(rows)})

    def _look(self, request: SandboxRequest, id_: str) -> Response:
        self._there(id_)
        self._work_off(id_, request)
        return answer(request, self.batches[id_])

    def _drop(self, request: SandboxRequest, id_: str) -> Response:
        self._there(id_)
        del self.batches[id_]
        return Response(204)

    def _there(self, id_: str) -> None:
        if id_ not in self.batches:
            raise Refused(404, "Resource Not Found", "The requested resource could not be found.")

    def _work_off(self, id_: str, request: SandboxRequest) -> None:
        """Do what it asks for, when its time has come."""
        batch = self.batches[id_]
        if batch["status"] == "finished":
            return
        if self._now() < datetime.fromisoformat(batch["submitted_at"]) + self.takes:
            batch["status"] = "started"
            return
        allowed, operations = self._work.pop(id_)
        rows = [self._one(operation, allowed) for operation in operations]
        target = f"{RESULTS}{id_}.tar.gz?signature=made-up-{id_}"
        self._files[target] = _archive(id_, rows)
        batch |= {
            "status": "finished",
            "finished_operations": len(rows),
            "errored_operations": sum(row["status_code"] >= 400 for row in rows),
            "completed_at": self._now().isoformat(),
            "response_body_url": self._reached_at(request) + target,
        }

    def _one(self, operation: Json, allowed: str) -> Json:
        target = f"/3.0{operation['path']}"
        if operation.get("params"):
            target += f"?{urlencode(operation['params'])}"
        headers = {"authorization": allowed, "content-type": "application/json"}
        body = str(operation.get("body") or "").encode()
        response = self._respond(SandboxRequest(operation["method"], target, headers, body))
        return {
            "status_code": response.status,
            "operation_id": operation.get("operation_id"),
            "response": response.text,
        }

    def _reached_at(self, request: SandboxRequest) -> str:
        """The root of the address that it gives out: where it was asked, as a served one does not know its port."""
        host = request.headers.get("host")
        known = host in (None, self._root.netloc)
        return f"{self._root.scheme}://{self._root.netloc}" if known else f"http://{host}"


def _archive(id_: str, rows: Rows) -> bytes:
    """The answers as files in a folder of their own, as Mailchimp packs them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        folder = tarfile.TarInfo(f"{id_}/")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for start in range(0, len(rows), _PART):
            content = json_bytes(rows[start : start + _PART])
            file = tarfile.TarInfo(f"{id_}/{start:06}.json")
            file.size = len(content)
            archive.addfile(file, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)
