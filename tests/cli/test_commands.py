"""Every command on a small real journal: what it shows, its JSON for programs, and what it changes."""

from __future__ import annotations

import json
import re
import shutil

import pytest

DELIVERY = {"id", "state", "channel", "event", "attempts", "due", "last", "route"}


@pytest.fixture(autouse=True)
def _in(journal):
    """Each test has a journal of its own."""


# -- looking ---------------------------------------------------------------------------------------------------------


def test_events_are_listed_newest_first(run):
    shown = run("events", "--json").json()
    assert [event["type"] for event in shown] == [
        "io.omnibridge.command.message.send.v1",
        "io.omnibridge.command.message.send.v1",
        "io.omnibridge.customer.created.v1",
    ]
    customer = shown[-1]
    assert set(customer) >= {"specversion", "id", "source", "type", "subject", "time", "recorded", "data", "channel"}
    assert customer["data"]["given_name"] == "Anna"
    assert [e["type"] for e in run("events", "--type", "customer.created", "--json").json()] == [customer["type"]]
    assert len(run("events", "--channel", "events", "--json").json()) == 2
    assert len(run("events", "-n", "1", "--json").json()) == 1
    assert run("events", "--type", "order.placed", "--json").json() == []


def test_one_event_is_shown_whole_by_the_beginning_of_its_id(run):
    [event] = run("events", "--type", "customer.created", "--json").json()
    assert run("events", event["id"][:8]).json() == event
    table = run("events").out
    assert event["id"][:12] in table
    assert "customer.created" in table
    assert "anna@example.com" not in table


def test_the_inbox_shows_what_came_in_and_what_nobody_understood(run):
    rows = run("inbox", "--json").json()
    assert set(rows[0]) == {"id", "channel", "origin", "state", "received", "bytes", "error"}
    [invalid] = run("inbox", "--state", "invalid", "--json").json()
    assert invalid["error"] == "ZeroDivisionError in the connector; replay after it is mended"
    assert invalid["channel"] == "shop"
    assert "ZeroDivisionError" in run("inbox", "--state", "invalid").out
    assert run("inbox", "--state", "pending", "--json").json() == []
    assert run("inbox", "--state", "pending").out == "Inbox: none\n"


def test_deliveries_are_listed_by_state_channel_and_event(run):
    rows = run("deliveries", "--json").json()
    assert all(set(row) == DELIVERY for row in rows)
    assert [row["state"] for row in rows] == ["unknown", "dead", "done"]
    assert {row["channel"] for row in rows} == {"mail"}
    assert rows[-1]["route"] == "customers to mail"
    for state in ("dead", "unknown", "done"):
        assert [row["state"] for row in run("deliveries", "--state", state, "--json").json()] == [state]
    event = run("events", "--type", "customer.created", "--json").json()[0]["id"]
    assert len(run("deliveries", "--event", event, "--json").json()) == 1
    assert run("deliveries", "--channel", "shop", "--json").json() == []
    assert "the shop refused it" in run("deliveries").out


def test_one_delivery_shows_its_attempts_and_requests(run):
    [dead] = run("deliveries", "--state", "dead", "--json").json()
    shown = run("deliveries", str(dead["id"])).json()
    assert set(shown) == DELIVERY | {"key", "generation", "lane", "event_id", "created", "attempts", "steps"}
    [attempt] = shown["attempts"]
    assert (attempt["outcome"], attempt["code"]) == ("permanent", "422")
    [step] = shown["steps"]
    assert (step["request"], step["answered"]) == ("POST /messages", True)
    assert re.fullmatch(r"[0-9a-f-]{36}", step["key"])
    assert step["key"] != shown["key"]
    assert "Hello" not in json.dumps(shown)


def test_check_says_that_nothing_is_wrong(run):
    shown = run("check", "--json").json()
    assert shown["ok"] is True
    assert [problem for problem in shown["problems"] if not problem["warning"]] == []
    assert run("check", "--integrity").code == 0
    assert "2 channels, 2 routes" in run("check").out


def test_check_says_everything_that_is_wrong(run, journal):
    (journal / "bridge.toml").write_text('[channels.x]\nconnector = "nowhere"\n[[routes]]\nname = "r"\nto = ["y"]\n')
    ended = run("check", "--json")
    assert ended.code == 2
    shown = json.loads(ended.out)
    assert shown["ok"] is False
    assert {tuple(sorted(problem)) for problem in shown["problems"]} == {("remedy", "warning", "what", "where")}
    assert any(problem["where"].startswith("bridge.toml:2 ") for problem in shown["problems"])
    assert run("check").code == 2


def test_check_answers_programs_also_where_nothing_can_be_read(run, journal):
    (journal / "bridge.toml").write_text("[bridge]\n[bridge]\n")
    ended = run("check", "--json")
    assert ended.code == 2
    shown = json.loads(ended.out)
    assert shown["ok"] is False
    [problem] = shown["problems"]
    assert problem["where"] == "bridge.toml:2"
    assert problem["remedy"]
    (journal / "bridge.toml").unlink()
    assert "there is no such file" in run("check", "--json").out
    (journal / "bridge.toml").write_text('[bridge]\njournal = "other.db"\n')
    ended = run("check", "--integrity", "--json")
    assert ended.code == 2
    assert [problem["what"] for problem in json.loads(ended.out)["problems"]] == ["there is no journal yet"]


