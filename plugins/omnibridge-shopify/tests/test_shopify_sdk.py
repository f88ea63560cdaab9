"""Shopify's own client library talks to the sandbox, which every other test relies on, over loopback."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import shopify
from omnibridge_shopify.documents import CUSTOMER, CUSTOMER_SET, ORDER, PROBE
from omnibridge_shopify.documents_bulk import ALL_CUSTOMERS, BULK_OPERATION, BULK_RUN
from omnibridge_shopify.settings import API_VERSION

from omnibridge.testing import SandboxServer


@pytest.fixture
def shop(kit):
    """A shop that stands still, and the library's way to it."""
    made = kit.sandbox()
    with SandboxServer(made) as server:
        shopify.ShopifyResource.set_site(f"{server.url}/admin/api/{API_VERSION}")
        shopify.ShopifyResource.set_headers({"X-Shopify-Access-Token": "token"})
        yield made
        shopify.ShopifyResource.clear_session()


def ask(document, **variables):
    """What the library makes of the sandbox's answer to one of the connector's documents."""
    return json.loads(shopify.GraphQL().execute(document.text, variables, document.name))


def test_the_client_library_finds_the_shop_and_is_told_what_it_costs(shop):
    answer = ask(PROBE)
    assert answer["data"]["shop"]["myshopifyDomain"] == "acme.myshopify.com"
    assert answer["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] < 2000


def test_the_client_library_keeps_a_customer(shop):
    given = {"email": "kim@example.com", "firstName": "Kim", "tags": ["vip"]}
    made = ask(CUSTOMER_SET, identifier={"email": given["email"]}, input=given)["data"]["customerSet"]
    assert made["userErrors"] == []
    again = ask(CUSTOMER_SET, identifier={"email": given["email"]}, input={**given, "firstName": "Kit"})
    assert again["data"]["customerSet"]["customer"]["id"] == made["customer"]["id"]
    assert ask(CUSTOMER, id=made["customer"]["id"])["data"]["customer"]["firstName"] == "Kit"
    refused = ask(CUSTOMER_SET, identifier={"id": "gid://shopify/Customer/1"}, input=given)["data"]["customerSet"]
    assert refused["customer"] is None
    assert refused["userErrors"]


def test_the_client_library_reads_an_order(shop):
    placed = shop.place_order(currency="JPY")
    order = ask(ORDER, id=placed["admin_graphql_api_id"])["data"]["order"]
    assert order["name"] == placed["name"]
    assert order["currentTotalPriceSet"]["shopMoney"]["currencyCode"] == "JPY"


def test_the_client_library_runs_a_bulk_operation_whose_file_is_had_without_a_token(shop):
    shop.store.add_customer(email="kim@example.com")
    begun = ask(BULK_RUN, query=ALL_CUSTOMERS.text, grouped=True)["data"]["bulkOperationRunQuery"]
    assert begun["userErrors"] == []
    done = ask(BULK_OPERATION, id=begun["bulkOperation"]["id"])["data"]["bulkOperation"]
    with urlopen(done["url"]) as file:
        lines = file.read().splitlines()
    assert (done["status"], int(done["fileSize"])) == ("COMPLETED", sum(map(len, lines)) + len(lines))
    assert [json.loads(line)["defaultEmailAddress"]["emailAddress"] for line in lines] == ["kim@example.com"]


def test_the_client_library_is_refused_with_another_token(shop, capsys):
    shopify.ShopifyResource.set_headers({"X-Shopify-Access-Token": "somebody's"})
    with pytest.raises(HTTPError) as caught:
        ask(PROBE)
    caught.value.close()
    assert caught.value.code == 401
