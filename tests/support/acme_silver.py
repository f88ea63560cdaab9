"""The healthy example at silver: what `omnibridge new` writes, with what the tutorial lets its reader add."""

from __future__ import annotations

from pathlib import Path

from acme_connector import run, write_acme
from acme_mutant import Change, apply
from pages import blocks, insert

from omnibridge.testing.conformance import CHECKS

__all__ = ["EXTRAS", "finish", "write_finished"]

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / "silver-connector.md"


def finish(folder: Path) -> None:
    """Do what the tutorial says."""
    for block in blocks(_PAGE.read_text("utf-8")):
        if name := block.word("insert"):
            insert(folder / name, block)
    run(folder, tuple(check for check in CHECKS if check.id == "cursors-known"), write_golden=True)


def write_finished(into: Path, extra: str | None = None) -> Path:
    """A fresh one, with one of EXTRAS where a check needs it."""
    folder = write_acme(into)
    if extra is not None:
        apply(folder, EXTRAS[extra])
    finish(folder)
    if extra == "many":
        run(folder, tuple(check for check in CHECKS if check.id == "golden-outbound"), write_golden=True)
    return folder


_SRC = "src/omnibridge_acme/"

EXTRAS: dict[str, tuple[Change, ...]] = {
    "login": (
        Change(
            _SRC + "connector.py",
            '    return {"authorization": f"Bearer {settings.token.get_secret_value()}"}\n',
            '    return {"authorization": f"Bearer {credential.values[\'session\']}"} if credential else {}\n\n\n'
            "async def _login(settings: AcmeSettings, old: Credential | None, http: Http) -> Credential:\n"
            '    answer = await http.query("/login", json={"token": settings.token.get_secret_value()})\n'
            '    return Credential({"session": answer.json()["session"]})\n',
        ),
        Change(_SRC + "connector.py", "Auth(headers=_headers)", "Auth(headers=_headers, obtain=_login)"),
        Change(
            _SRC + "sandbox.py",
            '        if not same(f"Bearer {self.settings.token.get_secret_value()}",',
            '        if request.path.endswith("/login"):\n            return json_response({"session": "session-1"})\n'
            '        if not same("Bearer session-1",',
        ),
    ),
    "subscriptions": (
        Change(
            _SRC + "connector.py",
            "CONNECTOR: Connector",
            "def _desired(settings: AcmeSettings, url: str) -> Sequence[Subscription]:\n"
            '    return [Subscription("customer.updated", url)]\n\n\n'
            "async def _list(settings: AcmeSettings, http: Http) -> Sequence[Subscription]:\n"
            '    rows = (await http.get("/hooks")).json()\n'
            '    return [Subscription("customer.updated", row["url"], row["id"]) for row in rows]\n\n\n'
            "async def _create(settings: AcmeSettings, one: Subscription, http: Http) -> None:\n"
            '    await http.put("/hooks", json={"url": one.url}, protection=Upsert())\n\n\n'
            "async def _delete(settings: AcmeSettings, one: Subscription, http: Http) -> None:\n"
            '    await http.delete(f"/hooks/{one.id}", protection=Upsert())\n\n\n'
            "CONNECTOR: Connector",
        ),
        Change(_SRC + "connector.py", "import Mapping\n", "import Mapping, Sequence\n"),
        Change(
            _SRC + "connector.py",
            "    Redelivery,\n",
            "    Redelivery,\n    Subscription,\n    Subscriptions,\n    Upsert,\n",
        ),
        Change(
            _SRC + "connector.py",
            "    polls=(",
            "    subscriptions=Subscriptions(desired=_desired, list=_list, create=_create, delete=_delete),\n"
            "    polls=(",
        ),
        Change(
            _SRC + "sandbox.py",
            '        _, found, id = request.path.partition("/customers")\n',
            '        if "/hooks" in request.path:\n            return self._hooked(request)\n'
            '        _, found, id = request.path.partition("/customers")\n',
        ),
        Change(
            _SRC + "sandbox.py",
            "    def _list(self, after",
            "    def _hooked(self, request: SandboxRequest) -> Response:\n"
            '        hooks = self.__dict__.setdefault("hooks", [])\n'
            '        if request.method == "PUT":\n'
            '            hooks.append({"id": f"h{len(self.log)}", "url": request.json()["url"]})\n'
            '        if request.method == "DELETE":\n'
            '            hooks[:] = [hook for hook in hooks if not request.path.endswith(hook["id"])]\n'
            "        return json_response(hooks)\n\n"
            "    def _list(self, after",
        ),
    ),
    "many": (
        Change(
            _SRC + "outbound.py",
            "def _written(",
            "async def write_customers(\n"
            "    settings: AcmeSettings, items: Sequence[tuple[Customer, Delivery]], http: Http\n"
            ") -> Sequence[Result]:\n"
            "    rows = [\n"
            "        {theirs: getattr(one, ours) for ours, theirs in _NAMES.items() if ours in one.model_fields_set}\n"
            '        | {"id": delivery.own or ""}\n'
            "        for one, delivery in items\n"
            "    ]\n"
            '    headers = {"idempotency-key": http.key("many")}\n'
            '    answer = await http.post("/customers/many", json=rows, headers=headers, step="many", '
            "protection=NativeKey())\n"
            "    if not answer.ok:\n"
            '        raise Permanent(f"refused: {answer.status}")\n'
            "    found = [_written(Response(200, {}, json_bytes(row)), one) for (one, _), row in "
            "zip(items, answer.json(), strict=True)]\n"
            "    return [Receipt((Reference(Customer.KIND, one.external_id),), (one,)) for one in found]\n\n\n"
            "def _written(",
        ),
        Change(_SRC + "outbound.py", "import Delivery, Http,", "import Delivery, Http, Result, json_bytes,"),
        Change(
            _SRC + "outbound.py",
            "from omnibridge.connector",
            "from collections.abc import Sequence\n\nfrom omnibridge.connector",
        ),
        Change(
            _SRC + "connector.py",
            "deliver(Customer, write_customer,",
            "deliver_many(Customer, write_customers, most=9,",
        ),
        Change(_SRC + "connector.py", "    deliver,\n", "    deliver_many,\n"),
        Change(_SRC + "connector.py", "normal_customer, write_customer\n", "normal_customer, write_customers\n"),
        Change(
            _SRC + "sandbox.py",
            '        if request.method == "POST" and not id:\n',
            '        if request.method == "POST" and id in ("", "/many"):\n',
        ),
        Change(
            _SRC + "sandbox.py",
            '            self.answered[key] = json_response(self.changes("", request.json()), 201)\n',
            "            asked = request.json()\n"
            "            if isinstance(asked, list):\n"
            '                self.answered[key] = json_response([self.changes(row.pop("id"), row) for row in asked])\n'
            "            else:\n"
            '                self.answered[key] = json_response(self.changes("", asked), 201)\n',
        ),
    ),
}
"""Parts that the written package does not have: a login whose session is renewed, kept subscriptions, and writing many
at a time."""
