"""The demonstration keeps its promises, says so to programs, and fails where one is broken."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import replace

import pytest

from omnibridge.cli.demo_ledger import read
from omnibridge.cli.demo_stage import Letter, Stage, quickstart
from omnibridge.cli.demo_story import play
from omnibridge.cli.demo_verdict import Check, judge
from omnibridge.config import check
from omnibridge.connector import Outgoing
from omnibridge.journal import DeliveryState

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory):
    """One run of the story: its stage, what was done, and what the journal held at its end."""
    with Stage(tmp_path_factory.mktemp("demo")) as stage:
        facts = play(stage, print)
        yield stage, facts, read(stage)


def broken(checks: list[Check]) -> list[str]:
    return [check.promise.partition(":")[0] for check in checks if not check.kept]


def test_every_promise_is_kept(played):
    checks = judge(*played)
    assert len(checks) == 11
    assert not broken(checks), [check for check in checks if not check.kept]


def test_the_bridge_was_started_twice_and_the_erp_was_really_down(played):
    stage, _, ledger = played
    assert stage.starts == 2
    assert stage.systems["erp"].refused > 0
    assert any(row.channel == "erp" and row.attempts > 0 for row in ledger.deliveries)
    assert max(stage.systems["newsletter"].written().values()) == 2


# Each promise is broken once, by hand, to see that the verdict sees it.


def test_a_lost_order_is_seen(played):
    stage, facts, ledger = played
    wrong = replace(facts, orders=[*facts.orders, "1"])
    assert broken(judge(stage, wrong, ledger)) == ["nothing is lost or doubled"]


def test_a_doubled_customer_is_seen(played):
    stage, facts, ledger = played
    wrong = replace(facts, people=facts.people[:-1])
    assert broken(judge(stage, wrong, ledger)) == ["nothing is lost or doubled"]


def test_an_echo_is_seen(played):
    stage, facts, ledger = played
    customer = next(stored for stored in ledger.events if stored.event.name == "customer.created")
    wrong = replace(ledger, events=[*ledger.events, customer._replace(channel="till")])
    assert broken(judge(stage, facts, wrong)) == ["echoes of our own writes are no events"]


def test_an_unwanted_message_is_seen(played):
    stage, facts, ledger = played
    wrong = replace(facts, sent=facts.sent[:-1], withheld=[*facts.withheld, facts.sent[-1]])
    assert broken(judge(stage, wrong, ledger)) == ["marketing goes to whom allowed it, and to nobody else"]


def test_an_accepted_forgery_and_a_doubled_webhook_are_seen(played):
    stage, facts, ledger = played
    known = ledger.inbox[-1]
    accepted = Letter(Outgoing("", {}, known.body), [200])
    assert "the forged webhook is refused, and nothing of it is stored" in broken(
        judge(stage, replace(facts, forged=accepted), ledger)
    )
    twice = replace(ledger, inbox=[*ledger.inbox, *ledger.inbox])
    assert "a webhook that comes twice counts once" in broken(judge(stage, facts, twice))


@pytest.mark.parametrize("state", [DeliveryState.DEAD, DeliveryState.UNKNOWN, DeliveryState.PARKED])
def test_what_is_left_over_is_seen(played, state: DeliveryState):
    stage, facts, ledger = played
    wrong = replace(ledger, deliveries=[*ledger.deliveries, ledger.deliveries[-1]._replace(state=state)])
    assert broken(judge(stage, facts, wrong)) == ["nothing is left over"]


# -- the command -----------------------------------------------------------------------------------------------------


def demo(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "omnibridge.cli", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, timeout=120, check=False)


def test_the_command_tells_programs_and_keeps_its_folder(tmp_path):
    kept = tmp_path / "kept"
    done = demo("--json", "--keep", str(kept))
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert told["ok"]
    assert all(promise["kept"] for promise in told["promises"])
    assert {system["system"] for system in told["systems"]} == set(tomllib.loads(quickstart())["channels"])
    assert {path.name for path in kept.iterdir()} >= {"bridge.toml", "omnibridge.db", "omnibridge.db.keyring"}
    again = demo("--keep", str(kept))
    assert (again.returncode, again.stdout) == (2, "")
    assert "not empty" in again.stderr


def test_what_it_plays_is_the_example(repository):
    assert quickstart() == (repository / "examples" / "quickstart" / "bridge.toml").read_text("utf-8")


def test_an_installed_package_brings_the_example(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {"examples/quickstart/bridge.toml": "omnibridge/cli/quickstart.toml"}
    assert "/examples/quickstart" in project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]


def test_the_stage_knows_every_variable_of_the_example(tmp_path):
    wanted = set(re.findall(r"\$\{(\w+)", quickstart()))
    with Stage(tmp_path) as stage:
        assert set(stage.env) == wanted


def test_the_example_has_nothing_wrong(tmp_path):
    with Stage(tmp_path) as stage:
        assert [str(problem) for problem in check(stage.config)] == []
