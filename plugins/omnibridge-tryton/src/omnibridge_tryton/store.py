"""A small imitation of Tryton's storage for the sandbox: records with their relations, domains and dotted reads.

It knows the models and fields that the connector uses of Tryton 8.2 and refuses all others as Tryton does, so that a
misspelt one fails here as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from omnibridge_tryton.wire import is_list, is_object

__all__ = ["SCHEMA", "Record", "ServerError", "Store", "user_error"]

Record = dict[str, object]

# Fields of a model by what they hold: nothing for a plain value, `>model` for one related record, `<model.field` for
# those whose `field` leads back, `*model` for a list of ids.
_FIELDS = {
    "company.company": "currency>currency.currency",
    "currency.currency": "name code digits",
    "country.country": "name code",
    "country.subdivision": "name code country>country.country",
    "ir.lang": "name code",
    "account.tax": "name rate company>company.company parent>account.tax group>account.tax.group",
    "account.tax.group": "name kind",
    "account.invoice": "number state total_amount amount_to_pay currency>currency.currency party>party.party "
    "company>company.company sales*sale.sale",
    "account.invoice.payment.method": "name company>company.company",
    "account.move": "description",
    "account.move.line": "move>account.move amount invoice_payment>account.invoice",
    "res.user": "login",
    "stock.inventory": "location>stock.location date company>company.company state create_uid>res.user "
    "lines<stock.inventory.line.inventory",
    "stock.inventory.line": "inventory>stock.inventory product>product.product quantity",
    "stock.location": "name code type storage_location>stock.location",
    "stock.shipment.out.return": "state",
    "stock.move": "product>product.product company>company.company quantity state",
    "product.category": "name",
    "product.uom": "name symbol digits",
    "product.identifier": "product>product.product type code",
    "product.template": "name code type salable categories*product.category products<product.product.template",
    "product.product": "template>product.template code name type description list_price list_price_used cost_price "
    "sale_uom>product.uom default_uom>product.uom quantity forecast_quantity "
    "identifiers<product.identifier.product",
    "party.party": "name code lang>ir.lang replaced_by>party.party tax_identifier>party.identifier "
    "contact_mechanisms<party.contact_mechanism.party addresses<party.address.party "
    "identifiers<party.identifier.party",
    "party.contact_mechanism": "party>party.party type value",
    "party.address": "party>party.party party_name attn street city postal_code country>country.country "
    "subdivision>country.subdivision",
    "party.identifier": "party>party.party type code",
    "sale.sale": "party>party.party company>company.company currency>currency.currency number reference description "
    "state invoice_state shipment_state sale_date comment untaxed_amount tax_amount total_amount "
    "warehouse>stock.location invoice_address>party.address shipment_address>party.address "
    "lines<sale.line.sale origin invoice_method shipment_method invoices*account.invoice "
    "shipment_returns*stock.shipment.out.return",
    "sale.line": "sale>sale.sale company>company.company type description quantity unit_price amount note "
    "unit>product.uom product>product.product taxes*account.tax",
}
_STAMPS = ("id", "active", "create_date", "write_date", "last_modified_at", "_timestamp")
_FIELD = re.compile(r"(\w+)(?:([><*])([\w.]+))?")


def _schema() -> Iterator[tuple[str, dict[str, tuple[str, str]]]]:
    for model, text in _FIELDS.items():
        fields: dict[str, tuple[str, str]] = dict.fromkeys(_STAMPS, ("", ""))
        for part in text.split():
            found = _FIELD.fullmatch(part)
            if found is not None:
                fields[found[1]] = (found[2] or "", found[3] or "")
        yield model, fields


SCHEMA: Mapping[str, Mapping[str, tuple[str, str]]] = dict(_schema())
"""Model → field → (relation sign, what it leads to)."""


class ServerError(Exception):
    """An error that the server answers in its envelope: a class name and texts."""

    def __init__(self, name: str, *texts: str | None) -> None:
        super().__init__(name)
        self.error: list[object] = [name, list(texts)] if len(texts) > 1 else [name, *texts]


def user_error(message: str) -> ServerError:
    """A refusal in words."""
    return ServerError("UserError", message, "", None)


def _key_error(name: object) -> ServerError:
    return ServerError(f"'{name}'", "")


def _like(pattern: str, text: object, flags: int) -> bool:
    out, escaped = "", False
    for char in pattern:
        if escaped or char not in "\\%_":
            out, escaped = out + re.escape(char), False
        elif char == "\\":
            escaped = True
        else:
            out += ".*" if char == "%" else "."
    return isinstance(text, str) and re.fullmatch(out, text, flags | re.DOTALL) is not None


def _behind(left: object, right: object, or_same: bool) -> bool:
    if or_same and left == right:
        return True
    if isinstance(left, datetime) and isinstance(right, datetime):
        return left > right
    return isinstance(left, int) and isinstance(right, int) and left > right


class Store:
    """All records, by model and id. `now` gives the time; no two changes share an instant."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.tables: dict[str, dict[int, Record]] = {model: {} for model in SCHEMA}
        self.last = datetime.min.replace(tzinfo=UTC)

    def stamp(self) -> datetime:
        """The time of a change: now, or a moment after the last one, which `_timestamp` can tell apart."""
        at = self.now()
        if at <= self.last:
            at = self.last + timedelta(microseconds=20)
        self.last = at
        return at

    def table(self, model: str) -> dict[int, Record]:
        """The records of a model."""
        if model not in self.tables:
            raise _key_error(model)
        return self.tables[model]

    def _field(self, model: str, name: str) -> tuple[str, str]:
        fields = SCHEMA.get(model)
        if fields is None or name not in fields:
            raise _key_error(name)
        return fields[name]

    def get(self, model: str, id_: object) -> Record:
        """One record. Raises ServerError."""
        record = self.table(model).get(id_) if isinstance(id_, int) else None
        if record is None:
            raise user_error(f'You are trying to read records "{id_}" of "{model}" that don\'t exist.')
        return record

    # -- writing ---------------------------------------------------------------------------------------------------

    def create(self, model: str, values: Mapping[str, object]) -> int:
        """Make a record with the records below it."""
        table = self.table(model)
        id_ = max(table, default=0) + 1
        record: Record = {name: None for name in SCHEMA[model]}  # noqa: C420 - its values are of any type
        record |= {"id": id_, "active": True, "create_date": self.stamp()}
        table[id_] = record
        self._set(model, record, values)
        return id_

    def write(self, model: str, id_: object, values: Mapping[str, object]) -> None:
        """Change a record and the records below it."""
        record = self.get(model, id_)
        record["write_date"] = self.stamp()
        self._set(model, record, values)

    def _set(self, model: str, record: Record, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            sign, target = self._field(model, name)
            if sign in ("<", "*"):
                self._change(record, name, sign, target, value)
            else:
                record[name] = value
        record["last_modified_at"] = record["write_date"] or record["create_date"]
        at = record["last_modified_at"]
        record["_timestamp"] = f"{at.timestamp():.5f}" if isinstance(at, datetime) else None

    def _change(self, record: Record, name: str, sign: str, target: str, actions: object) -> None:
        for action in actions if is_list(actions) else []:
            if not is_list(action) or not action:
                raise user_error(f'The value for field "{name}" is not valid.')
            verb, *rest = action
            if sign == "*":
                if verb == "add" and is_list(rest[0]):
                    before = record.get(name)
                    record[name] = [*(before if is_list(before) else []), *rest[0]]
                continue
            model, back = target.rpartition(".")[::2]
            if verb == "create":
                for values in rest[0] if is_list(rest[0]) else []:
                    if is_object(values):
                        self.create(model, {**values, back: record["id"]})
            elif verb == "write" and is_list(rest[0]) and is_object(rest[1]):
                for id_ in rest[0]:
                    self.write(model, id_, rest[1])
            elif verb == "delete" and is_list(rest[0]):
                for id_ in rest[0]:
                    self.table(model).pop(id_ if isinstance(id_, int) else -1, None)

    # -- reading ---------------------------------------------------------------------------------------------------

    def children(self, record: Record, target: str) -> list[Record]:
        """The records of `model.field` (`target`) that lead back to a record, in order of their ids."""
        model, back = target.rpartition(".")[::2]
        return [child for child in self.table(model).values() if child[back] == record["id"]]

    def value(self, model: str, record: Record, path: str) -> object:
        """A field by a dotted path over single relations."""
        name, _, rest = path.partition(".")
        sign, target = self._field(model, name)
        if sign == "<":
            below = target.rpartition(".")[0]
            owned = self.children(record, target)
            return [self.value(below, child, rest) if rest else child["id"] for child in owned]
        found = record[name]
        if not rest:
            return found
        return self.value(target, self.get(target, found), rest) if found is not None else None

    def read(self, model: str, record: Record, fields: Sequence[object], inactive: bool) -> Record:
        """The fields of a record; dotted ones in objects of their own, named with a dot at the end."""
        row: Record = {"id": record["id"]}
        below: dict[str, list[object]] = {}
        for path in fields:
            name, _, rest = str(path).partition(".")
            sign, target = self._field(model, name)
            if rest:
                below.setdefault(name, []).append(rest)
            elif sign == "<":
                row[name] = [c["id"] for c in self.children(record, target) if inactive or c["active"]]
            else:
                row[name] = record[name]
        for name, rest in below.items():
            sign, target = self._field(model, name)
            if sign == "<":
                owned = [c for c in self.children(record, target) if inactive or c["active"]]
                row[f"{name}."] = [self.read(target.rpartition(".")[0], child, rest, inactive) for child in owned]
            elif sign == "*":
                ids = record[name]
                listed = [self.get(target, id_) for id_ in ids] if is_list(ids) else []
                row[f"{name}."] = [self.read(target, one, rest, inactive) for one in listed]
            else:
                one = record[name]
                row[f"{name}."] = self.read(target, self.get(target, one), rest, inactive) if one else None
        return row

    def search(self, model: str, domain: object, order: object, inactive: bool) -> list[Record]:
        """The records that meet a domain, sorted. Raises ServerError for an unknown field."""
        inactive = inactive or "'active'" in str(domain)
        found = [
            record
            for record in self.table(model).values()
            if self.meets(model, record, domain) and (inactive or record["active"])
        ]
        for clause in reversed(order if is_list(order) else []):
            if is_list(clause) and len(clause) == 2:
                name, way = str(clause[0]), clause[1]
                self._field(model, name)
                found.sort(key=lambda record: _sortable(record[name]), reverse=way == "DESC")
        return found

    def meets(self, model: str, record: Record, domain: object) -> bool:
        """Whether a record meets a domain."""
        if not is_list(domain):
            raise user_error("The domain is not valid.")
        if domain and domain[0] in ("OR", "AND"):
            parts: Iterable[bool] = (self.meets(model, record, part) for part in domain[1:])
            return any(parts) if domain[0] == "OR" else all(parts)
        if len(domain) == 3 and isinstance(domain[0], str):
            return self._clause(model, record, domain[0], str(domain[1]), domain[2])
        return all(self.meets(model, record, part) for part in domain)

    def _clause(self, model: str, record: Record, path: str, operator: str, wanted: object) -> bool:
        value = self.value(model, record, path)
        if operator == "=":  # of several related records, any
            return wanted in value if is_list(value) else value == wanted
        if operator == "!=":
            return value != wanted
        if operator == "in":
            return is_list(wanted) and value in wanted
        if operator in ("like", "ilike"):
            return _like(str(wanted), value, re.IGNORECASE if operator == "ilike" else 0)
        if operator in (">", ">="):
            return _behind(value, wanted, operator == ">=")
        raise user_error(f'The operator "{operator}" is not known.')


def _sortable(value: object) -> tuple[int, object]:
    if isinstance(value, datetime):
        return 2, value.timestamp()
    if isinstance(value, (int, float, Decimal)):
        return 1, value
    return 0, str(value or "")
