"""Square's customers, payments, refunds, stock counts, locations and catalogue items as canonical snapshots."""

from __future__ import annotations

from uuid import UUID

from omnibridge.connector import Observation, Occurrence, Snapshot
from omnibridge.model import (
    Address,
    Basis,
    Consent,
    ConsentState,
    ContactPoint,
    Customer,
    InventoryLevel,
    Location,
    Medium,
    Money,
    Payment,
    PaymentMethod,
    PaymentState,
    Price,
    Product,
    ProductStatus,
    Proof,
    Ref,
    Refund,
    RefundState,
    Variant,
    consent_key,
    email_or_none,
    phone_or_none,
)
from omnibridge_square.wire import Fields, Node, nanoseconds

__all__ = [
    "address",
    "count",
    "count_id",
    "customer",
    "item",
    "link",
    "location",
    "ours",
    "payment",
    "reference",
    "refund",
]

_METHODS = {
    "CARD": PaymentMethod.CARD,
    "CASH": PaymentMethod.CASH,
    "BANK_ACCOUNT": PaymentMethod.BANK,
    "WALLET": PaymentMethod.WALLET,
    "SQUARE_ACCOUNT": PaymentMethod.WALLET,
}
_PAYMENTS = {
    "PENDING": PaymentState.PENDING,
    "APPROVED": PaymentState.AUTHORIZED,
    "COMPLETED": PaymentState.CAPTURED,
    "CANCELED": PaymentState.CANCELLED,
    "FAILED": PaymentState.FAILED,
}
_REFUNDS = {
    "PENDING": RefundState.PENDING,
    "COMPLETED": RefundState.COMPLETED,
    "REJECTED": RefundState.REJECTED,
    "FAILED": RefundState.FAILED,
}
_CARD_SECRETS = (
    "bin",
    "last_4",
    "exp_month",
    "exp_year",
    "fingerprint",
    "cardholder_name",
    "billing_address",
    "reference_id",
    "id",
)


def link(kind: str, external_id: str | None) -> Ref | None:
    """A link to another of Square's records, or None without an id."""
    return Ref(kind=kind, external_id=external_id) if external_id else None


def ours(reference_id: str | None) -> str | None:
    """The canonical id in a `reference_id` field, or None when some other application wrote it.

    Canonical ids are UUIDs of version 5 in lower case; anything else in the field is a stranger's.
    """
    if reference_id is None or len(reference_id) != 36:
        return None
    try:
        id_ = UUID(reference_id)
    except ValueError:
        return None
    return reference_id if id_.version == 5 and str(id_) == reference_id else None


def reference(node: Node) -> str | None:
    """Takes `reference_id`: the canonical id, or None, and then what stands there is kept."""
    id_ = ours(node.text("reference_id"))
    if id_ is None:
        node.leave("reference_id")
    return id_


def address(node: Node) -> Address:
    """A postal address; its sub-localities and further districts stay in the rest."""
    fields: Fields = {}
    names = [part for part in (node.text("first_name"), node.text("last_name")) if part]
    if names:
        fields["name"] = " ".join(names)
    for theirs, name in (
        ("address_line_1", "street"),
        ("locality", "city"),
        ("administrative_district_level_1", "region"),
        ("postal_code", "postal_code"),
        ("country", "country"),
    ):
        if node.has(theirs):
            fields[name] = node.text(theirs)
    further = [part for part in (node.text("address_line_2"), node.text("address_line_3")) if part]
    if further:
        fields["street2"] = ", ".join(further)
    return Address(**fields)


def _contact(node: Node, fields: Fields, region: str | None) -> None:
    points: list[ContactPoint] = []
    for theirs, name in (("email_address", "email"), ("phone_number", "phone")):
        if not node.has(theirs):
            continue
        raw = node.text(theirs)
        value = email_or_none(raw) if name == "email" else phone_or_none(raw, region)
        if value is not None or not raw:
            fields[name] = value
        else:
            points.append(ContactPoint(medium=name, raw=raw))
    if points:
        fields["contact_points"] = tuple(points)


