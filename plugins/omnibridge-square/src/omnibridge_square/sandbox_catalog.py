"""The sandbox's catalogue: items with their variations, replaced whole under their version."""

from __future__ import annotations

import copy
import html

from omnibridge_square.sandbox_ledgers import LedgersSandbox
from omnibridge_square.sandbox_orders import invalid
from omnibridge_square.wire import Json, instant, wire_instant

__all__ = ["CatalogSandbox"]


class CatalogSandbox(LedgersSandbox):
    """The catalogue."""

    def edit_item(self, id_: str, **fields: object) -> None:
        """Staff change an item at the till."""
        record = self.items[id_]
        record["item_data"] |= fields
        self._stamp(record)

    def _catalog(self, method: str, parts: list[str], body: Json) -> Json:
        match (method, *parts):
            case ("POST", "search"):
                return self._search_catalog(body)
            case ("GET", "object", id_):
                return {"object": self._known(self.items, id_)}
            case ("POST", "batch-upsert"):
                return self._once(body, lambda: self._upsert(body))
            case _:
                raise invalid("NOT_FOUND", "Resource not found.", status=404)

    def _search_catalog(self, body: Json) -> Json:
        since = instant(body["begin_time"]) if "begin_time" in body else None
        found = [one for one in self.items.values() if since is None or instant(one["updated_at"]) > since]
        if "ITEM" not in body["object_types"]:
            found = [part for one in found for part in one.get("item_data", {}).get("variations", [])]
        exact: Json | None = body.get("query", {}).get("exact_query")
        if exact is not None:
            name, part = exact["attribute_name"], exact["attribute_value"].lower()
            found = [one for one in found if part in str(one["item_variation_data"].get(name, "")).lower()]
        return self._page("objects", found, body)

    def _upsert(self, body: Json) -> Json:
        made: list[Json] = []
        mappings: list[Json] = []
        for batch in body["batches"]:
            for told in batch["objects"]:
                record: Json = copy.deepcopy(told)
                known = self.items.get(record["id"])
                if record["id"].startswith("#"):
                    self._named(record, "ITEM", mappings)
                elif known is None:
                    raise invalid("NOT_FOUND", "There is no such object.", "batches.objects.id", 404)
                elif record.get("version") != known["version"]:
                    raise invalid("VERSION_MISMATCH", "The object has another version.", "batches.objects.version")
                self._write_item(record, mappings)
                self.items[record["id"]] = record
                made.append(record)
        answer: Json = {"objects": made, "updated_at": wire_instant(self.now())}
        return {**answer, "id_mappings": mappings} if mappings else answer

    def _named(self, record: Json, word: str, mappings: list[Json]) -> None:
        own = self._id(word)
        mappings.append({"client_object_id": record["id"], "object_id": own})
        record["id"] = own

    def _write_item(self, record: Json, mappings: list[Json]) -> None:
        data: Json = record["item_data"]
        if not data.get("name"):
            raise invalid("VALUE_EMPTY", "An item needs a name.", "batches.objects.item_data.name")
        if not data.get("variations"):
            raise invalid("VALUE_EMPTY", "An item needs a variation.", "batches.objects.item_data.variations")
        if "description_html" in data:
            data["description"] = data["description_plaintext"] = html.unescape(data["description_html"])
        for place, part in enumerate(data["variations"]):
            part["item_variation_data"]["ordinal"] = place
            if part["id"].startswith("#"):
                self._named(part, "VAR", mappings)
            part["item_variation_data"]["item_id"] = record["id"]
        self._stamp(record)

    def _stamp(self, record: Json) -> None:
        """Give an object and what is in it the next version, and tell that the catalogue changed."""
        self.catalog_version += 1
        at = wire_instant(self.now())
        for one in (record, *record["item_data"]["variations"]):
            one |= {"version": self.catalog_version, "updated_at": at, "is_deleted": False}
        told = {"catalog_version": {"updated_at": at}}
        self._notify("catalog.version.updated", "catalog", "", told)
