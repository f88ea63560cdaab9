"""Whatever is done with a person, no output names them but those that are asked for their data."""

from __future__ import annotations

import json

import httpx
from daemon_process import Daemon
from small_shop import NOW, ShopSandbox, one_shop, seen, webhook

from omnibridge.connector import Outgoing, Response, SandboxRequest
from omnibridge.event import Event
from omnibridge.model import Customer, SendMessage, full_type
from omnibridge.testing import SandboxServer, wait_until

EMAIL, PHONE, STREET, NAME = "c4n4ry@example.com", "+4533123499", "Kanarienvogelweg 7", "Kanari"
CANARIES = (EMAIL, PHONE, STREET, NAME)
PERSON = Customer.model_validate(
    {"email": EMAIL, "phone": PHONE, "given_name": NAME, "addresses": [{"street": STREET}]}
)  # fmt: skip


class Telling(ShopSandbox):
    """Fails at first, refuses then, and says whom it was about each time."""

    def respond(self, request: SandboxRequest) -> Response:
        return Response(500 if len(self.log) == 1 else 422, {"x-error": NAME}, " ".join(CANARIES).encode())


def test_nobody_is_named_by_logs_metrics_errors_or_lists(run, tmp_path):
    box, written = Telling(), dict[str, str]()
    with SandboxServer(box) as mail:
        toml = one_shop(
            f'[channels.mail]\nconnector = "shop"\nsettings.url = "{mail.url}"',
            '[server]\nport = 0\ntoken = "hush"',
            '[[routes]]\nname = "r"\nevents = ["customer.*"]\nto = ["mail"]',
        )
        with Daemon(tmp_path, toml) as daemon:

            def say(made: Outgoing, target: str = "/in/shop") -> None:
                answer = httpx.post(f"{daemon.url}{target}", content=made.body, headers=made.headers)
                written[f"answer {len(written)}"] = f"{answer.headers} {answer.text}"

            def command(id_: str, **more: object) -> None:
                wanted = {"to": PHONE, "medium": "sms", "body": f"Hello {NAME}, {STREET}", **more}
                data = SendMessage.model_validate(wanted)
                type_ = full_type("command.message.send")
                event = Event.make(type_, data, id=id_, source="/till", time=NOW, extensions={"target": "mail"})
                body = {**event.attributes(), "data": event.data}
                headers = {"content-type": "application/cloudevents+json", "authorization": "Bearer hush"}
                say(Outgoing("", headers, json.dumps(body).encode()), "/events")

            def states() -> list[str]:
                return sorted(row["state"] for row in run("deliveries", "--json").json())

            say(webhook(seen(PERSON, EMAIL, 1)))
            say(webhook({"kind": "customer", "id": EMAIL, "entity": {"email": [EMAIL], "given_name": 7}}))
            say(webhook(bug=True, of=CANARIES))
            command("dead")
            command("refused", purpose="marketing")
            command("nonsense", to=NAME)
            assert wait_until(lambda: states() == [*["dead"] * 3, "refused"], 30), states()
            # The control: who asks for this person gets all of it.
            for ask in ("customer", "export"):
                told = run(ask, EMAIL).out
                assert NAME in told, ask
                assert EMAIL in told, ask
            assert all(canary in run("export", EMAIL).out for canary in CANARIES)
            for place in ("/metrics", "/readyz"):
                written[place] = httpx.get(f"{daemon.url}{place}").text
            lists = [["deliveries"], ["events"], ["inbox"], ["conflicts"], ["review"], ["check"], ["erase", "--status"]]
            for args in lists:
                written[" ".join(args)] = str(run(*args))
            dead = [row["id"] for row in run("deliveries", "--json").json()]
            written["deliveries --json"] = run("deliveries", "--json").out
            written["replay"] = str(run("replay", *map(str, dead)))
            refused = [["customer", f"x{EMAIL}"], ["export", f"shop:{NAME}"], ["erase", f"shop:{NAME}", "--yes"]]
            for args in [*refused, ["consent", NAME], ["split", f"shop:{NAME}"]]:
                ended = run(*args)
                assert ended.code == 1, args
                written[f"error of {args[0]}"] = str(ended)
            written["erase"] = str(run("erase", EMAIL, "--yes"))
            assert wait_until(lambda: run("erase", "--status", "--json").json()[0]["state"] == "waiting", 30)
            written["settle"] = str(run("erase", "--settle", "1"))
            assert wait_until(lambda: run("erase", "--status", "--json").json()[0]["state"] == "done", 30)
            written["status"] = str([run("erase", "--status"), run("erase", "--status", "--json")])
            written["afterwards"] = str([run("customer", EMAIL), run("events"), run("deliveries"), run("inbox")])
            daemon.signal()
            assert daemon.end() == 0
        written["logs"] = "\n".join(daemon.lines)
    assert [(place, canary) for place, text in written.items() for canary in CANARIES if canary in text] == []