def test_check_sees_a_damaged_journal(run, journal):
    file = journal / "omnibridge.db"
    content = bytearray(file.read_bytes())
    place = content.find(b"customer", 8192)
    for at in range(place - 200, place + 200):
        content[at] ^= 0xFF
    file.write_bytes(bytes(content))
    ended = run("check", "--integrity")
    assert ended.code != 0


def test_a_broken_connector_is_a_warning_of_check(run, journal):
    from installed import install

    install(journal / "site", "late", "import a_library_that_is_gone")
    with (journal / "bridge.toml").open("a") as file:
        file.write('[channels.late]\nconnector = "late"\n')
    ended = run("check")
    assert ended.code == 0
    assert "warning: bridge.toml" in ended.out
    assert "a_library_that_is_gone" in ended.out


def test_check_online_asks_the_vendors(run, journal):
    (journal / "bridge.toml").write_text(
        '[bridge]\npublic_url = "https://b.example"\n[channels.w]\nconnector = "square"\n'
        'settings.access_token = "c4n4ry"\nsettings.base_url = "http://127.0.0.1:9"\n'
    )
    ended = run("check", "--online", "--json")
    assert ended.code == 2
    assert "c4n4ry" not in ended.out
    [problem] = [p for p in json.loads(ended.out)["problems"] if not p["warning"]]
    assert problem["where"] == "channel 'w'"


def test_connectors_are_listed_with_what_they_can_do(run):
    shown = {row["name"]: row for row in run("connectors", "--json").json()}
    assert set(shown["shop"]) == {"name", "package", "api", "can", "takes", "tier", "problem"}
    assert shown["shop"]["package"] == "omnibridge-shop 1.2"
    assert shown["shop"]["can"] == "webhook, read, deliver"
    assert shown["shop"]["takes"] == "customer, order, message.send"
    assert {"shopify", "square", "mailchimp", "twilio", "tryton", "cloudevents"} <= set(shown)
    assert "shopify" in run("connectors").out


def test_schemas_are_written_for_other_programs(run):
    assert run("schema", "--format", "config").json()["title"] == "ConfigFile"
    assert run("schema", "--format", "asyncapi").json()["asyncapi"].startswith("3.")
    assert "schemagroups" in run("schema", "--format", "xregistry").json()
    assert run("schema", "order.placed").json()["title"] == "Order"
    assert "secret" in run("schema", "shop").json()["properties"]
    assert "io.omnibridge.order.placed.v1" in run("schema", "--format", "jsonschema").json()
    assert "order.placed" in run("schema").out


def test_version(run):
    shown = run("version", "--json").json()
    assert set(shown) == {"omnibridge", "python", "sqlite", "journal_schema"}
    assert shown["omnibridge"] in run("version").out


# -- mending ---------------------------------------------------------------------------------------------------------


def states(run) -> dict[str, int]:
    found = [row["state"] for row in run("deliveries", "--json").json()]
    return {state: found.count(state) for state in found}


def test_dead_letters_are_tried_again_under_the_same_key(run):
    [dead] = run("deliveries", "--state", "dead", "--json").json()
    before = run("deliveries", str(dead["id"])).json()
    assert run("replay", str(dead["id"]), "--json").json() == {"replayed": 1}
    after = run("deliveries", str(dead["id"])).json()
    assert (after["state"], after["key"], after["generation"]) == ("ready", before["key"], before["generation"])
    assert states(run) == {"unknown": 1, "ready": 1, "done": 1}


def test_all_dead_letters_of_a_channel_are_tried_again(run):
    assert run("replay", "--dead", "--channel", "shop", "--json").json() == {"replayed": 0}
    assert run("replay", "--dead", "--channel", "mail", "--json").json() == {"replayed": 1}
    assert run("replay", "--dead").out == "0 will be tried again\n"


def test_what_was_not_understood_is_read_again(run):
    [invalid] = run("inbox", "--state", "invalid", "--json").json()
    assert run("replay", "--inbox", str(invalid["id"]), "--json").json() == {"replayed": 1}
    assert [row["id"] for row in run("inbox", "--state", "pending", "--json").json()] == [invalid["id"]]
    assert run("replay", "--invalid", "--json").json() == {"replayed": 0}


def test_sending_once_more_takes_new_keys_and_says_so(run):
    [done] = run("deliveries", "--state", "done", "--json").json()
    assert run("resend", str(done["id"]), "--json").json() == {"id": done["id"], "generation": 1}
    assert run("deliveries", str(done["id"])).json()["generation"] == 1
    [dead] = run("deliveries", "--state", "dead", "--json").json()
    assert "under new keys" in run("resend", str(dead["id"])).out


