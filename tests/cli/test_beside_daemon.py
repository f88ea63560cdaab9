"""Commands beside a running daemon: it takes up what an operator mends, and copies are made while it works."""

from __future__ import annotations

import signal

import httpx
from daemon_process import Daemon
from small_shop import ShopSandbox, one_shop, seen, webhook

from omnibridge.connector import Outgoing
from omnibridge.model import Customer
from omnibridge.testing import SandboxServer, post, wait_until


def test_a_running_daemon_takes_up_what_an_operator_mends(run, journal):
    box = ShopSandbox()
    with SandboxServer(box) as mail:
        toml = (journal / "bridge.toml").read_text().replace("https://mail.example", mail.url)
        with Daemon(journal, toml) as daemon:
            rows = {row["state"]: row["id"] for row in run("deliveries", "--json").json()}
            run("replay", str(rows["dead"]))
            run("resend", str(rows["done"]))
            run("settle", str(rows["unknown"]))
            assert wait_until(lambda: len(box.messages) == 1 and len(box.puts) == 1, 20)
            daemon.signal(signal.SIGTERM)
            assert daemon.end() == 0
    assert [row["state"] for row in run("deliveries", "--json").json()] == ["done"] * 3
    [message] = [request for request in box.log if request.path == "/messages"]
    assert message.json() == {"to": "+4533123456", "body": "Hello"}


def test_a_copy_is_made_while_the_daemon_works(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "bridge.toml").write_text(one_shop())
    with Daemon(tmp_path, one_shop()) as daemon:

        def deliver(number: int) -> None:
            made = webhook(seen(Customer(given_name=f"N{number}"), str(number), 1), id_=f"d{number}")
            assert post(Outgoing(f"{daemon.url}/in/shop", made.headers, made.body)) == 200

        for number in range(30):
            deliver(number)
        assert run("backup", "copy.db").code == 0
        for number in range(30, 60):
            deliver(number)
        assert run("check", "--integrity").code == 0
        assert len(run("inbox", "--json", "-n", "100").json()) == 60
        refused = run("restore", "copy.db")
        assert refused.code == 1
        assert httpx.get(f"{daemon.url}/livez").status_code == 200
    assert run("restore", "copy.db", "-c", "elsewhere/bridge.toml").code == 0
    keyring = tmp_path / "omnibridge.db.keyring"
    keyring.rename(tmp_path / "elsewhere" / "omnibridge.db.keyring")
    (tmp_path / "omnibridge.db.keys").rename(tmp_path / "elsewhere" / "omnibridge.db.keys")
    with Daemon(tmp_path / "elsewhere", one_shop()) as daemon:
        for number in range(60):
            deliver(number)  # the vendor repeats; what is in the copy is known
        metrics = httpx.get(f"{daemon.url}/metrics").text
        assert 'omnibridge_inbound_total{channel="shop",outcome="duplicate"} 30.0' in metrics
        assert 'omnibridge_inbound_total{channel="shop",outcome="stored"} 30.0' in metrics
        daemon.signal()
        assert daemon.end() == 0
    names = {
        e["data"]["given_name"] for e in run("events", "-n", "100", "--json", "-c", "elsewhere/bridge.toml").json()
    }
    assert names == {f"N{number}" for number in range(60)}
