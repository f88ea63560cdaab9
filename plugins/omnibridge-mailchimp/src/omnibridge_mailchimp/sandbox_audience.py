"""The sandbox's audience: members with their states, tags and webhooks, changed by the API or by people."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime

from omnibridge.connector import Response, SandboxRequest
from omnibridge_mailchimp.sandbox_answers import Refused, Route, Rows, answer, page, required
from omnibridge_mailchimp.wire import Json, instant, is_object, subscriber_hash

__all__ = ["Audience", "tag_id"]

Tell = Callable[[str, str, Mapping[str, object]], None]
_MERGE_TAGS = ("FNAME", "LNAME", "ADDRESS", "PHONE", "BIRTHDAY", "COMPANY", "LOYALTY")
_STATES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
_CLOSED = ("unsubscribed", "cleaned")
_IP = "192.0.2.10"  # an address for documentation


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def tag_id(name: str) -> int:
    """The id of a tag, and so of the static segment that it is."""
    return int(_digest("tag", name)[:6], 16)


class Audience:
    """Members by their hash. An archived member is hidden from lists and can be written again as if new.

    No list gives more than `largest_page` at once, whatever is asked for.
    """

    def __init__(self, list_id: str, now: Callable[[], datetime], tell: Tell) -> None:
        self.list_id, self.now, self.tell = list_id, now, tell
        self.members: dict[str, Json] = {}
        self.largest_page = 1000
        self.forgotten: set[str] = set()
        self.asked: list[str] = []
        self.barred: set[str] = set()  # contacts whom the API cannot subscribe, only they themselves
        member = "/lists/{}/members/{}"
        self.routes = (
            Route("GET", "/lists/{}/members", self._list),
            Route("GET", member, self._show),
            Route("PUT", member, self._put),
            Route("PATCH", member, self._patch),
            Route("DELETE", member, self._archive),
            Route("GET", f"{member}/tags", self._tags),
            Route("POST", f"{member}/tags", self._tag),
            Route("POST", f"{member}/actions/delete-permanent", self._forget),
        )

    def check(self, list_id: str) -> None:
        """Raises Refused when it is another audience."""
        if list_id != self.list_id:
            raise Refused(404, "Resource Not Found", "The requested resource could not be found.")

    def find(self, key: str) -> Json | None:
        """A member by hash, contact id or address; archived ones too."""
        if "@" in key:
            key = subscriber_hash(key)
        return self.members.get(key) or next((m for m in self.members.values() if m["contact_id"] == key), None)

    # ── What people do ────────────────────────────────────────────────────────────────────────────────────────

    def joins(self, email: str, merges: Mapping[str, object] | None = None, *, source: str = "user") -> Json:
        """Somebody signs up by a form and confirms, or confirms a question that was sent; `ip_opt` is theirs."""
        member = self.find(email) or self._new(email)
        member["status"] = "subscribed"
        member["unsubscribe_reason"] = ""
        self.barred.discard(member["contact_id"])
        member |= {"ip_opt": _IP, "timestamp_opt": self._stamp(), "ip_signup": _IP, "timestamp_signup": self._stamp()}
        member["merge_fields"] |= dict(merges or {})
        self._touch(member)
        self.tell("subscribe", source, {**_profile(member), "ip_signup": member["ip_signup"]})
        return member

    def leaves(self, email: str, reason: str = "manual", action: str = "unsub", *, source: str = "user") -> None:
        """Somebody unsubscribes, complains (`abuse`), or is removed by an administrator (`delete`)."""
        member = self._known(email)
        member["status"] = "archived" if action == "delete" else "unsubscribed"
        member["unsubscribe_reason"] = reason
        self._touch(member)
        self.tell("unsubscribe", source, {"action": action, "reason": reason, **_profile(member)})

    def changes(self, email: str, merges: Mapping[str, object], *, source: str = "user") -> None:
        """Somebody changes their profile."""
        member = self._known(email)
        member["merge_fields"] |= dict(merges)
        self._touch(member)
        self.tell("profile", source, _profile(member))

    def moves(self, email: str, to: str, *, source: str = "user") -> None:
        """Somebody changes their address, of which two webhooks tell."""
        self._move(self._known(email), to, source)

    def bounces(self, email: str, reason: str = "hard") -> None:
        """Mail to an address comes back for good."""
        member = self._known(email)
        member["status"] = "cleaned"
        self._touch(member)
        self.tell("cleaned", "admin", {"campaign_id": "c0ffee0001", "reason": reason, "email": email})

    # ── The API ───────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, email: str, body: Json, status: str) -> Json:
        """Make or change a member as PUT does; `status` is what a new one gets. Raises Refused."""
        member = self.find(email)
        new = member is None or member["status"] == "archived"
        if new and subscriber_hash(email) in self.forgotten:
            detail = f"{email} was permanently deleted and cannot be re-imported. The contact must re-subscribe."
            raise Refused(400, "Forgotten Email Not Subscribed", detail)
        wanted = body.get("status") or (status if new else None)
        if wanted is not None and wanted not in _STATES:
            raise _invalid("status", "Data presented is not one of the accepted values.")
        self._validate(body)
        if member is None:
            member = self._new(email)
        elif new:
            member["status"] = "transactional"
        self._apply(member, body, wanted, "subscribe" if new and wanted == "subscribed" else "profile")
        return member

    def _apply(self, member: Json, body: Json, wanted: str | None, told: str) -> None:
        was = member["status"]
        if was in _CLOSED:
            self.barred.add(member["contact_id"])
        if wanted == "subscribed" and member["contact_id"] in self.barred:
            detail = (
                f"{member['email_address']} is in a compliance state due to unsubscribe, bounce, or compliance review "
                "and cannot be subscribed."
            )
            raise Refused(400, "Member In Compliance State", detail)
        if wanted == "pending" and was != "subscribed":
            self.asked.append(member["email_address"])
        if wanted is not None and not (wanted == "pending" and was == "subscribed"):
            member["status"] = wanted
        merges = body.get("merge_fields", {})
        member["merge_fields"] |= {tag: value for tag, value in merges.items() if tag in _MERGE_TAGS}
        member["interests"] |= body.get("interests", {})
        for name in ("language", "email_type", "vip", "ip_opt", "timestamp_opt", "ip_signup", "timestamp_signup"):
            if name in body:
                member[name] = body[name]
        if member["status"] == "subscribed" and not member["timestamp_opt"]:
            member["timestamp_opt"] = self._stamp()
        self._touch(member)
        if wanted == "unsubscribed" and was != "unsubscribed":
            self.tell("unsubscribe", "api", {"action": "unsub", "reason": "manual", **_profile(member)})
        else:
            self.tell("subscribe" if wanted == "subscribed" and was != "subscribed" else told, "api", _profile(member))

    def _validate(self, body: Json) -> None:
        for tag, value in body.get("merge_fields", {}).items():
            needed = ("addr1", "city", "state", "zip")
            if tag == "ADDRESS" and is_object(value) and not all(value.get(part) for part in needed):
                raise _invalid("ADDRESS", "Please enter a complete address")
            if isinstance(value, str) and len(value) > 255:
                raise _invalid(tag, "This value is too long")

    def _new(self, email: str) -> Json:
        key = subscriber_hash(email)
        member: Json = {
            "id": key,
            "email_address": email,
            "unique_email_id": _digest("address", email)[:10],
            "contact_id": _digest("contact", email, str(len(self.members)))[:32],
            "full_name": "",
            "web_id": 1000 + len(self.members),
            "email_type": "html",
            "status": "transactional",
            "unsubscribe_reason": "",
            "consents_to_one_to_one_messaging": True,
            "merge_fields": dict.fromkeys(_MERGE_TAGS, ""),
            "interests": {},
            "stats": {"avg_open_rate": 0, "avg_click_rate": 0},
            "ip_signup": "",
            "timestamp_signup": "",
            "ip_opt": "",
            "timestamp_opt": "",
            "member_rating": 2,
            "last_changed": self._stamp(),
            "language": "",
            "vip": False,
            "email_client": "",
            "source": "API - Generic",
            "tags_count": 0,
            "tags": [],
            "list_id": self.list_id,
        }
        self.members[key] = member
        return member

    def _move(self, member: Json, to: str, source: str) -> None:
        old, key = member["email_address"], subscriber_hash(to)
        there = self.members.get(key)
        if there is not None and there is not member:
            if there["status"] != "archived":
                raise Refused(400, "Member Exists", f"{to} is already a list member.")
            del self.members[key]
        del self.members[member["id"]]
        member |= {"id": key, "email_address": to, "unique_email_id": _digest("address", to)[:10]}
        self.members[key] = member
        self._touch(member)
        self.tell("upemail", source, {"new_id": member["unique_email_id"], "new_email": to, "old_email": old})
        self.tell("profile", source, _profile(member))

    def _stamp(self) -> str:
        return self.now().isoformat(timespec="seconds")

    def _touch(self, member: Json) -> None:
        merges = member["merge_fields"]
        member["full_name"] = f"{merges.get('FNAME', '')} {merges.get('LNAME', '')}".strip()
        member["last_changed"] = self._stamp()

    def _known(self, key: str) -> Json:
        member = self.find(key)
        if member is None:
            raise Refused(404, "Resource Not Found", "The requested resource could not be found.")
        return member

    def _list(self, request: SandboxRequest, list_id: str) -> Response:
        self.check(list_id)
        query = request.query
        status, since = query.get("status"), instant(query.get("since_last_changed"))
        before = instant(query.get("before_last_changed"))
        rows: Rows = []
        for member in self.members.values():
            changed = instant(member["last_changed"])
            hidden = member["status"] != status if status else member["status"] == "archived"
            early = since is not None and changed is not None and changed <= since
            if not hidden and not early and not (before is not None and changed is not None and changed >= before):
                rows.append(self._shown(member))
        if query.get("sort_field") == "last_changed":
            rows.sort(key=lambda row: row["last_changed"], reverse=query.get("sort_dir") == "DESC")
        return answer(
            request, {"members": page(request, rows)[: self.largest_page], "list_id": list_id, "total_items": len(rows)}
        )

    @staticmethod
    def _shown(member: Json) -> Json:
        return {**member, "tags": member["tags"][:50], "tags_count": len(member["tags"])}

    def _show(self, request: SandboxRequest, list_id: str, key: str) -> Response:
        self.check(list_id)
        return answer(request, self._shown(self._known(key)))

    def _put(self, request: SandboxRequest, list_id: str, key: str) -> Response:
        self.check(list_id)
        body = required(request.json(), "email_address", "status_if_new")
        member, email = self.find(key), str(body["email_address"])
        if "@" not in email:
            raise _invalid("email_address", "Please provide a valid email address.")
        if member is not None and member["id"] != subscriber_hash(email):
            self._move(member, email, "api")
        return answer(request, self._shown(self.write(email, body, str(body["status_if_new"]))))

    def _patch(self, request: SandboxRequest, list_id: str, key: str) -> Response:
        self.check(list_id)
        body, member = required(request.json()), self._known(key)
        self._validate(body)
        email = str(body.get("email_address") or member["email_address"])
        if member["id"] != subscriber_hash(email):
            self._move(member, email, "api")
        self._apply(member, body, body.get("status"), "profile")
        return answer(request, self._shown(member))

    def _archive(self, request: SandboxRequest, list_id: str, key: str) -> Response:
        self.check(list_id)
        member = self._known(key)
        if member["status"] in ("archived", "cleaned"):
            refused = Refused(405, "Method Not Allowed", "This list member cannot be removed.")
            refused.headers["allow"] = "GET, PUT, PATCH"
            raise refused
        member["status"] = "archived"
        self._touch(member)
        self.tell("unsubscribe", "api", {"action": "delete", "reason": "manual", **_profile(member)})
        return Response(204)

    def _forget(self, request: SandboxRequest, list_id: str, key: str) -> Response:
        self.check(list_id)
        member = self._known(key)
        self.forgotten.add(member["id"])
        del self.members[member["id"]]
        return Response(204)

    def _tags(self, request: SandboxRequest, list_id: str, key: str) -> Response:
        self.check(list_id)
        rows: Rows = [{**tag, "date_added": self._stamp()} for tag in self._known(key)["tags"]]
        return answer(request, {"tags": page(request, rows), "total_items": len(rows)})

    def _tag(self, request: SandboxRequest, list_id: str, key: str) -> Response:
        self.check(list_id)
        body, member = required(request.json(), "tags"), self._known(key)
        for change in body["tags"]:
            name = required(change, "name", "status")["name"]
            member["tags"] = [tag for tag in member["tags"] if tag["name"] != name]
            if change["status"] == "active":
                member["tags"].append({"id": tag_id(name), "name": name})
        self._touch(member)
        return Response(204)


def _invalid(field: str, message: str) -> Refused:
    detail = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
    return Refused(400, "Invalid Resource", detail, [(field, message)])


def _profile(member: Json) -> Json:
    """A member as a webhook shows it."""
    return {
        "id": member["unique_email_id"],
        "email": member["email_address"],
        "email_type": member["email_type"],
        "ip_opt": member["ip_opt"],
        "web_id": member["web_id"],
        "merges": {"EMAIL": member["email_address"], **member["merge_fields"]},
    }
