"""Customers to members: written without ever subscribing anybody, moved when the address changes, tagged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from omnibridge.connector import Delivery, Http, Receipt, Reference, Response, Snapshot, Upsert
from omnibridge.errors import Permanent
from omnibridge.model import Address, Customer
from omnibridge_mailchimp.members import ADDRESS, customer_snapshot
from omnibridge_mailchimp.refusals import refusal
from omnibridge_mailchimp.segments import write_segments
from omnibridge_mailchimp.settings import MailchimpSettings
from omnibridge_mailchimp.wire import Json, Member, read_model, subscriber_hash

__all__ = [
    "SKIP_VALIDATION",
    "MemberBody",
    "delete_member",
    "if_new",
    "member_body",
    "normal_customer",
    "path_of",
    "restricted",
    "upsert_member",
]

SKIP_VALIDATION = {"skip_merge_validation": "true"}
"""Query parameters of a write: required merge fields may be empty, as another system does not know them."""

_TEXT = 255  # the longest text that a merge field takes
_NAMES = {"given_name": "FNAME", "family_name": "LNAME", "company": "COMPANY", "phone": "PHONE"}
_REGIONAL = frozenset({"fr_CA", "pt_PT", "es_ES"})
_TAGS_PER_MEMBER_ANSWER = 50


@dataclass(frozen=True, slots=True)
class MemberBody:
    """What is written: the request's members, and by which names of ours to look at the answer."""

    fields: Json = field(default_factory=dict[str, object])
    written: frozenset[str] = frozenset()
    custom: tuple[str, ...] = ()


def path_of(settings: MailchimpSettings, member: str) -> str:
    """The path of a member, by its hash or contact id."""
    return f"/lists/{settings.list_id}/members/{member}"


# ── What Mailchimp would keep ─────────────────────────────────────────────────────────────────────────────────


def _complete(address: Address) -> bool:
    """Mailchimp takes an address only with street, city, region and postal code; otherwise it refuses the member."""
    return all(_cut(part) for part in (address.street, address.city, address.region, address.postal_code))


def _cut(text: str | None) -> str | None:
    return (text or "").strip()[:_TEXT].strip() or None


def _language(locale: str | None) -> str | None:
    """Mailchimp's code: a language, with a region for three that it tells apart (`pt_PT`)."""
    if not locale:
        return None
    language, _, region = locale.replace("-", "_").partition("_")
    full = f"{language.lower()}_{region.upper()}"
    return full if full in _REGIONAL else language.lower()


def normal_customer(settings: MailchimpSettings, customer: Customer) -> Customer:
    """What a member can hold of a customer: e-mail, names, company, phone, language, one complete address, tags.

    Idempotent; a field that is not set stays unset.
    """
    told = customer.model_fields_set
    kept: dict[str, object] = {}
    if customer.id is not None:
        kept["id"] = customer.id
    if "email" in told:
        kept["email"] = customer.email
    for name in ("given_name", "family_name", "company"):
        if name in told:
            kept[name] = _cut(getattr(customer, name))
    if "phone" in told:
        kept["phone"] = customer.phone
    if "locale" in told:
        language = _language(customer.locale)
        kept["locale"] = language.replace("_", "-") if language else None
    if "addresses" in told:
        complete = [address for address in customer.addresses if _complete(address)]
        if complete or not customer.addresses:
            parts = {name: _cut(getattr(address, name)) for address in complete[:1] for name in ADDRESS.values()}
            kept["addresses"] = (Address.model_validate({n: v for n, v in parts.items() if v}),) if parts else ()
    if "tags" in told:
        kept["tags"] = tuple(sorted({tag.strip() for tag in customer.tags if tag.strip()}))
    return Customer.model_validate(kept)


def member_body(settings: MailchimpSettings, customer: Customer, custom: Mapping[str, JsonValue]) -> MemberBody:
    """The request for a customer; raises Permanent for a mapped field that is none of a member's."""
    kept = normal_customer(settings, customer)
    told = kept.model_fields_set
    merges: Json = {tag: getattr(kept, name) or "" for name, tag in _NAMES.items() if name in told}
    if "addresses" in told:
        merges["ADDRESS"] = (
            {part: getattr(kept.addresses[0], name) or "" for part, name in ADDRESS.items()} if kept.addresses else ""
        )
    interests: Json = {}
    for name, value in custom.items():
        area, _, key = name.partition(".")
        if area == "merges" and key:
            merges[key] = "" if value is None else value
        elif area == "interests" and key and isinstance(value, bool):
            interests[key] = value
        elif area == "segments" and key.isdecimal() and isinstance(value, bool):
            continue  # written by a request of its own
        else:
            raise Permanent(
                f"{name} is no field of a Mailchimp member",
                where="map",
                remedy="map to merges.<TAG>, or to interests.<id> or segments.<id> with true or false",
            )
    fields: Json = {}
    if kept.email is not None:
        fields["email_address"] = kept.email
    if merges:
        fields["merge_fields"] = merges
    if interests:
        fields["interests"] = interests
    if "locale" in told and kept.locale:
        fields["language"] = kept.locale.replace("-", "_")
    return MemberBody(fields, frozenset(told - {"id", "tags"}), tuple(custom))


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────


