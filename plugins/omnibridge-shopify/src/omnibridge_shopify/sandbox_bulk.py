"""The bulk operations of the sandbox's shop: queries whose rows wait in a file, at a signed address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from omnibridge.connector import Response, SandboxRequest, json_bytes
from omnibridge_shopify.documents_bulk import Export
from omnibridge_shopify.graphql import Json
from omnibridge_shopify.parts import gid
from omnibridge_shopify.sandbox_ledger import Ledger, Operation, problem

__all__ = ["FILES", "Bulk"]

FILES = "/bulk-operation-outputs/"
_KEPT = timedelta(days=7)
_ONGOING = ("CREATED", "RUNNING")


class Bulk:
    """Bulk operations by id. `takes` is how long one is at work; `at_once` is how many there may be."""

    def __init__(self, ledger: Ledger, tables: Mapping[Export, Callable[[], list[Json]]]) -> None:
        self._ledger = ledger
        self._tables = {export.text: (export, rows) for export, rows in tables.items()}
        self.root = ""
        self.takes = timedelta(0)
        self.at_once = 5
        self.jobs: dict[str, Json] = {}
        self._files: dict[str, bytes] = {}
        self.operations: dict[str, Operation] = {
            "BulkRun": lambda v: {"bulkOperationRunQuery": self._run(v["query"])},
            "BulkOperation": lambda v: {"bulkOperation": self._look(v["id"])},
            "BulkOperations": lambda v: {"bulkOperations": {"nodes": list(reversed(self.jobs.values()))[:20]}},
        }

    def end(self, status: str, code: str | None = None) -> None:
        """The newest operation ends so; of one that failed, a part of its rows can be had."""
        job = list(self.jobs.values())[-1]
        job |= {"status": status, "errorCode": code, "url": None}
        if status == "FAILED":
            job["partialDataUrl"] = self._put(job, self._rows(job["query"])[:1])

    def file(self, request: SandboxRequest) -> Response:
        """The file at a signed address, to whoever has it."""
        content = self._files.get(request.target)
        if content is None:
            return Response(403, {"content-type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>")
        return Response(200, {"content-type": "application/jsonl"}, content)

    def forget(self) -> None:
        """No address that was given out is good any more."""
        self._files.clear()

    def _run(self, query: str) -> Json:
        if query not in self._tables:
            error = problem(["query"], "The sandbox has no such query in bulk", "INVALID")
            return {"bulkOperation": None, "userErrors": [error]}
        if sum(job["status"] in _ONGOING for job in self.jobs.values()) >= self.at_once:
            code = "OPERATION_IN_PROGRESS" if self.at_once == 1 else "LIMIT_REACHED"
            error = problem([], "A bulk query operation for this app and shop is already in progress", code)
            return {"bulkOperation": None, "userErrors": [error]}
        id_ = gid("BulkOperation", str(self._ledger.number()))
        self.jobs[id_] = {
            "id": id_,
            "status": "CREATED",
            "type": "QUERY",
            "errorCode": None,
            "createdAt": self._ledger.stamp(),
            "fileSize": None,
            "url": None,
            "query": query,
        }
        return {"bulkOperation": dict(self.jobs[id_]), "userErrors": []}

    def _look(self, id_: str) -> Json | None:
        job = self.jobs.get(id_)
        if job is None:
            return None
        age = self._ledger.now() - datetime.fromisoformat(job["createdAt"])
        if job["status"] in _ONGOING:
            job["status"] = "RUNNING"
            if age >= self.takes:
                job["status"] = "COMPLETED"
                job["url"] = self._put(job, self._rows(job["query"]))
        elif job["status"] == "COMPLETED" and age >= self.takes + _KEPT:
            job |= {"status": "EXPIRED", "url": None}
        return dict(job)

    def _put(self, job: Json, rows: list[Json]) -> str | None:
        if not rows:
            return None
        content = b"".join(json_bytes(row) + b"\n" for row in rows)
        target = f"{FILES}{job['id'].rpartition('/')[2]}.jsonl?signature=made-up-{len(self._files)}"
        self._files[target] = content
        job["fileSize"] = str(len(content))
        return self.root + target

    def _rows(self, query: str) -> list[Json]:
        """Parents and children, each a row of its own; where they are not grouped, children come last."""
        export, table = self._tables[query]
        parents: list[list[Json]] = []
        for node in table():
            pages = {name: value["nodes"] for name, value in node.items() if _is_page(value)}
            bare = {name: value for name, value in node.items() if name not in pages}
            below = [{**row, "__parentId": node["id"]} for rows in pages.values() for row in rows]
            parents.append([bare, *below])
        if export.grouped:
            return [row for rows in parents for row in rows]
        return [rows[0] for rows in parents] + [row for rows in parents for row in rows[1:]]


def _is_page(value: object) -> bool:
    return isinstance(value, dict) and "nodes" in value
