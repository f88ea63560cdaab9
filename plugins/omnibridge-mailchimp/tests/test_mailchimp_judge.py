"""Mailchimp's own specification and client library judge the sandbox, which every other test relies on."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import mailchimp_marketing
import pytest
from mailchimp_marketing.api_client import ApiClientError
from omnibridge_mailchimp import omnibridge_connectors
from omnibridge_mailchimp.wire import subscriber_hash

from omnibridge.connector import Response, SandboxRequest
from omnibridge.model import Consent, ConsentState, Customer, Medium

CONNECTOR: Any = omnibridge_connectors()[0]

EMAIL = "anna@example.com"


@pytest.fixture
def client(sandbox, settings):
    """Mailchimp's client library, talking to the sandbox over loopback."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = sandbox.handle(SandboxRequest(self.command, self.path, headers, body))
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    made = mailchimp_marketing.Client({"api_key": settings.api_key.get_secret_value()})
    for area in (made.lists, made.ecommerce, made.ping, made.reports):
        area.api_client.host = f"http://127.0.0.1:{server.server_port}/3.0"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_we_ask_and_what_the_sandbox_answers_is_as_specified(vendor_specs, channel, judge):
    channel.deliver(Customer(id="c-1", email=EMAIL, given_name="Anna", tags=("web",)))
    channel.deliver(Consent(contact=EMAIL, medium=Medium.EMAIL, state=ConsentState.GRANTED))
    channel.poll("members")
    assert judge.judged == 4
    assert not judge.problems


def test_the_specification_would_notice(vendor_specs, sandbox, judge):
    path = f"/3.0/lists/a1b2c3d4e5/members/{subscriber_hash(EMAIL)}"
    asked = SandboxRequest("PUT", path, {"content-type": "application/json"}, b'{"email_address":"a@example.com"}')
    judge.see(asked, Response(200, {"content-type": "application/json"}, b'{"status":"invented"}'))
    assert len(judge.problems) == 2
    judge.problems.clear()


def test_the_client_library_finds_an_audience(client, channel, sandbox):
    assert client.ping.get()["health_status"] == "Everything's Chimpy!"
    assert client.lists.get_list("a1b2c3d4e5")["id"] == "a1b2c3d4e5"
    channel.deliver(Customer(id="c-1", email=EMAIL, given_name="Anna", tags=("web",)))
    found = client.lists.get_list_member("a1b2c3d4e5", subscriber_hash(EMAIL))
    assert (found["status"], found["merge_fields"]["FNAME"]) == ("transactional", "Anna")
    assert [tag["name"] for tag in client.lists.get_list_member_tags("a1b2c3d4e5", found["id"])["tags"]] == ["web"]
    body = {"email_address": "ben@example.com", "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ben"}}
    client.lists.set_list_member("a1b2c3d4e5", subscriber_hash("ben@example.com"), body)
    page = client.lists.get_list_members_info("a1b2c3d4e5", count=1, offset=1, fields=["members.email_address"])
    assert page == {"members": [{"email_address": "ben@example.com"}]}
    client.lists.delete_list_member("a1b2c3d4e5", subscriber_hash("ben@example.com"))
    assert client.lists.get_list_members_info("a1b2c3d4e5")["total_items"] == 1


def test_the_client_library_keeps_a_store(client, channel, sandbox):
    store = client.ecommerce.get_store("shop")
    assert store["list_id"] == "a1b2c3d4e5"
    customer = {"id": "c-1", "email_address": EMAIL, "opt_in_status": False}
    client.ecommerce.set_store_customer("shop", "c-1", customer)
    variant = {"id": "TEE-M", "title": "M"}
    client.ecommerce.add_store_product("shop", {"id": "TEE", "title": "Tee", "variants": [variant]})
    line = {"id": "1", "product_id": "TEE", "product_variant_id": "TEE-M", "quantity": 1, "price": 19.9}
    order = {"id": "o-1", "customer": {"id": "c-1"}, "currency_code": "EUR", "order_total": 19.9, "lines": [line]}
    client.ecommerce.add_store_order("shop", order)
    assert client.ecommerce.update_order("shop", "o-1", {"financial_status": "paid"})["financial_status"] == "paid"
    with pytest.raises(ApiClientError) as caught:
        client.ecommerce.add_store_order("shop", order)
    assert caught.value.status_code == 400