def test_an_operator_settles_what_is_unknown(run):
    [unknown] = run("deliveries", "--state", "unknown", "--json").json()
    assert run("settle", str(unknown["id"])).out == f"delivery {unknown['id']} is done\n"
    assert states(run) == {"done": 2, "dead": 1}
    assert run("settle", str(unknown["id"])).code == 1


# -- copies ----------------------------------------------------------------------------------------------------------


def test_a_backup_is_restored_elsewhere_with_its_keyring(run, journal, tmp_path):
    ended = run("backup", "copy.db")
    assert ended.code == 0
    assert "keyring" in ended.out
    before = run("events", "--json").json()
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "bridge.toml").write_text((journal / "bridge.toml").read_text())
    ended = run("restore", "copy.db", "-c", "elsewhere/bridge.toml")
    assert ended.code == 0
    assert "polls" in ended.out
    refused = run("events", "-c", "elsewhere/bridge.toml")
    assert refused.code == 2
    assert "keyring is missing" in refused.err
    (other / "omnibridge.db.keyring").write_bytes((journal / "omnibridge.db.keyring").read_bytes())
    refused = run("events", "-c", "elsewhere/bridge.toml")
    assert refused.code == 1
    assert "folder of keys" in refused.err
    shutil.copytree(journal / "omnibridge.db.keys", other / "omnibridge.db.keys")
    assert run("events", "--json", "-c", "elsewhere/bridge.toml").json() == before


@pytest.mark.parametrize("target", ["omnibridge.db", "bridge.toml"])
def test_a_backup_overwrites_nothing(run, journal, target):
    before = run("events", "--json").json(), (journal / "bridge.toml").read_bytes()
    ended = run("backup", target)
    assert ended.code == 1
    assert ended.err.startswith("omnibridge: ")
    assert (run("events", "--json").json(), (journal / "bridge.toml").read_bytes()) == before


def test_a_restore_overwrites_nothing(run, journal):
    assert run("backup", "copy.db").code == 0
    ended = run("restore", "copy.db")
    assert ended.code == 1
    assert "exists" in ended.err


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["events", "ffffffff"], 1, "no event begins with 'ffffffff'"),
        (["explain", "ffffffff"], 1, "no event begins with"),
        (["explain"], 2, "nothing to explain"),
        (["explain", "--route", "none"], 1, "there is no route 'none'"),
        (["deliveries", "999"], 1, "there is no delivery 999"),
        (["replay", "999"], 1, "999"),
        (["replay", "--inbox", "999"], 1, "999"),
        (["resend", "999"], 1, "999"),
        (["settle", "999"], 1, "delivery 999 is not unknown"),
        (["drop", "999"], 1, "delivery 999 is not parked"),
        (["replay"], 2, "give numbers, --dead or --invalid"),
        (["deliveries", "x"], 2, "Usage"),
        (["deliveries", "-n", "0"], 2, "Usage"),
        (["deliveries", "--state", "lost"], 2, "lost"),
        (["inbox", "--state", "lost"], 2, "lost"),
        (["schema", "nothing"], 1, "neither an event type nor an installed connector"),
        (["schema", "--format", "yaml"], 2, "yaml"),
        (["restore", "nowhere.db"], 1, "no such backup"),
        (["restore", "bridge.toml", "-c", "other.toml"], 2, "other.toml: there is no such file"),
        (["backup", "nowhere/copy.db"], 1, "nowhere"),
        (["explode"], 2, "explode"),
        (["events", "-c", "nowhere.toml"], 2, "nowhere.toml: there is no such file"),
        (["check", "-c", "nowhere.toml"], 2, "nowhere.toml: there is no such file"),
    ],
)
def test_every_error_is_a_message_and_an_exit_code(run, args, code, says):
    ended = run(*args)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err


@pytest.mark.parametrize("name", ["events", "inbox", "deliveries"])
def test_what_has_no_journal_yet_says_what_to_do(run, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "bridge.toml").write_text("")
    ended = run(name, "-c", "empty/bridge.toml")
    assert ended.code == 2
    assert "there is no journal yet" in ended.err
    assert "omnibridge run" in ended.err
    assert sorted(file.name for file in (tmp_path / "empty").iterdir()) == ["bridge.toml"]


def test_a_bug_of_ours_is_no_traceback_either(run, monkeypatch):
    from omnibridge.cli import events

    def broken(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(events, "run_async", broken)
    monkeypatch.delenv("OMNIBRIDGE_TRACEBACK", raising=False)
    ended = run("events")
    assert ended.code == 70
    assert "internal error: ZeroDivisionError: ours" in ended.err


@pytest.mark.parametrize(
    "name",
    [
        "",
        "events",
        "inbox",
        "deliveries",
        "replay",
        "resend",
        "settle",
        "drop",
        "explain",
        "check",
        "connectors",
        "schema",
        "version",
        "backup",
        "restore",
        "run",
        "demo",
    ],
)
def test_every_command_explains_itself(run, name):
    ended = run(*filter(None, [name]), "--help")
    assert ended.code == 0
    assert "Usage" in ended.out
