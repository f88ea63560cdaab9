"""The customers of the sandbox's shop, and what each operation of the connector does to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from omnibridge_shopify.graphql import Json
from omnibridge_shopify.parts import gid, gid_number
from omnibridge_shopify.sandbox_bodies import local
from omnibridge_shopify.sandbox_graph import connection, zulu
from omnibridge_shopify.sandbox_ledger import Ledger, Operation, problem, since

__all__ = ["Customers"]


class Customers:
    """Customers as `Customer` nodes, by number."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.customers: dict[int, Json] = {}
        self._custom_ids: dict[str, int] = {}
        self.operations: dict[str, Operation] = {
            "Customer": lambda v: {"customer": self.customers.get(int(gid_number(v["id"])))},
            "CustomerByIdentifier": lambda v: {"customerByIdentifier": self._identified(v["identifier"])},
            "Customers": self._customers_page,
            "CustomerSet": self._customer_set,
            "TagsAdd": lambda v: {"tagsAdd": self._tag(v, add=True)},
            "TagsRemove": lambda v: {"tagsRemove": self._tag(v, add=False)},
            "EmailConsent": self._email_consent,
            "SmsConsent": self._sms_consent,
        }

    def add_customer(
        self,
        *,
        email: str | None = None,
        phone: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        tags: Sequence[str] = (),
        subscribed: bool = False,
    ) -> Json:
        """A customer comes about in the shop, with or without consent to both media; the node."""
        node = self._blank(self._ledger.number())
        node |= {"firstName": first_name, "lastName": last_name, "tags": sorted(tags)}
        self._contact(node, "email", email)
        self._contact(node, "phone", phone)
        for holder in ("defaultEmailAddress", "defaultPhoneNumber"):
            if subscribed and node[holder]:
                node[holder] |= {
                    "marketingState": "SUBSCRIBED",
                    "marketingOptInLevel": "SINGLE_OPT_IN",
                    "marketingUpdatedAt": node["createdAt"],
                }
        self._customer_changed(node, created=True)
        return node

    def _blank(self, number: int) -> Json:
        at = self._ledger.stamp()
        node: Json = {
            "id": gid("Customer", str(number)),
            "legacyResourceId": str(number),
            "firstName": None,
            "lastName": None,
            "note": None,
            "state": "DISABLED",
            "verifiedEmail": True,
            "taxExempt": False,
            "tags": [],
            "createdAt": at,
            "updatedAt": at,
            "defaultEmailAddress": None,
            "defaultPhoneNumber": None,
            "defaultAddress": None,
            "addressesV2": {"nodes": []},
        }
        self.customers[number] = node
        return node

    def _contact(self, node: Json, kind: str, value: str | None) -> None:
        holder, name = (
            ("defaultEmailAddress", "emailAddress") if kind == "email" else ("defaultPhoneNumber", "phoneNumber")
        )
        before: Json | None = node[holder]
        if value == (before[name] if before else None):
            return
        made: Json = {
            name: value,
            "marketingState": "NOT_SUBSCRIBED",
            "marketingOptInLevel": "SINGLE_OPT_IN",
            "marketingUpdatedAt": None,
        }
        if kind == "phone":
            made["marketingCollectedFrom"] = "OTHER"
        node[holder] = made if value else None

    def _customer_changed(self, node: Json, *, created: bool = False) -> None:
        later = datetime.fromisoformat(node["updatedAt"]) + timedelta(seconds=0 if created else 1)
        node["updatedAt"] = max(later, datetime.fromisoformat(self._ledger.stamp())).isoformat().replace("+00:00", "Z")
        verb, enum = ("create", "CUSTOMERS_CREATE") if created else ("update", "CUSTOMERS_UPDATE")
        self._ledger.announce(f"customers/{verb}", enum, customer_body(node, self._ledger.currency))

    def _identified(self, identifier: Json) -> Json | None:
        (kind, value), *_ = identifier.items()
        if kind == "id":
            return self.customers.get(int(gid_number(value)))
        if kind == "customId":
            return self.customers.get(self._custom_ids.get(value["value"], -1))
        holder, name = (
            ("defaultEmailAddress", "emailAddress") if "email" in kind else ("defaultPhoneNumber", "phoneNumber")
        )
        wanted = str(value).lower()
        return next(
            (node for node in self.customers.values() if node[holder] and node[holder][name].lower() == wanted), None
        )

    def _customers_page(self, variables: Json) -> Json:
        nodes = since(list(self.customers.values()), variables["query"])
        return {"customers": connection(nodes, min(variables["first"], self._ledger.largest_page), variables["after"])}

    def _customer_set(self, variables: Json) -> Json:
        identifier: Json | None = variables.get("identifier")
        given: Json = variables["input"]
        node = self._identified(identifier) if identifier else None
        errors = self._customer_errors(identifier, given, node)
        if errors:
            return {"customerSet": {"customer": None, "userErrors": errors}}
        created = node is None
        if node is None:
            number = self._ledger.number()
            node = self._blank(number)
            if identifier and "customId" in identifier:
                self._custom_ids[identifier["customId"]["value"]] = number
        before = repr(node)
        for name in ("firstName", "lastName", "note"):
            if name in given:
                node[name] = given[name]
        for kind in ("email", "phone"):
            if kind in given:
                self._contact(node, kind, given[kind])
        if "addresses" in given:
            number = gid_number(node["id"])
            nodes = [
                {"id": gid("MailingAddress", f"{number}{place:03}"), **_address(item)}
                for place, item in enumerate(given["addresses"])
            ]
            node["addressesV2"] = {"nodes": nodes}
            node["defaultAddress"] = nodes[0] if nodes else None
        if created or repr(node) != before:
            self._customer_changed(node, created=created)
        return {"customerSet": {"customer": node, "userErrors": []}}

    def _customer_errors(self, identifier: Json | None, given: Json, node: Json | None) -> list[Json]:
        if identifier and "id" in identifier and node is None:
            return [problem(["input"], "Resource matching the identifier was not found.", "NOT_FOUND")]
        for kind in ("email", "phone"):
            if identifier and kind in identifier and given.get(kind) != identifier[kind]:
                return [problem(["input"], f"The {kind} does not match the identifier.", "INPUT_MISMATCH")]
            value = given.get(kind)
            other = self._identified({kind: value}) if value else None
            if other is not None and other is not node:
                return [problem(["input", kind], f"{kind.capitalize()} has already been taken", "TAKEN")]
        if node is None and not any(given.get(name) for name in ("email", "phone", "firstName", "lastName")):
            return [problem(["input"], "A name, phone number, or email address must be present", "BLANK")]
        return []

    def _tag(self, variables: Json, *, add: bool) -> Json:
        node = self.customers.get(int(gid_number(variables["id"])))
        if node is None:
            return {"node": None, "userErrors": [problem(["id"], "Resource not found")]}
        given = {part.strip().casefold(): part.strip() for tag in variables["tags"] for part in tag.split(",")}
        current = {tag.casefold(): tag for tag in node["tags"]}
        after = {**given, **current} if add else {key: tag for key, tag in current.items() if key not in given}
        if after != current:
            node["tags"] = [after[key] for key in sorted(after)]
            self._customer_changed(node)
            topic, enum = (
                ("customer.tags_added", "CUSTOMER_TAGS_ADDED")
                if add
                else ("customer.tags_removed", "CUSTOMER_TAGS_REMOVED")
            )
            body = {"customerId": node["id"], "tags": list(given.values()), "occurredAt": self._ledger.stamp()}
            self._ledger.announce(topic, enum, body)
        return {"node": {"__typename": "Customer", **node}, "userErrors": []}

    def _email_consent(self, variables: Json) -> Json:
        given = variables["input"]
        payload = self._consent(given["customerId"], given["emailMarketingConsent"], "defaultEmailAddress")
        return {"customerEmailMarketingConsentUpdate": payload}

    def _sms_consent(self, variables: Json) -> Json:
        given = variables["input"]
        payload = self._consent(given["customerId"], given["smsMarketingConsent"], "defaultPhoneNumber")
        return {"customerSmsMarketingConsentUpdate": payload}

    def _consent(self, customer: str, given: Json, holder: str) -> Json:
        node = self.customers.get(int(gid_number(customer)))
        if node is None or node[holder] is None:
            message = "The customer has no contact to consent for"
            return {"customer": None, "userErrors": [problem(["input", "customerId"], message, "INVALID")]}
        state, level = given["marketingState"], given.get("marketingOptInLevel")
        at = given.get("consentUpdatedAt") or self._ledger.stamp()
        wrong = None
        if state not in ("SUBSCRIBED", "PENDING", "UNSUBSCRIBED"):
            wrong = f"Cannot specify {state} as a marketing state input"
        elif state == "PENDING" and level != "CONFIRMED_OPT_IN":
            wrong = "Marketing opt in level must be confirmed opt-in for pending consent state"
        elif datetime.fromisoformat(at) > self._ledger.now():
            wrong = "Consent updated at must not be in the future"
        if wrong:
            return {"customer": None, "userErrors": [problem(["input"], wrong, "INVALID")]}
        held: Json = node[holder]
        after = {
            "marketingState": state,
            "marketingOptInLevel": level or held["marketingOptInLevel"],
            "marketingUpdatedAt": zulu(at),
        }
        if after != {name: held[name] for name in after}:
            held |= after
            self._customer_changed(node)
            self._consent_webhook(node, holder)
        return {"customer": node, "userErrors": []}

    def _consent_webhook(self, node: Json, holder: str) -> None:
        held: Json = node[holder]
        said: Json = {
            "state": held["marketingState"].lower(),
            "opt_in_level": held["marketingOptInLevel"].lower(),
            "consent_updated_at": held["marketingUpdatedAt"],
        }
        id_ = int(node["legacyResourceId"])
        if holder == "defaultEmailAddress":
            body: Json = {"customer_id": id_, "email_address": held["emailAddress"], "email_marketing_consent": said}
            topic, enum = "customers_email_marketing_consent/update", "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE"
        else:
            said["consent_collected_from"] = held["marketingCollectedFrom"].lower()
            body = {"id": id_, "phone": held["phoneNumber"], "sms_marketing_consent": said}
            topic, enum = "customers_marketing_consent/update", "CUSTOMERS_MARKETING_CONSENT_UPDATE"
        self._ledger.announce(topic, enum, body)