def test_the_client_library_shows_what_became_of_a_campaign(client, sandbox):
    sandbox.reports.sends("c1", "News", (EMAIL, "ben@example.com"))
    sandbox.reports.opens("c1", EMAIL)
    assert [one["id"] for one in client.reports.get_all_campaign_reports(count=10)["reports"]] == ["c1"]
    assert client.reports.get_campaign_report("c1")["emails_sent"] == 2
    page = client.reports.get_email_activity_for_campaign("c1", count=1)
    assert (page["total_items"], [act["action"] for act in page["emails"][0]["activity"]]) == (2, ["open"])
    later = client.reports.get_email_activity_for_campaign("c1", since="2026-03-01T12:00:00+00:00")
    assert all(not one["activity"] for one in later["emails"])


def test_the_client_library_keeps_a_segment(client, sandbox):
    sandbox.audience.joins(EMAIL)
    made = client.lists.create_segment("a1b2c3d4e5", {"name": "VIP", "static_segment": []})
    client.lists.create_segment_member("a1b2c3d4e5", made["id"], {"email_address": EMAIL})
    shown = client.lists.get_segment_members_list("a1b2c3d4e5", made["id"])
    assert [one["email_address"] for one in shown["members"]] == [EMAIL]
    client.lists.remove_segment_member("a1b2c3d4e5", made["id"], subscriber_hash(EMAIL))
    done = client.lists.batch_segment_members(
        {"members_to_add": [EMAIL, "nobody@example.com"]}, "a1b2c3d4e5", made["id"]
    )
    assert (done["total_added"], done["error_count"]) == (1, 1)
    assert client.lists.get_segment("a1b2c3d4e5", made["id"])["member_count"] == 1


def test_the_client_library_meets_the_errors(client, sandbox):
    sandbox.audience.joins(EMAIL)
    sandbox.audience.leaves(EMAIL)
    with pytest.raises(ApiClientError) as caught:
        client.lists.update_list_member("a1b2c3d4e5", subscriber_hash(EMAIL), {"status": "subscribed"})
    assert caught.value.status_code == 400
    assert "Member In Compliance State" in str(caught.value.text)
    with pytest.raises(ApiClientError) as caught:
        client.lists.get_list("ffffffffff")
    assert caught.value.status_code == 404
    hook = {"url": "https://bridge.example.com/in/news/x", "events": {"profile": True}, "sources": {"user": True}}
    made = client.lists.create_list_webhook("a1b2c3d4e5", hook)
    client.lists.update_list_webhook("a1b2c3d4e5", made["id"], {"events": {"cleaned": True}})
    assert client.lists.get_list_webhooks("a1b2c3d4e5")["webhooks"][0]["events"]["cleaned"] is True
    client.lists.delete_list_webhook("a1b2c3d4e5", made["id"])
    assert client.lists.get_list_webhooks("a1b2c3d4e5")["total_items"] == 0


def test_other_paths_and_methods_are_answered_as_mailchimp_does(sandbox, channel):
    authorised = CONNECTOR.auth.headers(channel.settings, None, None, channel.clock())
    nowhere = sandbox.handle(SandboxRequest("GET", "/3.0/nowhere", dict(authorised)))
    assert nowhere.status == 404
    assert nowhere.header("content-type").startswith("application/problem+json")
    assert nowhere.json()["instance"] == nowhere.header("x-request-id")
    wrong = sandbox.handle(SandboxRequest("PUT", "/3.0/ping", dict(authorised)))
    assert (wrong.status, wrong.header("allow")) == (405, "GET")
    assert sandbox.handle(SandboxRequest("GET", "/3.0/ping", {})).status == 401


def test_the_package_offers_its_connector():
    assert list(omnibridge_connectors()) == [CONNECTOR]
    assert set(CONNECTOR.sandbox(channel_settings()).records()) >= {"members", "webhooks", "orders"}


def channel_settings():
    return CONNECTOR.settings(api_key="key-us1", list_id="a1", path_secrets=("0123456789abcdef",))