async def upsert_member(settings: MailchimpSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    """Write a customer as a member, then its tags and its place in segments.

    A member that is new becomes `transactional`, which is not subscribed; the status of an existing one is never
    touched: only a Consent does that. When the address changed, the member is moved: a PUT to the new address would
    make a second member. Every request may be repeated. Raises Permanent when Mailchimp refuses for good.
    """
    if not customer.email and delivery.own is None:
        return Receipt(note="not written: a Mailchimp member needs an e-mail address")
    body = member_body(settings, customer, delivery.custom)
    answer = await _write(settings, customer, body, delivery.own, http)
    if answer is None:
        return Receipt(note="not written: the member is gone and the customer has no e-mail address")
    member = read_model(Member, answer.json(), "member")
    reference = Reference(Customer.KIND, subscriber_hash(member.email_address))
    if reference.external_id != delivery.own:
        await http.keep(reference)
    tags = await _write_tags(settings, customer, delivery.known, member, http)
    custom = delivery.custom
    await write_segments(settings, member.email_address, reference.external_id, custom, http)
    inside = {name: value for name, value in custom.items() if name.startswith("segments.")}
    return Receipt((reference,), (restricted(settings, member, body, tags, inside),))


async def _write(
    settings: MailchimpSettings, customer: Customer, body: MemberBody, own: str | None, http: Http
) -> Response | None:
    """The answer to the write; None when there is neither a member nor an address to make one with."""
    hashed = subscriber_hash(customer.email) if customer.email else None
    if own is not None and own != hashed:
        moved = await http.patch(
            path_of(settings, own), json=body.fields, params=SKIP_VALIDATION, step="move", protection=Upsert()
        )
        if moved.ok:
            return moved
        # 404: it was moved before, or is gone. "Exists": the new address is a member already, so both are one.
        if hashed is None and moved.status == 404:
            return None
        if hashed is None or not (moved.status == 404 or _taken(moved)):
            raise refusal(moved, "to change a member")
    if hashed is None:
        return None
    path = path_of(settings, hashed)
    put = await http.put(path, json=if_new(body), params=SKIP_VALIDATION, step="member", protection=Upsert())
    if not put.ok:
        raise refusal(put, "to write a member")
    return put


def if_new(body: MemberBody) -> Json:
    """What is PUT at a member: it never subscribes somebody who is new."""
    return {**body.fields, "status_if_new": "transactional"}


def _taken(response: Response) -> bool:
    return response.status == 400 and "exist" in response.text.lower()


async def _write_tags(
    settings: MailchimpSettings, customer: Customer, known: object, member: Member, http: Http
) -> tuple[str, ...] | None:
    """Set the tags that are new and take off those that this channel had from us or told us and are gone now.

    Gives all the tags that the member has now; None where nothing was written or not all of them are known.
    """
    if "tags" not in customer.model_fields_set:
        return None
    wanted = set(normal_customer(settings, customer).tags)
    had = {tag.name for tag in member.tags}
    before = set(known.tags) if isinstance(known, Customer) else set[str]()
    complete = len(member.tags) < _TAGS_PER_MEMBER_ANSWER
    add = sorted(wanted - had) if complete else sorted(wanted)
    remove = sorted((before - wanted) & had) if complete else sorted(before - wanted)
    if add or remove:
        changes = [{"name": name, "status": "active"} for name in add]
        changes += [{"name": name, "status": "inactive"} for name in remove]
        answer = await http.post(
            f"{path_of(settings, subscriber_hash(member.email_address))}/tags",
            json={"tags": changes},
            step="tags",
            protection=Upsert(),
        )
        if not answer.ok:
            raise refusal(answer, "to tag a member")
    return tuple(sorted((had | wanted) - set(remove))) if complete else None


async def delete_member(settings: MailchimpSettings, customer: Customer, delivery: Delivery, http: Http) -> Receipt:
    """Archive the member of a deleted customer, or delete it for good where `erase_on_delete` says so.

    Who is not there (404), and who is archived or bounced already (405), is done. Raises Permanent otherwise.
    """
    keys = dict.fromkeys(
        key for key in (delivery.own, subscriber_hash(customer.email) if customer.email else None) if key
    )
    for step, key in enumerate(keys):
        path = path_of(settings, key)
        if settings.erase_on_delete:
            answer = await http.post(f"{path}/actions/delete-permanent", step=f"erase-{step}", protection=Upsert())
        else:
            answer = await http.delete(path, step=f"archive-{step}", protection=Upsert())
        if not answer.ok and answer.status not in (404, 405):
            raise refusal(answer, "to delete a member")
    return Receipt()


def restricted(
    settings: MailchimpSettings,
    member: Member,
    body: MemberBody,
    tags: tuple[str, ...] | None,
    inside: Mapping[str, JsonValue],
) -> Snapshot:
    """The vendor's answer as a snapshot of what was written, and nothing else."""
    seen = customer_snapshot(settings, member)
    entity = seen.entity
    fields: dict[str, object] = {
        name: getattr(entity, name) for name in body.written if name in entity.model_fields_set
    }
    if tags is not None:
        fields["tags"] = tags
    return Snapshot(
        entity=Customer.model_validate(fields),
        external_id=seen.external_id,
        version=seen.version,
        custom={name: seen.custom[name] for name in body.custom if name in seen.custom} | dict(inside),
        aliases=seen.aliases,
    )