def customer(
    node: Node, region: str | None, context: Node | None = None, *, deleted: bool = False
) -> list[Observation]:
    """A customer profile, and the withdrawal that `preferences.email_unsubscribed` tells.

    The field says that a person unsubscribed from marketing emails; false says nothing about a permission (Square,
    Customers API reference). A merge deletes the merged profiles and makes a new one; `event_context.merge` names
    both sides (Square, "Use Customer Webhooks"): the deleted profile points at the survivor.
    """
    id_ = node.need("id")
    version = node.whole("version")
    fields: Fields = {}
    _contact(node, fields, region)
    for theirs, name in (
        ("given_name", "given_name"),
        ("family_name", "family_name"),
        ("company_name", "company"),
        ("note", "note"),
    ):
        if node.has(theirs):
            fields[name] = node.text(theirs)
    born = node.day("birthday")
    if born is not None or (node.has("birthday") and "birthday" not in node.rest()):
        fields["birthday"] = born
    home = node.node("address")
    if home is not None:
        fields["addresses"] = (address(home),)
    elif node.has("address"):
        fields["addresses"] = ()
    _times(node, fields)
    own = reference(node)
    preferences = node.node("preferences")
    unsubscribed = preferences is not None and preferences.truth("email_unsubscribed")
    merged = context.node("merge") if context is not None else None
    aliases: list[str] = []
    if merged is not None:
        survivor = merged.text("to_customer_id")
        aliases = [one for one in merged.texts("from_customer_ids") if one != id_]
        if survivor and survivor != id_:
            fields["merged_into"] = link("customer", survivor)
            aliases = []
    fields["vendor"] = node.rest()
    entity = Customer(**_told(fields))
    found: list[Observation] = []
    if not deleted or "merged_into" in fields:
        found.append(Snapshot(entity, id_, version, aliases=tuple(aliases), ours=own))
    if deleted:
        found.append(Snapshot(entity, id_, version, deleted=True, ours=own))
    email = fields.get("email")
    if unsubscribed and email:
        found.append(_withdrawn(email, id_))
    return found


def _withdrawn(email: str, customer_id: str) -> Snapshot:
    consent = Consent(
        contact=email,
        medium=Medium.EMAIL,
        state=ConsentState.WITHDRAWN,
        basis=Basis.VENDOR_OPT_OUT,
        proof=Proof(source="square", detail="preferences.email_unsubscribed"),
        customer=link("customer", customer_id),
    )
    # Without a version: two profiles may share an address, and their version numbers do not compare.
    return Snapshot(consent, consent_key(email, Medium.EMAIL))


def _times(node: Node, fields: Fields) -> None:
    for name in ("created_at", "updated_at"):
        if node.has(name):
            fields[name] = node.instant(name)


def _told(fields: Fields) -> Fields:
    """Without a `vendor` that holds nothing: what was not told is not set."""
    return {name: value for name, value in fields.items() if name != "vendor" or value}


def _links(node: Node, fields: Fields) -> None:
    for theirs, name, kind in (
        ("order_id", "order", "order"),
        ("customer_id", "customer", "customer"),
        ("location_id", "location", "location"),
    ):
        if node.has(theirs):
            fields[name] = link(kind, node.text(theirs))


def payment(node: Node) -> Snapshot:
    """A payment. Card numbers, even parts of them, stay behind; `updated_at` is the version."""
    id_ = node.need("id")
    amount = node.money("amount_money")
    fields: Fields = {"amount": amount} if amount is not None else {}
    _links(node, fields)
    _times(node, fields)
    if node.has("tip_money"):
        fields["tip"] = node.money("tip_money")
    card = node.node("card_details")
    plastic = card.node("card") if card is not None else None
    if plastic is not None:
        plastic.skip(*_CARD_SECRETS)
    if card is not None:
        card.skip("application_cryptogram", "auth_result_code")
    if node.has("source_type"):
        raw = node.text("source_type")
        brand = plastic.text("card_brand") if plastic is not None else None
        if plastic is not None:
            plastic.leave("card_brand")
        gift = raw == "CARD" and brand == "SQUARE_GIFT_CARD"
        fields["method"] = PaymentMethod.GIFT_CARD if gift else _METHODS.get(raw or "", PaymentMethod.OTHER)
        fields["method_raw"] = raw
    if node.has("status"):
        raw = node.text("status")
        fields["state"] = _PAYMENTS.get(raw or "", PaymentState.OTHER)
        fields["state_raw"] = raw
    node.skip("version_token")
    own = reference(node)
    fields["vendor"] = node.rest()
    return Snapshot(Payment(**_told(fields)), id_, fields.get("updated_at"), ours=own)


