"""Kills a daemon under load with SIGKILL again and again, and then looks at what arrived.

`python tests/support/sigkill.py --kills 200` prints the counts as JSON; the exit code tells whether anything that was
acknowledged is missing, anything was doubled, or a repetition had other bytes. The page cache survives SIGKILL: power
cuts have a test of their own.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omnibridge_cloudevents.sandbox import CloudEventsSandbox
from omnibridge_cloudevents.settings import CloudEventsSettings
from omnibridge_twilio.connector import CONNECTOR as TWILIO
from omnibridge_twilio.sandbox import TwilioSandbox
from omnibridge_twilio.settings import Twilio

from omnibridge.testing import SandboxServer, free_port, wait_until

SECRET = "sigkill-webhook-secret"
TOKEN = "sigkill-events-token"
ACCOUNT = "AC00000000000000000000000000000001"
PHONE_POLLS = len(TWILIO.polls)
"""Rows of the phone that are always ready: its polls."""
TOML = """
[bridge]
public_url = "http://127.0.0.1:{port}"
journal = "kill.db"
[server]
port = {port}
token = "{token}"
[channels.shop]
connector = "shopify"
[channels.shop.settings]
shop = "acme.myshopify.com"
access_token = "none"
webhook_secrets = ["{secret}"]
base_url = "http://127.0.0.1:1"
[channels.warehouse]
connector = "cloudevents"
[channels.warehouse.settings]
url = "{warehouse}/"
[channels.phone]
connector = "twilio"
[channels.phone.settings]
account_sid = "{account}"
auth_token = "phone-token"
from_number = "+4580000001"
base_url = "{phone}"
[[routes]]
name = "customers to the warehouse"
events = ["customer.*"]
to = ["warehouse"]
"""


@dataclass
class Load:
    """Posts customers and text messages until stopped; notes what was acknowledged. Repeats what was not."""

    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    customers: set[int] = field(default_factory=set[int])
    messages: set[int] = field(default_factory=set[int])
    last: int = 0

    def run(self) -> None:
        """Until stopped; every number is repeated until it is acknowledged."""
        number = 0
        while not self.stop.is_set():
            number += 1
            self.last = number
            for send, known in ((self._customer, self.customers), (self._message, self.messages)):
                while not self.stop.is_set():
                    if send(number) in (200, 202):
                        known.add(number)
                        break
                    self.stop.wait(0.02)

    def _customer(self, number: int) -> int | None:
        body = json.dumps(
            {
                "id": number,
                "email": f"buyer-{number}@example.com",
                "first_name": f"Buyer {number}",
                "created_at": "2026-11-20T10:00:00+01:00",
                "updated_at": "2026-11-20T10:00:00+01:00",
            }
        ).encode()
        signature = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode()
        headers = {
            "content-type": "application/json",
            "x-shopify-topic": "customers/create",
            "x-shopify-shop-domain": "acme.myshopify.com",
            "x-shopify-hmac-sha256": signature,
            "x-shopify-event-id": f"event-{number}",
        }
        return self._post("/in/shop", body, headers)

    def _message(self, number: int) -> int | None:
        event = {
            "specversion": "1.0",
            "id": f"message-{number}",
            "source": "/load",
            "type": "io.omnibridge.command.message.send.v1",
            "target": "phone",
            "partitionkey": f"lane-{number % 16}",
            "data": {"to": "+4533000001", "body": f"text {number}"},
        }
        headers = {"content-type": "application/cloudevents+json", "authorization": f"Bearer {TOKEN}"}
        return self._post("/events", json.dumps(event).encode(), headers)

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


class Daemon:
    """The bridge as a process that is killed and started again."""

    def __init__(self, config: Path, port: int) -> None:
        self.config = config
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, "-m", "omnibridge.cli", "run", "--config", str(self.config)]
        with (self.config.parent / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        if not wait_until(self._listens, 30):
            raise RuntimeError((self.config.parent / "daemon.log").read_text()[-2000:])

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.5).close()
        except OSError:
            return False
        return True

    def end(self, number: int) -> int:
        """Send a signal and wait; the exit code."""
        assert self.process is not None
        os.kill(self.process.pid, number)
        return self.process.wait(60)


def run(kills: int, seed: int, folder: Path) -> dict[str, Any]:
    """Kill `kills` times; the counts."""
    chance = random.Random(seed)
    port = free_port()
    warehouse = CloudEventsSandbox(CloudEventsSettings(url="http://127.0.0.1:1/"))
    phone = TwilioSandbox(Twilio(account_sid=ACCOUNT, auth_token="phone-token", from_number="+4580000001"))  # type: ignore[arg-type]
    with SandboxServer(warehouse) as one, SandboxServer(phone) as two:
        config = folder / "bridge.toml"
        config.write_text(
            TOML.format(port=port, token=TOKEN, secret=SECRET, account=ACCOUNT, warehouse=one.url, phone=two.url)
        )
        daemon, load = Daemon(config, port), Load(port)
        daemon.start()
        thread = threading.Thread(target=load.run)
        thread.start()
        for kill in range(kills):
            if kill % 4 != 3:  # on a slow machine, too, there must be something to lose; each fourth may hit the start
                enough = len(load.customers) + 4
                wait_until(lambda enough=enough: len(load.customers) >= enough, 60, 0.005)
            time.sleep(chance.uniform(0.0, 0.3))
            daemon.end(signal.SIGKILL)
            daemon.start()
        load.stop.set()
        thread.join()
        settled = wait_until(lambda: _settled(port), 120, 0.2)
        report = {"kills": kills, "settled": settled, **_report(load, warehouse, phone, config)}
        report["exit"] = daemon.end(signal.SIGTERM)
        return report


def _settled(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    counts = {line.split(" ")[0].partition("{")[2]: float(line.split(" ")[1]) for line in lines if "{" in line}
    waiting = sum(number for name, number in counts.items() if name.endswith('state="pending"}'))
    waiting += sum(
        number
        for name, number in counts.items()
        if name.startswith(('channel="warehouse",', 'channel="phone",')) and name.endswith(('"ready"}', '"queued"}'))
    )
    return waiting <= PHONE_POLLS


def _report(load: Load, warehouse: CloudEventsSandbox, phone: TwilioSandbox, config: Path) -> dict[str, Any]:
    bodies: dict[str, set[bytes]] = {}
    names: Counter[str] = Counter()
    for request in warehouse.log:
        key = request.headers["ce-id"]
        if key not in bodies:
            names[json.loads(request.body)["given_name"]] += 1
        bodies.setdefault(key, set()).add(request.body)
    texts = Counter(str(record["body"]) for record in phone.records()["messages"])
    unknown = json.loads(
        subprocess.run(
            [sys.executable, "-m", "omnibridge.cli", "deliveries", "--state", "unknown", "--json", "-c", str(config)],
            capture_output=True,
            check=True,
        ).stdout
        or b"[]"
    )
    return {
        "customers_acknowledged": len(load.customers),
        "messages_acknowledged": len(load.messages),
        "warehouse_requests": len(warehouse.log),
        "customers_lost": sum(f"Buyer {number}" not in names for number in load.customers),
        "customers_doubled": sum(count - 1 for count in names.values()),
        "other_bytes": sum(len(different) > 1 for different in bodies.values()),
        "messages_lost": sum(f"text {number}" not in texts for number in load.messages) - len(unknown),
        "messages_doubled": sum(count - 1 for count in texts.values()),
        "messages_unknown_and_shown": len(unknown),
    }


def wrong(report: dict[str, Any]) -> list[str]:
    """What is not as promised."""
    zero = ("customers_lost", "customers_doubled", "other_bytes", "messages_lost", "messages_doubled", "exit")
    found = [f"{name}: {report[name]}" for name in zero if report[name]]
    return found if report["settled"] else [*found, "not settled"]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = run(options.kills, options.seed, Path(folder))
        print(json.dumps(report, indent=2))
        return 1 if wrong(report) else 0


if __name__ == "__main__":
    sys.exit(main())