def _address(given: Json) -> Json:
    first, last = given.get("firstName"), given.get("lastName")
    return {
        "name": " ".join(part for part in (first, last) if part) or None,
        "firstName": first,
        "lastName": last,
        "company": given.get("company"),
        "address1": given.get("address1"),
        "address2": given.get("address2"),
        "city": given.get("city"),
        "province": given.get("province"),
        "provinceCode": given.get("provinceCode"),
        "zip": given.get("zip"),
        "country": given.get("country") or given.get("countryCode"),
        "countryCodeV2": given.get("countryCode"),
        "phone": given.get("phone"),
    }


def customer_body(node: Json, currency: str) -> Json:
    """A customer's webhook body, made of a `Customer` of GraphQL; without tags and consents, as since 2025-01."""
    id_ = int(node["legacyResourceId"])
    email: Json | None = node["defaultEmailAddress"]
    phone: Json | None = node["defaultPhoneNumber"]
    addresses = [_rest_address(item, id_, index) for index, item in enumerate(node["addressesV2"]["nodes"])]
    return {
        "id": id_,
        "created_at": local(datetime.fromisoformat(node["createdAt"])),
        "updated_at": local(datetime.fromisoformat(node["updatedAt"])),
        "first_name": node["firstName"],
        "last_name": node["lastName"],
        "state": node["state"].lower(),
        "note": node["note"],
        "verified_email": node["verifiedEmail"],
        "multipass_identifier": None,
        "tax_exempt": node["taxExempt"],
        "email": email["emailAddress"] if email else None,
        "phone": phone["phoneNumber"] if phone else None,
        "currency": currency,
        "addresses": addresses,
        "tax_exemptions": [],
        "admin_graphql_api_id": node["id"],
        "default_address": addresses[0] if addresses else None,
    }


def _rest_address(item: Json, customer: int, index: int) -> Json:
    plain = ("name", "company", "address1", "address2", "city", "province", "zip", "country", "phone")
    return {
        "id": customer * 10 + index,
        "customer_id": customer,
        **{name: item[name] for name in plain},
        "first_name": item["firstName"],
        "last_name": item["lastName"],
        "province_code": item["provinceCode"],
        "country_code": item["countryCodeV2"],
        "country_name": item["country"],
        "default": index == 0,
    }
