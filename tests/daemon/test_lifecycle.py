"""The daemon from its start to its end: health, an orderly stop, and a clear message where it cannot start."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
from pathlib import Path

import httpx
import pytest
from daemon_process import Daemon, command
from small_shop import ShopSandbox, one_shop, seen, webhook

from omnibridge.connector import Response, SandboxRequest
from omnibridge.model import Customer
from omnibridge.testing import SandboxServer, post, wait_until

ROUTE = '[[routes]]\nname = "r"\nevents = ["customer.*"]\nfrom = ["shop"]\nto = ["mail"]\n'


def to_mail(url: str, *more: str) -> str:
    """A shop whose customers go to a mail system at `url`."""
    return one_shop(f'[channels.mail]\nconnector = "shop"\nsettings.url = "{url}"', ROUTE, *more)


def deliver(daemon: Daemon, number: int = 1, **fields: str) -> int | None:
    customer = Customer.model_validate({"given_name": "Anna", **fields})
    made = webhook(seen(customer, str(number), 1), id_=f"d{number}")
    return post(type(made)(f"{daemon.url}/in/shop", made.headers, made.body))


class Slow(ShopSandbox):
    """Answers only when it is allowed to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.allowed = threading.Event()

    def respond(self, request: SandboxRequest) -> Response:
        self.asked.set()
        self.allowed.wait(20)
        return super().respond(request)


def test_it_starts_serves_and_stops_in_order(tmp_path):
    box = Slow()
    with SandboxServer(box) as mail, Daemon(tmp_path, to_mail(mail.url)) as daemon:
        assert httpx.get(f"{daemon.url}/livez").text == "alive\n"
        ready = httpx.get(f"{daemon.url}/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        ours = ("events", "operator", "handler:omnibridge.privacy")  # the bridge's own
        assert ready.json()["channels"] == dict.fromkeys(("shop", "mail", *ours), "green")
        assert deliver(daemon) == 200
        assert box.asked.wait(10)
        metrics = httpx.get(f"{daemon.url}/metrics")
        assert metrics.headers["content-type"].startswith("text/plain")
        assert 'omnibridge_inbound_total{channel="shop",outcome="stored"} 1.0' in metrics.text
        assert "omnibridge_journal_up 1.0" in metrics.text

        daemon.signal(signal.SIGTERM)
        daemon.wait_for("draining")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{daemon.url}/livez")
        box.allowed.set()
        assert daemon.end() == 0
    assert [path for path, _ in box.puts] == [box.log[0].path]
    assert [entry["event"] for entry in daemon.logs] == ["listening", "stopping", "draining", "stopped"]
    # What was under way is settled: a second start has nothing left to do.
    assert "done" in command(tmp_path, "deliveries", "--json").stdout


def test_it_tells_that_it_is_stopping_while_a_request_is_under_way(tmp_path):
    with Daemon(tmp_path, one_shop("[server]\nport = 0\nbody_seconds = 5")) as daemon:
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as client:
            made = webhook(seen(Customer(given_name="Anna"), "1", 1))
            signature = made.headers["x-signature"]
            head = f"POST /in/shop HTTP/1.1\r\nx-signature: {signature}\r\ncontent-length: {len(made.body)}\r\n\r\n"
            client.sendall(head.encode() + made.body[:5])
            daemon.signal()
            daemon.wait_for("stopping")
            client.sendall(made.body[5:])
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
        assert daemon.end() == 0
    assert '"state": "done"' in command(tmp_path, "inbox", "--json").stdout


def test_interrupting_it_stops_it_as_well(tmp_path):
    with Daemon(tmp_path, one_shop()) as daemon:
        daemon.signal(signal.SIGINT)
        assert daemon.end() == 0


def test_a_second_signal_does_not_wait(tmp_path):
    box = Slow()
    with SandboxServer(box) as mail, Daemon(tmp_path, to_mail(mail.url)) as daemon:
        assert deliver(daemon) == 200
        assert box.asked.wait(10)
        daemon.signal()
        daemon.wait_for("draining")
        daemon.signal()
        assert daemon.end(10) != 0
        box.allowed.set()
    # The process ended in the middle; what it was doing is not forgotten.
    box.puts.clear()
    with SandboxServer(box) as mail, Daemon(tmp_path, to_mail(mail.url)) as daemon:
        assert wait_until(lambda: bool(box.puts), 20)


def test_deliveries_survive_being_killed(tmp_path):
    box = Slow()
    with SandboxServer(box) as mail:
        with Daemon(tmp_path, to_mail(mail.url)) as daemon:
            for number in range(20):
                assert deliver(daemon, number) == 200
            assert box.asked.wait(10)
            daemon.signal(signal.SIGKILL)
            daemon.end()
        box.allowed.set()
        with Daemon(tmp_path, to_mail(mail.url)) as daemon:
            for number in range(20):
                assert deliver(daemon, number) == 200  # the vendor repeats what it is not sure of
            assert wait_until(lambda: len({path for path, _ in box.puts}) == 20, 25)
            metrics = httpx.get(f"{daemon.url}/metrics").text
    assert 'omnibridge_inbound_total{channel="shop",outcome="duplicate"} 20.0' in metrics


# -- it cannot start -------------------------------------------------------------------------------------------------


def refused(folder: Path, toml: str, code: int, *says: str) -> str:
    (folder / "bridge.toml").write_text(toml)
    ended = command(folder, "run")
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    for text in says:
        assert text in ended.stderr
    return ended.stderr


def test_a_port_in_use_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(tmp_path, one_shop(f"[server]\nport = {port}"), 2, f"cannot listen on 127.0.0.1:{port}", "server.port")


def test_an_address_that_is_not_ours_is_named(tmp_path):
    refused(tmp_path, one_shop('[server]\nhost = "203.0.113.1"\nport = 0'), 2, "cannot listen on 203.0.113.1")
    refused(tmp_path, one_shop('[server]\nhost = "no.such.host.invalid"\nport = 0'), 2, "cannot listen on 'no.such")
    refused(tmp_path, one_shop('[server]\nhost = "ø..x"\nport = 0'), 2, "no such address", "set server.host")


def test_a_wrong_configuration_is_said_whole(tmp_path):
    text = "settings.url = 7\nsettings.nothing = 1\n"
    refused(tmp_path, one_shop() + text, 2, "bridge.toml:5", "bridge.toml:6", "there is no such setting")


def test_a_journal_that_another_daemon_uses_is_named(tmp_path):
    with Daemon(tmp_path, one_shop()):
        said = refused(tmp_path, one_shop("[server]\nport = 0"), 1)
        assert "in use" in said or "another" in said or "lock" in said


def test_a_journal_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    with Daemon(tmp_path, one_shop()) as daemon:
        daemon.signal()
        daemon.end()
    with sqlite3.connect(tmp_path / "omnibridge.db") as journal:
        [[version]] = journal.execute("PRAGMA user_version")
        journal.execute(f"PRAGMA user_version = {version + 1}")
    journal.close()
    before = (tmp_path / "omnibridge.db").read_bytes()
    refused(tmp_path, one_shop("[server]\nport = 0"), 1, "newer")
    assert (tmp_path / "omnibridge.db").read_bytes() == before


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "omnibridge.db").write_text("my shopping list " * 100)
    (tmp_path / "omnibridge.db.keyring").write_text("00" * 32 + "\n")
    refused(tmp_path, one_shop("[server]\nport = 0"), 1, "journal")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    toml = one_shop("[server]\nport = 0").replace("[bridge]", '[bridge]\njournal = "nowhere/j.db"')
    said = refused(tmp_path, toml, 2)
    assert "nowhere" in said


