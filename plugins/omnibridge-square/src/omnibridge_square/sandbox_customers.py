"""The sandbox's customer profiles: versions, searches with a lagging index, and merges."""

from __future__ import annotations

from omnibridge.model import email_or_none, phone_or_none
from omnibridge_square.sandbox_base import SandboxBase, matches
from omnibridge_square.sandbox_orders import invalid
from omnibridge_square.wire import Json, instant, wire_instant

__all__ = ["CustomersSandbox"]

_PROFILE = (
    "given_name",
    "family_name",
    "company_name",
    "nickname",
    "email_address",
    "address",
    "phone_number",
    "reference_id",
    "note",
    "birthday",
    "tax_ids",
)


class CustomersSandbox(SandboxBase):
    """Customer profiles."""

    def edit_customer(self, id_: str, **fields: object) -> None:
        """A member of staff changes a profile at the till; None clears a field."""
        self._write_customer(self.customers[id_], fields)
        self._notify("customer.updated", "customer", id_, {"customer": self.customers[id_]})

    def merge_customers(self, *ids: str) -> str:
        """Staff merge profiles: they are deleted, and a new one takes their place; returns its id."""
        fields: Json = {}
        for id_ in reversed(ids):
            fields |= {name: value for name, value in self.customers[id_].items() if name in _PROFILE}
        new = self._create_customer(fields, "MERGE")
        context = {"merge": {"from_customer_ids": list(ids), "to_customer_id": new["id"]}}
        for id_ in ids:
            gone = self.customers.pop(id_)
            self.merged[id_] = new["id"]
            told = {"customer": gone, "event_context": context}
            self._notify("customer.deleted", "customer", id_, told, deleted=True)
        self._notify("customer.created", "customer", new["id"], {"customer": new, "event_context": context})
        return str(new["id"])

    def _customer(self, id_: str) -> Json:
        id_ = self.merged.get(id_, id_)
        if id_ not in self.customers:
            raise invalid("NOT_FOUND", f"Customer with ID `{id_}` not found.", status=404)
        return self.customers[id_]

    def _write_customer(self, record: Json, fields: Json) -> None:
        told = {name: value for name, value in fields.items() if name in (*_PROFILE, "preferences")}
        self._check_profile(told)
        for name, value in told.items():
            if value is None:
                record.pop(name, None)
            elif name == "address":
                whole = {**record.get(name, {}), **value}
                record[name] = {key: one for key, one in whole.items() if one is not None}
                if not record[name]:
                    del record[name]
            else:
                record[name] = value
        record["version"] = record.get("version", -1) + 1
        record["updated_at"] = wire_instant(self.now())

    def _check_profile(self, fields: Json) -> None:
        email, phone = fields.get("email_address"), fields.get("phone_number")
        if email and email_or_none(email) is None:
            raise invalid("INVALID_EMAIL_ADDRESS", "Expected email_address to be a valid email.", "email_address")
        if phone and phone_or_none(phone, "US") is None:
            raise invalid("INVALID_PHONE_NUMBER", "Expected phone_number to be a valid phone number.", "phone_number")

    def _create_customer(self, fields: Json, source: str) -> Json:
        record: Json = {
            "id": self._id("CUS"),
            "created_at": wire_instant(self.now()),
            "creation_source": source,
            "preferences": {"email_unsubscribed": False},
        }
        self._write_customer(record, fields)
        self.customers[record["id"]] = record
        return record

    def _new_customer(self, body: Json) -> Json:
        if not any(body.get(name) for name in (*_PROFILE[:3], "email_address", "phone_number")):
            raise invalid("BAD_REQUEST", "At least one of the name, company, email or phone fields is required.")
        record = self._create_customer(body, "THIRD_PARTY")
        self._notify("customer.created", "customer", record["id"], {"customer": record})
        return record

    def _change_customer(self, id_: str, body: Json) -> Json:
        record = self._customer(id_)
        if "version" in body and body["version"] != record["version"]:
            raise invalid("VERSION_MISMATCH", "The profile has another version.", "version", 409)
        self._write_customer(record, body)
        self._notify("customer.updated", "customer", record["id"], {"customer": record})
        return record

    def _delete_customer(self, id_: str) -> None:
        record = self._customer(id_)
        del self.customers[id_]
        self._notify("customer.deleted", "customer", id_, {"customer": record})

    def _search_customers(self, body: Json) -> Json:
        filters: Json = body.get("query", {}).get("filter", {})
        seen = self.now() - self.search_lag
        found = [
            one
            for one in self.customers.values()
            if instant(one["created_at"]) <= seen and all(matches(one, name, want) for name, want in filters.items())
        ]
        found.sort(key=lambda one: (one["created_at"], one["id"]))
        return self._page("customers", found, body)
