"""The mutants of the silver checks."""

from __future__ import annotations

from acme_mutant import CONFORMANCE, SRC, Change, Mutant, one, source

__all__ = ["SILVER"]


def _classing(sickness: str, when: str, outcome: str) -> Mutant:
    file = SRC + "connector.py"
    return Mutant(
        sickness,
        (
            Change(
                file,
                "CONNECTOR: Connector",
                "def _classify(request: Request, response: Response, now: datetime) -> Outcome:\n"
                f"    return {outcome} if {when} else classify_http(request, response, now)\n\n\nCONNECTOR: Connector",
            ),
            Change(file, "    probe=_probe,", "    classify=_classify,\n    probe=_probe,"),
            Change(file, "    Auth,\n", "    Auth,\n    Class,\n"),
            Change(file, "    Limits,\n", "    Limits,\n    Outcome,\n"),
            Change(file, "    Request,\n", "    Request,\n    Response,\n"),
            Change(file, "    deliver,\n", "    classify_http,\n    deliver,\n    retry_after,\n"),
        ),
    )


SILVER: dict[str, Mutant] = {
    "signature-expired": source(
        "takes what is signed far ahead", "inbound.py", "abs(now - sent) <= _OLD", "now - sent <= _OLD"
    ),
    "signature-rotated": source(
        "knows the newest secret only", "inbound.py", "(settings.webhook_secrets, m", "(settings.webhook_secrets[:1], m"
    ),
    "identities-stable": source(
        "identifies a delivery by the time",
        "connector.py",
        'Native("x-acme-delivery")',
        "Native(lambda inbound: inbound.received.isoformat())",
    ),
    "one-event": source(
        "has another version in a poll than in a webhook",
        "polls.py",
        "await http.emit([customer_snapshot(row) for row in page.customers])",
        "rows = [customer_snapshot(row) for row in page.customers]\n"
        "            await http.emit([type(r)(r.entity, r.external_id, None) if cursor else r for r in rows])",
    ),
    "answers-classed": one(
        "takes for permanent what is none", CONFORMANCE, "Response(404), means", "Response(503), means"
    ),
    "answers-general": _classing("tries a 422 again", "response.status == 422", "Outcome(Class.RETRY)"),
    "answers-in-200": one(
        "does not know what a 200 means",
        CONFORMANCE,
        '        "answers-in-200": "Acme says every error by the status",\n',
        "",
    ),
    "retry-after-kept": _classing(
        "does not hear how long to wait",
        "response.status == 429",
        'Outcome(Class.RETRY, timedelta(30) if len(response.header("retry-after") or "") > 9 else '
        "retry_after(response, now))",
    ),
    "polls-end": Mutant(
        "asks until it is told something",
        (
            Change(
                SRC + "polls.py",
                "if page.next is None or page.next == after:",
                "if page.customers and (page.next is None or page.next == after):",
            ),
            Change(SRC + "polls.py", "after = page.next\n", "after = page.next or after\n"),
        ),
    ),
    "polls-resume": source(
        "passes a page before it is stored",
        "polls.py",
        '        await http.emit([customer_snapshot(row) for row in page.customers], {"after": after})',
        '        await http.emit([], {"after": after})\n'
        "        await http.emit([customer_snapshot(row) for row in page.customers])",
    ),
    "polls-empty-page": source(
        "takes an empty page for the end",
        "polls.py",
        "if page.next is None or page.next == after:",
        "if page.next is None or page.next == after or not page.customers:",
    ),
    "cursors-forward": source(
        "begins anew when there is nothing",
        "polls.py",
        "            await http.emit([customer_snapshot(row) for row in page.customers])\n",
        "            await http.emit([customer_snapshot(row) for row in page.customers])\n"
        '            if not page.customers:\n                await http.emit([], {"after": "0"})\n',
    ),
    "cursors-known": Mutant(
        "forgot what its cursor was called",
        (
            Change(SRC + "polls.py", '{"after": after})\n', '{"place": after})\n'),
            Change(SRC + "polls.py", 'str(cursor["after"])', 'str(cursor["place"])'),
        ),
    ),
    "steps-protected": Mutant(
        "does not say what protects its change",
        (
            Change(SRC + "outbound.py", ', step="change", protection=Upsert()', ', step="change"'),
            Change("tests/golden/outbound/change.json", '"protection": "Upsert"', '"protection": null'),
        ),
    ),
    "keys-sent": source("sends a key of its own", "outbound.py", 'http.key("create")', '"key-create"'),
    "attempts-equal": source(
        "counts its attempts",
        "outbound.py",
        "    if delivery.own is not None:\n",
        "    if delivery.attempt > 1:\n        body['attempt'] = str(delivery.attempt)\n"
        "    if delivery.own is not None:\n",
    ),
    "restart-once": Mutant(
        "takes a create for an upsert",
        (
            Change(SRC + "outbound.py", '{"idempotency-key": http.key("create")}', "{}"),
            Change(SRC + "outbound.py", "NativeKey()", "Upsert()"),
            Change(SRC + "sandbox.py", "if key not in self.answered", "if not key or key not in self.answered"),
            Change("tests/golden/outbound/create.json", '{\n      "idempotency-key": "key-create"\n    }', "{}"),
            Change("tests/golden/outbound/create.json", '"NativeKey"', '"Upsert"'),
        ),
    ),
    "normal-settled": source(
        "makes names longer each time",
        "outbound.py",
        "    return Customer.model_validate(kept)\n\n\nasync",
        "    kept['given_name'] = f\"{kept.get('given_name')}.\"\n    return Customer.model_validate(kept)\n\n\nasync",
    ),
    "echo-silent": source(
        "says it wrote what it did not",
        "outbound.py",
        "    return Snapshot(",
        "    kept['given_name'] = str(kept['given_name']).upper()\n    return Snapshot(",
    ),
    "many-as-one": Mutant(
        "takes the last row for the first item",
        (Change(SRC + "outbound.py", "zip(items, answer.json(), ", "zip(items, answer.json()[::-1], "),),
        extra="many",
    ),
    "credential-renewed": Mutant(
        "keeps the first session",
        (
            Change(
                SRC + "connector.py",
                '    return {"authorization": f"Bearer {credential.values[\'session\']}"} if credential else {}',
                "    if credential:\n        _FIRST.setdefault('session', credential.values['session'])\n"
                '    return {"authorization": f"Bearer {_FIRST[\'session\']}"} if _FIRST else {}',
            ),
            Change(SRC + "connector.py", "def _headers(", "_FIRST: dict[str, str] = {}\n\n\ndef _headers("),
        ),
        extra="login",
    ),
    "credentials-home": source(
        "asks somebody else", "connector.py", 'http.get("/shop")', 'http.get("https://cdn.example.net/shop")'
    ),
    "subscriptions-settled": Mutant(
        "reads its address another way than it wrote it",
        (Change(SRC + "connector.py", '"customer.updated", row["url"]', '"customer.updated", row["url"] + "/"'),),
        extra="subscriptions",
    ),
    "probe-harmless": Mutant(
        "may write",
        (
            Change(SRC + "connector.py", 'http.get("/shop")', 'http.post("/shop")'),
            Change(SRC + "sandbox.py", 'endswith("/shop") and request.method == "GET"', 'endswith("/shop")'),
        ),
    ),
}