def refund(node: Node) -> Snapshot:
    """Money that goes back; `updated_at` is the version, as only webhooks carry Square's own."""
    id_ = node.need("id")
    fields: Fields = {}
    if node.has("amount_money"):
        fields["amount"] = node.money("amount_money")
    for theirs, name, kind in (
        ("order_id", "order", "order"),
        ("payment_id", "payment", "payment"),
        ("location_id", "location", "location"),
    ):
        if node.has(theirs):
            fields[name] = link(kind, node.text(theirs))
    if node.has("reason"):
        fields["reason"] = node.text("reason")
    if node.has("status"):
        raw = node.text("status")
        fields["state"] = _REFUNDS.get(raw or "", RefundState.OTHER)
        fields["state_raw"] = raw
    _times(node, fields)
    node.skip("version")
    fields["vendor"] = node.rest()
    return Snapshot(Refund(**_told(fields)), id_, fields.get("updated_at"))


def count_id(variation: str, location_id: str) -> str:
    """The external id of a stock level: the catalogue object and the location."""
    return f"{variation}:{location_id}"


def count(node: Node, key: str) -> Observation:
    """One stock count. `IN_STOCK` is what can be sold and becomes a level; other states are occurrences.

    Each state is counted and timed on its own, so a count of another state must not make a sellable one look old.
    `key` identifies the occurrence.
    """
    variation, place = node.need("catalog_object_id"), node.need("location_id")
    state, raw = node.text("state"), node.text("calculated_at")
    at = node.instant("calculated_at")
    quantity = node.decimal("quantity")
    if state != "IN_STOCK":
        data = {
            "catalog_object_id": variation,
            "location_id": place,
            "state": state,
            "quantity": None if quantity is None else str(quantity),
            "calculated_at": raw,
            **node.rest(),
        }
        subject = Ref(kind="inventory", external_id=count_id(variation, place))
        return Occurrence(key, "square.inventory.count.updated", data, subject, at)
    fields: Fields = {"variant": link("variant", variation), "location": link("location", place)}
    if quantity is not None:
        fields["available"] = quantity
    if at is not None:
        fields["counted_at"] = at
    fields["vendor"] = node.rest()
    version = None if raw is None else nanoseconds(raw)
    return Snapshot(InventoryLevel(**_told(fields)), count_id(variation, place), version)


def location(node: Node) -> Snapshot:
    """A shop or another place; only `ACTIVE` sells."""
    id_ = node.need("id")
    fields: Fields = {"name": node.text("name") or id_}
    if node.has("status"):
        fields["active"] = node.text("status") == "ACTIVE"
    place = node.node("address")
    if place is not None:
        fields["address"] = address(place)
    if node.has("timezone"):
        fields["timezone"] = node.text("timezone")
    if node.has("created_at"):
        fields["created_at"] = node.instant("created_at")
    fields["vendor"] = node.rest()
    return Snapshot(Location(**_told(fields)), id_)


def item(node: Node) -> Snapshot:
    """A catalogue item with its variations; `version` is Square's, and a deleted item says so."""
    id_, version = node.need("id"), node.whole("version")
    gone = bool(node.truth("is_deleted"))
    node.skip("type")
    data = node.node("item_data")
    if data is None:
        if gone:
            return Snapshot.gone(Product.KIND, id_, version)
        data = Node({}, f"{node.where}.item_data")
    fields: Fields = {"title": data.text("name") or id_}
    for theirs in ("description_plaintext", "description"):
        if "description" not in fields and data.has(theirs):
            fields["description"] = data.text(theirs)
    if data.has("is_archived"):
        archived = data.truth("is_archived")
        fields["status"] = ProductStatus.ARCHIVED if archived else ProductStatus.ACTIVE
    if data.has("variations"):
        fields["variants"] = tuple(_variant(one) for one in data.nodes("variations"))
    if node.has("updated_at"):
        fields["updated_at"] = node.instant("updated_at")
    fields["vendor"] = node.rest()
    return Snapshot(Product(**_told(fields)), id_, version, deleted=gone)


def _variant(node: Node) -> Variant:
    id_ = node.need("id")
    node.skip("type")
    fields: Fields = {"external_id": id_, "inventory_external_id": id_}
    data = node.node("item_variation_data")
    if data is not None:
        for theirs, name in (("sku", "sku"), ("upc", "barcode"), ("name", "title")):
            if data.has(theirs):
                fields[name] = data.text(theirs)
        price: Money | None = data.money("price_money")
        if price is not None:
            fields["prices"] = (Price(amount=price),)
        data.skip("item_id")
    return Variant(**fields)
