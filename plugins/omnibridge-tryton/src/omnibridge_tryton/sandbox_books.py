"""The sandbox's books and shelves: invoices, payments, return shipments, stock counts, and Tryton's questions."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from hashlib import blake2b

from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.store import Record, ServerError, Store, user_error
from omnibridge_tryton.wire import is_list, is_object

__all__ = ["Books"]

_INVOICE = "account.invoice"
_RETURN = "stock.shipment.out.return"
_INVENTORY = "stock.inventory"


def _ids(value: object) -> list[int]:
    return [item for item in value if isinstance(item, int)] if is_list(value) else []


def _number(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value or 0))


class Books:
    """What Tryton does with processed sales, and with counts, upon a store."""

    def __init__(self, settings: TrytonSettings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.answers: set[str] = set()
        self.used: set[str] = set()
        self.wizards = 0
        self.buttons: dict[str, Callable[[Record], None]] = {
            f"{_INVOICE}.post": self._post,
            f"{_RETURN}.receive": self._receive,
            f"{_RETURN}.do": self._put_away,
            f"{_INVENTORY}.confirm": self._count,
        }

    # -- questions -------------------------------------------------------------------------------------------------

    def question(self, about: str, record: str, text: str) -> None:
        """Ask, unless it was answered for this one time. Raises ServerError."""
        name = f"{blake2b(record.encode(), digest_size=16).hexdigest()}.{about}"
        if name not in self.answers:
            raise ServerError("UserWarning", name, text, "")
        self.used.add(name)

    def settle_questions(self, done: bool) -> None:
        """An answer is used up by a call that succeeds."""
        if done:
            self.answers -= self.used
        self.used.clear()

    # -- buttons ---------------------------------------------------------------------------------------------------

    def press(self, button: str, ids: object) -> None:
        """Press a button of records. Raises ServerError."""
        model = button.rpartition(".")[0]
        for id_ in _ids(ids):
            self.buttons[button](self.store.get(model, id_))

    def _refuse(self, button: str, record: Record, model: str) -> ServerError:
        return user_error(f'You can not call "{button}" on "{record["id"]}" of "{model}".')

    # -- sales -----------------------------------------------------------------------------------------------------

    def process(self, sale: Record) -> None:
        """Make what a confirmed sale lacks: its invoice, and the shipment that takes goods back."""
        lines = self.store.children(sale, "sale.line.sale")
        goods = [self._goods(line) for line in lines]
        if sale["invoice_method"] != "manual" and not _ids(sale["invoices"]):
            total = {"total_amount": sale["total_amount"], "amount_to_pay": Decimal(0), "state": "draft"}
            head = {name: sale[name] for name in ("party", "company", "currency")}
            made = self.store.create(_INVOICE, {**head, **total, "sales": [["add", [sale["id"]]]]})
            sale["invoices"] = [made]
        back = any(isgoods and _number(line["quantity"]) < 0 for line, isgoods in zip(lines, goods, strict=True))
        if back and not _ids(sale["shipment_returns"]):
            sale["shipment_returns"] = [self.store.create(_RETURN, {"state": "draft"})]
        self.refresh(sale, shipped="waiting" if any(goods) else "none")

    def _goods(self, line: Record) -> bool:
        return self.store.get("product.product", line["product"])["type"] == "goods"

    def refresh(self, sale: Record, shipped: object = None) -> None:
        """Bring a sale's states up to date with its invoices and shipments."""
        invoices = [self.store.get(_INVOICE, id_)["state"] for id_ in _ids(sale["invoices"])]
        told = {"paid": "paid", "posted": "awaiting payment", "draft": "pending"}
        paid = told[str(invoices[0])] if invoices else "none"
        shipments = {self.store.get(_RETURN, id_)["state"] for id_ in _ids(sale["shipment_returns"])}
        sent = "sent" if shipments and "draft" not in shipments else shipped or sale["shipment_state"]
        done = paid == "paid" and sent in ("sent", "none")
        values = {"invoice_state": paid, "shipment_state": sent, "state": "done" if done else "processing"}
        self.store.write("sale.sale", sale["id"], values)

    def _sales(self, field: str, record: Record) -> list[Record]:
        return [sale for sale in self.store.table("sale.sale").values() if record["id"] in _ids(sale[field])]

    # -- invoices --------------------------------------------------------------------------------------------------

    def _post(self, invoice: Record) -> None:
        if invoice["state"] != "draft":
            raise self._refuse("post", invoice, "Account Invoice")
        lines = [
            line
            for sale in self._sales("invoices", invoice)
            for line in self.store.children(sale, "sale.line.sale")
            if _ids(line["taxes"])  # no product here has a tax of its own
        ]
        if lines:
            text = f'The invoice "({invoice["id"]})" does not have the default taxes for {lines[0]["description"]}.'
            self.question("invoice_taxes", f"{_INVOICE},{invoice['id']}", text)
        posted = [found for found in self.store.table(_INVOICE).values() if found["number"]]
        values = {"state": "posted", "number": str(len(posted) + 1), "amount_to_pay": invoice["total_amount"]}
        self.store.write(_INVOICE, invoice["id"], values)
        self._balance(invoice)

    def _balance(self, invoice: Record) -> None:
        if invoice["state"] == "posted" and not _number(invoice["amount_to_pay"]):
            self.store.write(_INVOICE, invoice["id"], {"state": "paid"})
        for sale in self._sales("invoices", invoice):
            self.refresh(sale)

    def wizard(self, verb: str, args: list[object], context: Record) -> object:
        """The wizard that pays an invoice: `create`, `execute`, `delete`."""
        if verb == "create":
            self.wizards += 1
            return [self.wizards, "start", "end"]
        if verb == "delete":
            return None
        _, forms, state = args
        start = forms.get("start") if is_object(forms) else None
        if not is_object(start):
            raise user_error("The form is not filled in.")
        invoice = self.store.get(_INVOICE, context.get("active_id"))
        self.store.get("account.invoice.payment.method", start.get("payment_method"))
        amount, left = _number(start.get("amount")), _number(invoice["amount_to_pay"])
        if state == "choice" and amount != left:
            return {"view": {"state": "ask"}}
        if not 0 < amount <= left and not left <= amount < 0:
            raise user_error(f"The amount {amount} is more than what is to be paid: {left}.")
        move = self.store.create("account.move", {"description": start.get("description")})
        self.store.create("account.move.line", {"move": move, "amount": -amount, "invoice_payment": invoice["id"]})
        self.store.write(_INVOICE, invoice["id"], {"amount_to_pay": left - amount})
        self._balance(invoice)
        return {}

    # -- shelves ---------------------------------------------------------------------------------------------------

    def _receive(self, shipment: Record) -> None:
        if shipment["state"] != "draft":
            raise self._refuse("receive", shipment, "Customer Return Shipment")
        self.store.write(_RETURN, shipment["id"], {"state": "received"})
        for sale in self._sales("shipment_returns", shipment):
            for line in self.store.children(sale, "sale.line.sale"):
                if self._goods(line):
                    self.move(line["product"], -float(_number(line["quantity"])))
            self.refresh(sale)

    def _put_away(self, shipment: Record) -> None:
        if shipment["state"] != "received":
            raise self._refuse("do", shipment, "Customer Return Shipment")
        self.store.write(_RETURN, shipment["id"], {"state": "done"})

    def move(self, product: object, quantity: float) -> None:
        """Change the stock of a product by a move that is done."""
        record = self.store.get("product.product", product)
        for name in ("quantity", "forecast_quantity"):
            record[name] = float(_number(record[name]) + _number(quantity))
        values: Record = {"product": product, "company": self.settings.company, "quantity": quantity, "state": "done"}
        self.store.create("stock.move", values)

    def _count(self, inventory: Record) -> None:
        if inventory["state"] != "draft":
            raise self._refuse("confirm", inventory, "Stock Inventory")
        for line in self.store.children(inventory, "stock.inventory.line.inventory"):
            counted = _number(line["quantity"])
            if counted < 0:
                raise user_error("Line quantity must be positive or null.")
            there = _number(self.store.get("product.product", line["product"])["quantity"])
            if counted != there:
                self.move(line["product"], float(counted - there))
        self.store.write(_INVENTORY, inventory["id"], {"state": "done"})
