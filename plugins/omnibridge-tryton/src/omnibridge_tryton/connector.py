"""The record of the Tryton connector: what it can do, and what it leaves out."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta

from omnibridge.connector import Auth, Connector, Credential, Http, Limits, Poll, Request, deliver
from omnibridge.errors import InvalidMessage
from omnibridge.model import Customer, InventoryLevel, Order, Payment, Product, Refund, Return
from omnibridge_tryton import outbound, parties, payments, prices, reads, refunds, returns, stock, terms
from omnibridge_tryton.dropped import DROPPED
from omnibridge_tryton.sandbox import TrytonSandbox
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.wire import HEADERS, PATH, answer, classify, envelope, is_list

__all__ = ["CONNECTOR"]


def _base_url(settings: TrytonSettings) -> str:
    return f"{settings.base_url}/{settings.database}"


def _scope(settings: TrytonSettings) -> str:
    return _base_url(settings)


async def _login(settings: TrytonSettings, old: Credential | None, http: Http) -> Credential:
    """Open a session: `common.db.login` gives the user's id and a token.

    A session ends by being idle (the server says how long), so that it has no time of expiry: a 401 tells.
    """
    params = [settings.username, {"password": settings.password.get_secret_value()}]
    body = envelope("common.db.login", params)
    opened = answer("common.db.login", await http.query(PATH, json=body, headers=HEADERS))
    if not is_list(opened) or len(opened) < 2 or not isinstance(opened[1], str):
        raise InvalidMessage("a session without a token", where="common.db.login")
    text = f"{settings.username}:{opened[0]}:{opened[1]}"
    return Credential({"session": base64.b64encode(text.encode()).decode("ascii")})


def _headers(
    settings: TrytonSettings, credential: Credential | None, request: Request, now: datetime
) -> Mapping[str, str]:
    return {"Authorization": f"Session {credential.values['session']}"} if credential else {}


CONNECTOR = Connector(
    name="tryton",
    title="Tryton",
    settings=TrytonSettings,
    api_version="8.2",
    base_url=_base_url,
    auth=Auth(headers=_headers, obtain=_login),
    limits=Limits(
        concurrency=4,
        scope=_scope,
        timeout=timedelta(seconds=60),
        source="Tryton has no request limit but for logins; four at once leave workers to the people who use it.",
    ),
    classify=classify,
    probe=reads.probe,
    terms=terms.list_terms,
    polls=(
        Poll(name="parties", every=timedelta(minutes=5), run=reads.poll_parties),
        Poll(name="sales", every=timedelta(minutes=2), run=reads.poll_sales),
        Poll(name="products", every=timedelta(minutes=15), run=reads.poll_products),
        Poll(name="stock", every=timedelta(minutes=2), run=reads.poll_stock),
    ),
    read=reads.read,
    delivers=(
        deliver(Customer, parties.put_customer, find=parties.find_customer, normal=parties.normal),
        deliver(
            Order,
            outbound.place_order,
            verbs=("placed", "updated", "paid", "fulfilled"),
            find=outbound.find_order,
            normal=outbound.normal,
        ),
        deliver(Order, outbound.cancel_order, verbs=("cancelled",)),
        deliver(Return, returns.put_return, find=returns.find_return, normal=returns.normal_return),
        deliver(Refund, refunds.put_refund, verbs=("completed",), find=refunds.find_refund),
        deliver(Payment, payments.put_payment, find=payments.find_payment),
        deliver(InventoryLevel, stock.put_level, find=stock.find_level, normal=stock.normal_level),
        deliver(Product, prices.put_prices, find=prices.find_prices, normal=prices.normal_product),
    ),
    emits=(Customer.KIND, Order.KIND, Return.KIND, Refund.KIND, Product.KIND, InventoryLevel.KIND),
    sandbox=lambda settings: TrytonSandbox(settings),
    dropped=DROPPED,
)
