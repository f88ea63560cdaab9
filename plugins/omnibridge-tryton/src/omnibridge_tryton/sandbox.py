"""A small Tryton in memory, for the demonstration and for tests that cannot wait for a real one.

It answers the calls that this connector makes, with the sessions, locks, checks and errors of Tryton 8.2; a test plays
the same scenario against it and against a real server and compares what comes out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from omnibridge.connector import Response, Sandbox, SandboxRequest, json_response, same
from omnibridge.errors import InvalidMessage
from omnibridge_tryton.sandbox_books import Books
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.store import SCHEMA, Record, ServerError, Store, user_error
from omnibridge_tryton.wire import is_list, is_object, pack, unpack

__all__ = ["TrytonSandbox"]

_DEFAULTS = {
    "state": "draft",
    "invoice_state": "none",
    "shipment_state": "none",
    "invoice_method": "order",
    "shipment_method": "order",
}
_BUTTONS = {
    "quote": ("draft",),
    "confirm": ("quotation",),
    "process": ("confirmed", "processing", "done"),
    "cancel": ("draft", "quotation", "confirmed"),
}


def _page(status: int, text: str) -> Response:
    return Response(status, {"content-type": "text/html; charset=utf-8"}, f"<title>{status} {text}</title>".encode())


class TrytonSandbox(Sandbox):
    """One database with a company, a warehouse, a currency and whatever products and parties are added."""

    def __init__(self, settings: TrytonSettings, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(now)
        self.settings = settings
        self.store = Store(lambda: self.now())
        self.books = Books(settings, self.store)
        self.queue = False
        """Whether confirmed sales wait for a worker, which is not there: somebody has to press the button."""
        self.sessions: set[str] = set()
        self.failures = 0
        self._fill()

    # -- what is there ---------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        create, settings = self.store.create, self.settings
        create("res.user", {"login": settings.username})
        currency = create("currency.currency", {"name": settings.currency, "code": settings.currency, "digits": 2})
        while settings.company not in self.store.table("company.company"):
            create("company.company", {"currency": currency})
        storage = create("stock.location", {"name": "Storage Zone", "code": "STO", "type": "storage"})
        place: Record = {"name": "Warehouse", "code": settings.location or "WH", "type": "warehouse"}
        create("stock.location", {**place, "storage_location": storage})
        if settings.payment_method is not None:
            method = {"name": settings.payment_method, "company": settings.company}
            create("account.invoice.payment.method", method)
        create("product.uom", {"name": "Unit", "symbol": "u", "digits": 0})
        create("product.uom", {"name": "Kilogram", "symbol": "kg", "digits": 2})
        for code, name in (("DK", "Denmark"), ("DE", "Germany"), ("US", "United States")):
            create("country.country", {"name": name, "code": code})
        for rate, name in settings.taxes.items():
            create("account.tax", {"name": name, "rate": Decimal(rate), "company": settings.company})
        for code in {settings.fallback_product, settings.shipping_product, settings.adjustment_product}:
            if code:
                self.add_product(code, code.title(), Decimal("0.00"), type_="service")

    def add_currency(self, code: str, digits: int) -> None:
        """A further currency, with as many digits behind the point."""
        self.store.create("currency.currency", {"name": code, "code": code, "digits": digits})

    def add_product(self, code: str, name: str, price: Decimal, *, type_: str = "goods", unit: str = "u") -> int:
        """A product with one variant; gives the variant's id."""
        uom = next(row["id"] for row in self.store.table("product.uom").values() if row["symbol"] == unit)
        template = self.store.create("product.template", {"name": name, "code": code, "type": type_, "salable": True})
        values: Record = {"template": template, "code": code, "name": name, "type": type_, "list_price_used": price}
        values |= {"cost_price": Decimal(0), "sale_uom": uom, "default_uom": uom}
        return self.store.create("product.product", {**values, "quantity": 0.0, "forecast_quantity": 0.0})

    def set_stock(self, code: str, quantity: float) -> None:
        """Count a product's stock, as an inventory in Tryton does."""
        found = next(row for row in self.store.table("product.product").values() if row["code"] == code)
        self.books.move(found["id"], quantity - float(str(found["quantity"])))

    def add_sale(self, party: int, code: str, quantity: float, price: Decimal) -> int:
        """A processed sale of one product, without tax; gives its id."""
        found = next(row for row in self.store.table("product.product").values() if row["code"] == code)
        line: Record = {"type": "line", "product": found["id"], "unit": found["sale_uom"], "description": found["name"]}
        line |= {"quantity": quantity, "unit_price": price}
        address = self.store.create("party.address", {"party": party, "street": "Road 1", "city": "Aarhus"})
        head: Record = {"party": party, "company": self.settings.company, "currency": 1, "state": "quotation"}
        head |= {"invoice_address": address, "shipment_address": address}
        made = self.store.create("sale.sale", {**head, "lines": [["create", [line]]]})
        self._saved("sale.sale", made)
        self._press(self.store.get("sale.sale", made), "confirm")
        return made

    def records(self) -> Mapping[str, list[Record]]:
        """The tables that people ask for, plain fields only."""
        plain: dict[str, list[Record]] = {}
        for model in ("party.party", "party.contact_mechanism", "party.address", "sale.sale", "sale.line"):
            names = [name for name, (sign, _) in SCHEMA[model].items() if sign != "<"]
            plain[model] = [{name: row[name] for name in names} for row in self.store.table(model).values()]
        return plain

    # -- the door --------------------------------------------------------------------------------------------------

    def respond(self, request: SandboxRequest) -> Response:
        """What the server answers: HTTP errors before a call begins, an envelope after that."""
        if not request.path.endswith("/rpc/"):
            return _page(405, "Method Not Allowed")
        if not request.path.endswith(f"/{self.settings.database}/rpc/"):
            return _page(404, "Not Found")
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return _page(500, "the answer could claim to be compressed")  # the server's mistake would break a client
        try:
            body: object = json.loads(request.body)
        except ValueError:
            return _page(400, "Bad Request")
        if not is_object(body) or set(body) != {"id", "method", "params"}:
            return _page(400, "Bad Request")
        method, params = body["method"], body["params"]
        if not isinstance(method, str) or not is_list(params):
            return _page(400, "Bad Request")
        if method == "common.db.login":
            return self._login(body["id"], params)
        if not self._known(request.headers.get("authorization", "")):
            return Response(401, {"www-authenticate": 'Basic realm="Tryton"'})
        before = deepcopy(self.store.tables)
        try:
            result = self._call(method, [unpack(param) for param in params])
            self.books.settle_questions(True)
        except ServerError as error:
            self.store.tables = before  # the transaction is rolled back
            self.books.settle_questions(False)
            return json_response({"id": body["id"], "error": error.error})
        except (InvalidMessage, IndexError, TypeError):
            return _page(422, "Unprocessable Entity")
        if isinstance(result, Response):
            return result
        return json_response({"id": body["id"], "result": pack(result)})

    def _login(self, id_: object, params: list[object]) -> Response:
        if self.failures >= 5:
            return _page(429, "Too Many Requests")
        secret = params[1] if len(params) > 1 else None
        given = str(secret.get("password")) if is_object(secret) else ""
        if params[0] != self.settings.username or not same(self.settings.password.get_secret_value(), given):
            self.failures += 1
            return _page(401, "Unauthorized")
        self.failures = 0
        token = f"{len(self.log):064x}"
        self.sessions.add(base64.b64encode(f"{self.settings.username}:1:{token}".encode()).decode("ascii"))
        return json_response({"id": id_, "result": [1, token, None]})

    def _known(self, authorization: str) -> bool:
        scheme, _, session = authorization.partition(" ")
        return scheme == "Session" and session in self.sessions

    def expire(self) -> None:
        """End all sessions, as idle ones end."""
        self.sessions.clear()

    # -- calls -----------------------------------------------------------------------------------------------------

    def _call(self, method: str, params: list[object]) -> object:
        *args, context = params
        if not is_object(context):
            return _page(422, "Missing context argument")
        if method.startswith("wizard.account.invoice.pay."):
            return self.books.wizard(method.rpartition(".")[2], args, context)
        if method == "model.res.user.warning.skip":
            self.books.answers.add(str(args[0]))
            return None
        if not method.startswith("model."):
            return _page(404, "Not Found")
        model, _, verb = method.removeprefix("model.").rpartition(".")
        self.store.table(model)
        if verb == "search_read":
            return self._search_read(model, args, context)
        if verb == "create":
            values = args[0]
            made = [self._saved(model, self.store.create(model, one)) for one in _objects(values)]
            return made
        if verb == "write":
            return self._write(model, args, context)
        if model == "sale.sale" and verb in _BUTTONS:
            for id_ in args[0] if is_list(args[0]) else []:
                self._press(self.store.get(model, id_), verb)
            return None
        if f"{model}.{verb}" in self.books.buttons:
            self.books.press(f"{model}.{verb}", args[0])
            return None
        return _page(403, "Forbidden")

    def _search_read(self, model: str, args: list[object], context: Record) -> object:
        domain, offset, limit, order, fields = args
        inactive = context.get("active_test") is False
        found = self.store.search(model, domain, order, inactive)
        start = offset if isinstance(offset, int) else 0
        found = found[start : start + limit] if isinstance(limit, int) else found[start:]
        return [self.store.read(model, row, fields if is_list(fields) else [], inactive) for row in found]

    def _write(self, model: str, args: list[object], context: Record) -> object:
        ids, values = args
        stamps = context.get("_timestamp")
        for id_ in ids if is_list(ids) else []:
            told = stamps.get(f"{model},{id_}") if is_object(stamps) else None
            if told is not None and told != self.store.get(model, id_)["_timestamp"]:
                raise ServerError("ConcurrencyException", "Records were modified in the meanwhile")
        for id_ in ids if is_list(ids) else []:
            self.store.write(model, id_, values if is_object(values) else {})
            self._saved(model, id_)
        return None

    # -- what Tryton does by itself --------------------------------------------------------------------------------

    def _saved(self, model: str, id_: object) -> object:
        record = self.store.get(model, id_)
        if model == "party.party" and record["code"] is None:
            record["code"] = str(id_)
        if model == "sale.sale":
            self._check_sale(record)
        if model == "stock.inventory":
            record |= {"state": record["state"] or "draft", "create_uid": 1}
        if model == "product.product" and record["list_price"] is not None:
            record["list_price_used"] = record["list_price"]
        return id_

    def _check_sale(self, sale: Record) -> None:
        for name, default in _DEFAULTS.items():
            sale[name] = sale[name] or default
        for name in ("invoice_address", "shipment_address"):
            if sale[name] is not None and self.store.get("party.address", sale[name])["party"] != sale["party"]:
                raise user_error(f'The value for field "{name}" is not valid according to its domain.')
        digits = self.store.get("currency.currency", sale["currency"])["digits"]
        cent = Decimal(1).scaleb(-int(str(digits)))
        untaxed, bases = Decimal(0), dict[object, Decimal]()
        for line in self.store.children(sale, "sale.line.sale"):
            line["company"] = sale["company"]
            amount = self._check_line(line, cent)
            untaxed += amount
            taxes = line["taxes"]
            for tax in taxes if is_list(taxes) else []:
                bases[tax] = bases.get(tax, Decimal(0)) + amount
        added = Decimal(0)
        for tax, base in bases.items():
            rate = self.store.get("account.tax", tax)["rate"]
            added += (base * Decimal(str(rate))).quantize(cent, ROUND_HALF_EVEN)
        sale |= {"untaxed_amount": untaxed, "tax_amount": added, "total_amount": untaxed + added}

    def _check_line(self, line: Record, cent: Decimal) -> Decimal:
        price, quantity = line["unit_price"], Decimal(str(line["quantity"]))
        unit = self.store.get("product.uom", line["unit"])
        if not isinstance(price, Decimal) or price != price.quantize(Decimal("0.0001")):
            raise user_error(f'The number of digits in the value "{price}" for field "Unit Price" exceeds the limit.')
        if quantity != quantity.quantize(Decimal(1).scaleb(-int(str(unit["digits"])))):
            raise user_error(f'The number of digits in the value "{quantity}" for field "Quantity" exceeds the limit.')
        amount = (price * quantity).quantize(cent, ROUND_HALF_EVEN)
        line["amount"] = amount
        return amount

    def _press(self, sale: Record, button: str) -> None:
        name = f"{sale['number'] or ''} [{sale['reference']}]".strip()
        if sale["state"] not in _BUTTONS[button]:
            raise user_error(f'You can not call "{button}" on "{name}" of "Sale".')
        values: Record = {"state": "cancelled"}
        if button == "quote":
            if sale["invoice_address"] is None:
                raise user_error(f'To get a quote for sale "{name}" you must enter an invoice address.')
            values = {"state": "quotation", "number": sale["number"] or str(sale["id"])}
        if button in ("confirm", "process"):
            values = {"state": "confirmed"}
        self.store.write("sale.sale", sale["id"], values)
        if button == "process" or (button == "confirm" and not self.queue):
            self.books.process(sale)


def _objects(value: object) -> list[Record]:
    if not is_list(value):
        raise TypeError("not a list of values")
    return [item for item in value if is_object(item)]
