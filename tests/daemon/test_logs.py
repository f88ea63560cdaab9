"""Logs, metrics and answers hold no payload, no secret and nothing about a person, whatever goes wrong."""

from __future__ import annotations

import json
import logging

import httpx
import structlog
from daemon_process import Daemon
from small_shop import ShopSandbox, ask, one_shop, seen, webhook

from omnibridge.connector import Outgoing, Response, SandboxRequest
from omnibridge.daemon import configure_logs
from omnibridge.model import Customer
from omnibridge.testing import SandboxServer, post, wait_until

CANARIES = {
    "a secret": "c4n4ry-secret",
    "a path secret": "c4n4ry-path",
    "a bearer token": "c4n4ry-token",
    "an email address": "c4n4ry.anna@example.com",
    "a name": "C4n4ry",
    "a vendor's answer": "c4n4ry-answer",
    "a header": "c4n4ry-header",
}


class Rude(ShopSandbox):
    """Fails and refuses in turn, and says too much each time."""

    def respond(self, request: SandboxRequest) -> Response:
        return Response(500 if len(self.log) % 2 else 422, {"x-error": "c4n4ry-header"}, b"c4n4ry-answer")


def test_nothing_that_is_private_is_ever_written(tmp_path):
    box = Rude()
    with SandboxServer(box) as mail:
        toml = one_shop(
            f'[channels.mail]\nconnector = "shop"\nsettings.url = "{mail.url}"\nsettings.secret = "c4n4ry-secret"',
            '[server]\nport = 0\ntoken = "c4n4ry-token"',
            '[[routes]]\nname = "r"\nevents = ["customer.*"]\nto = ["mail"]',
            settings=f'secret = "c4n4ry-secret"\nurl = "{mail.url}"',
        )
        with Daemon(tmp_path, toml) as daemon:
            answers: list[str] = []

            def send(made: Outgoing, target: str = "/in/shop/c4n4ry-path?access_token=c4n4ry-token") -> None:
                headers = {**made.headers, "x-private": "c4n4ry-header"}
                answer = httpx.post(f"{daemon.url}{target}", content=made.body, headers=headers)
                answers.append(f"{answer.headers} {answer.text}")

            person = seen(Customer(given_name="C4n4ry", email="c4n4ry.anna@example.com"), "c4n4ry.anna@example.com", 1)
            send(webhook(person, secret="c4n4ry-secret"))
            send(webhook(person, secret="c4n4ry-secret", bug=True))
            send(webhook({"kind": "customer", "id": "1", "entity": {"email": 7}}, secret="c4n4ry-secret"))
            send(webhook({"occurrence": "C4n4ry", "type": "\0", "data": "C4n4ry"}, secret="c4n4ry-secret"))
            send(webhook(ask("customer", "c4n4ry.anna@example.com"), secret="c4n4ry-secret"))
            for _ in range(12):
                send(webhook(person, secret="wrong"))
            send(webhook(person), "/in/nobody/c4n4ry-path")
            send(Outgoing("", {"authorization": "Bearer c4n4ry-token"}, b"C4n4ry"), "/events")
            send(Outgoing("", {"content-type": "application/cloudevents+json"}, b"{}"), "/events?access_token=c4n4ry")
            assert wait_until(lambda: len(box.log) >= 3)
            answers += [httpx.get(f"{daemon.url}{path}").text for path in ("/metrics", "/readyz")]
            post(Outgoing(f"{daemon.url}/in/shop", {"content-encoding": "gzip"}, b"c4n4ry-path"))
            daemon.signal()
            assert daemon.end() == 0
        written = "\n".join([*daemon.lines, *answers])
        for what, canary in CANARIES.items():
            assert canary not in written, what
        assert {entry["event"] for entry in daemon.logs} >= {
            "translator bug", "many refused deliveries: probably our webhook secret is wrong"
        }  # fmt: skip
        stored = b"".join(file.read_bytes() for file in tmp_path.glob("omnibridge.db*") if file.is_file())
        for what in ("a secret", "a path secret", "a bearer token", "a name", "a vendor's answer"):
            assert CANARIES[what].encode() not in stored, what


def test_every_line_is_json_also_what_libraries_say(capsys):
    before, level = logging.getLogger().handlers[:], logging.getLogger().level
    logging.getLogger().handlers.clear()
    try:
        configure_logs()
        structlog.get_logger("omnibridge").warning("ours", channel="shop", password="c4n4ry", email="c4n4ry")
        try:
            raise ValueError("c4n4ry")
        except ValueError:
            structlog.get_logger("omnibridge").error("with an exception", exc_info=True)
            logging.getLogger('a "quoted" name').exception("c4n4ry %s", "c4n4ry")
        logging.getLogger("library").warning("c4n4ry\nanother line")
        said = capsys.readouterr().err
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers[:] = before
        logging.getLogger().setLevel(level)
    lines = [json.loads(line) for line in said.splitlines()]
    assert "c4n4ry" not in said
    assert len(lines) == 4
    assert all(line["level"] and line["event"] for line in lines)
    assert lines[0]["channel"] == "shop"
    assert lines[1]["exception"].startswith("ValueError at ")