def test_there_is_no_configuration(tmp_path):
    ended = command(tmp_path, "run")
    assert ended.returncode == 2
    assert "bridge.toml: there is no such file" in ended.stderr


# -- the disk fails --------------------------------------------------------------------------------------------------

FAILING = """
import omnibridge.bridge as bridge
from contextlib import asynccontextmanager
from omnibridge.errors import StorageFailed

open_journal = bridge.open_journal

@asynccontextmanager
async def failing(*args, **options):
    async with open_journal(*args, **options) as journal:
        class Failing:
            failed = False
            def __getattr__(self, name):
                return getattr(journal, name)
            async def process(self, batch):
                self.failed = True
                raise StorageFailed("the disk failed the journal: I/O error")
        yield Failing()

bridge.open_journal = failing
from omnibridge.cli import main
import sys
sys.argv = ["omnibridge", "run"]
main()
"""


def test_a_failed_disk_ends_it_with_a_code_of_its_own(tmp_path):
    with Daemon(tmp_path, one_shop(), program=FAILING) as daemon:
        assert deliver(daemon) == 200
        assert daemon.end() == 74
    last = daemon.logs[-1]
    assert (last["level"], last["event"]) == ("error", "the journal failed; stopping")
    assert "I/O error" in last["error"]
    # The delivery was synced before it was acknowledged: it is there after the restart.
    with Daemon(tmp_path, one_shop()) as daemon:
        assert wait_until(lambda: '"customer.created' in command(tmp_path, "events", "--json").stdout.replace(
            "io.omnibridge.", ""), 10)  # fmt: skip
