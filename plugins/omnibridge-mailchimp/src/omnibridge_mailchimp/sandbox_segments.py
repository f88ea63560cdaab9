"""The sandbox's static segments, which are the audience's tags seen from the other side."""

from __future__ import annotations

from omnibridge.connector import Response, SandboxRequest
from omnibridge_mailchimp.sandbox_answers import Refused, Route, Rows, answer, page, required
from omnibridge_mailchimp.sandbox_audience import Audience, tag_id
from omnibridge_mailchimp.wire import Json

__all__ = ["Segments"]


class Segments:
    """The segments of an audience by id; one that is made here or by tagging somebody is there from then on."""

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.named: dict[str, str] = {}
        place = "/lists/{}/segments"
        self.routes = (
            Route("GET", place, self._list),
            Route("POST", place, self._make),
            Route("GET", place + "/{}", self._show),
            Route("POST", place + "/{}", self._batch),
            Route("GET", place + "/{}/members", self._members),
            Route("POST", place + "/{}/members", self._add),
            Route("DELETE", place + "/{}/members/{}", self._remove),
        )

    def make(self, name: str) -> str:
        """A new empty segment; its id."""
        self.named[str(tag_id(name))] = name
        return str(tag_id(name))

    def _all(self) -> dict[str, str]:
        tags = {str(tag["id"]): tag["name"] for one in self.audience.members.values() for tag in one["tags"]}
        return {**tags, **self.named}

    def _known(self, list_id: str, segment: str) -> str:
        self.audience.check(list_id)
        if segment not in self._all():
            raise Refused(404, "Resource Not Found", "The requested resource could not be found.")
        return self._all()[segment]

    def _row(self, segment: str, name: str) -> Json:
        stamp = self.audience.now().isoformat(timespec="seconds")
        count = len(self._inside(segment))
        row = {"id": int(segment), "name": name, "member_count": count, "type": "static", "list_id": ""}
        return {**row, "created_at": stamp, "updated_at": stamp, "list_id": self.audience.list_id}

    def _inside(self, segment: str) -> Rows:
        people = self.audience.members.values()
        return [one for one in people if any(str(tag["id"]) == segment for tag in one["tags"])]

    def _list(self, request: SandboxRequest, list_id: str) -> Response:
        self.audience.check(list_id)
        rows = [self._row(segment, name) for segment, name in self._all().items()]
        return answer(request, {"segments": page(request, rows), "list_id": list_id, "total_items": len(rows)})

    def _make(self, request: SandboxRequest, list_id: str) -> Response:
        self.audience.check(list_id)
        body = required(request.json(), "name")
        segment = self.make(str(body["name"]))
        for email in body.get("static_segment", ()):
            self._put(segment, email, inside=True)
        return answer(request, self._row(segment, self.named[segment]))

    def _show(self, request: SandboxRequest, list_id: str, segment: str) -> Response:
        return answer(request, self._row(segment, self._known(list_id, segment)))

    def _members(self, request: SandboxRequest, list_id: str, segment: str) -> Response:
        self._known(list_id, segment)
        rows = [self._shown(one) for one in self._inside(segment)]
        return answer(request, {"members": page(request, rows), "total_items": len(rows)})

    def _add(self, request: SandboxRequest, list_id: str, segment: str) -> Response:
        self._known(list_id, segment)
        member = self._put(segment, str(required(request.json(), "email_address")["email_address"]), inside=True)
        if member is None:
            raise Refused(400, "Invalid Resource", "Subscriber is not in the list.")
        return answer(request, self._shown(member))

    def _remove(self, request: SandboxRequest, list_id: str, segment: str, key: str) -> Response:
        self._known(list_id, segment)
        if key not in {one["id"] for one in self._inside(segment)}:
            raise Refused(404, "Resource Not Found", "The requested resource could not be found.")
        self._put(segment, key, inside=False)
        return Response(204)

    def _batch(self, request: SandboxRequest, list_id: str, segment: str) -> Response:
        self._known(list_id, segment)
        body = required(request.json())
        done: dict[str, Rows] = {}
        errors: Rows = []
        for name, inside in (("members_to_add", True), ("members_to_remove", False)):
            found = [(email, self._put(segment, email, inside=inside)) for email in body.get(name, ())]
            done[name] = [self._shown(member) for _, member in found if member is not None]
            missing = [email for email, member in found if member is None]
            if missing:
                errors.append({"email_addresses": missing, "error": "Email addresses do not exist in the list"})
        added, removed = done["members_to_add"], done["members_to_remove"]
        told = {"members_added": added, "members_removed": removed, "errors": errors, "error_count": len(errors)}
        return answer(request, {**told, "total_added": len(added), "total_removed": len(removed)})

    def _put(self, segment: str, key: str, *, inside: bool) -> Json | None:
        member = self.audience.find(key)
        if member is None or member["status"] == "archived":
            return None
        member["tags"] = [tag for tag in member["tags"] if str(tag["id"]) != segment]
        if inside:
            member["tags"].append({"id": int(segment), "name": self._all()[segment]})
        member["last_changed"] = self.audience.now().isoformat(timespec="seconds")
        return member

    @staticmethod
    def _shown(member: Json) -> Json:
        hidden = ("tags", "tags_count", "contact_id", "consents_to_one_to_one_messaging", "full_name", "web_id")
        return {name: value for name, value in member.items() if name not in (*hidden, "source")}
