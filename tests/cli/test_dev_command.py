"""`omnibridge dev`: a fresh package in a folder of its own, real processes, and files that change under them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from omnibridge.cli import main
from omnibridge.cli.new import write_package
from omnibridge.testing import free_port, wait_until

NEWER = (
    b'{"type":"customer.updated","customer":{"id":"c_9","email":"%s@example.com","updated_at":"2027-03-01T11:59:0%dZ"}}'
)
WIRE = "src/omnibridge_acme/wire.py"
INBOUND = "src/omnibridge_acme/inbound.py"
GIVEN = 'fields["given_name"] = row.first_name'

Line = dict[str, Any]


class Running:
    """A loop in its own process, and each line that it said."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.port = folder, free_port()
        self.lines: list[Line] = []
        command = [sys.executable, "-m", "omnibridge.cli", "dev", "--json", "--port", str(self.port), *options]
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # an author's shell does not have it
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def until(self, what: str, suits: Callable[[Line], bool] = lambda line: True, after: int = 0) -> Line:
        """The first line of a kind that suits, of those after the first `after`."""

        def found() -> list[Line]:
            return [line for line in self.lines[after:] if line["what"] == what and suits(line)]

        assert wait_until(lambda: bool(found()) or self.process.poll() is not None, 60), self.lines
        assert found(), (self.process.poll(), self.lines)
        return found()[0]

    def change(self, file: str, old: str, new: str) -> int:
        """Save a file with something else in it; how many lines there were."""
        path, said = self.folder / file, len(self.lines)
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
        return said

    def post(self, body: bytes, headers: dict[str, str] | None = None, path: str = "/in/acme") -> tuple[int, str]:
        """What the inbox answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit code, and what it said to people."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        self.process.stderr.close()
        self.reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code, said


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A package as `omnibridge new` writes it; it is not installed."""
    return write_package(tmp_path, "acme", ("webhook", "poll", "deliver"))


@pytest.fixture
def loop(acme: Path) -> Iterator[Running]:
    running = Running(acme)
    try:
        running.until("delivery")
        yield running
    finally:
        if running.process.poll() is None:
            running.end()


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`omnibridge dev ...` in a folder; only the connector has a process of its own, as it always has."""
    line = ["omnibridge", "dev", *arguments]
    said, complained = io.StringIO(), io.StringIO()
    caught = pytest.raises(SystemExit)
    with (
        chdir(folder),
        redirect_stdout(said),
        redirect_stderr(complained),
        patch.object(sys, "argv", line),
        caught as ended,
    ):
        main()
    return subprocess.CompletedProcess(line, int(ended.value.code or 0), said.getvalue(), complained.getvalue())


def replayed(folder: Path, *arguments: str) -> tuple[int, Line]:
    done = command(folder, "replay", "--json", *arguments)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_from_the_first_delivery_to_what_a_change_makes_of_it(loop: Running) -> None:
    """One loop, as an author has it open all day: examples, a delivery, a change, a mistake, and mended again."""
    began = loop.until("began")
    assert (began["connector"], began["notes"]) == ("acme", [])
    assert [event["type"] for event in began["trace"]["events"]] == ["customer.created"] * 3  # the poll's
    example = loop.until("delivery")
    assert (example["id"], example["trace"]["status"]) == (1, 200)
    assert example["trace"]["wire"]["customer"]["first_name"] == "Some"
    assert example["trace"]["seen"][0]["entity"]["given_name"] == "Some"

    assert loop.post(b"{}") == (401, "the signature is unsigned")
    assert loop.until("delivery", lambda line: line["id"] == 2)["trace"]["seen"] == []

    before = loop.change(WIRE, GIVEN, GIVEN + " and row.first_name.upper()")
    assert loop.until("reloaded", after=before)["changed"] == [WIRE]
    again = loop.until("again", lambda line: line["id"] == 1, before)
    assert again["differences"] == {"canonical": [["[0].entity.given_name", '"Some"', '"SOME"']]}
    assert loop.until("again", lambda line: line["id"] == 2, before)["same"]
    assert loop.until("again", lambda line: line["id"] is None, before)["same"]

    before = loop.change(WIRE, "def read_model(", "def read_model((")
    broken = loop.until("broken", after=before)["problem"]
    assert broken["where"].startswith(f"{WIRE}:")
    assert "SyntaxError" in broken["what"]
    assert loop.post(b"{}")[0] == 503
    before = loop.change(WIRE, "def read_model((", "def read_model(")
    kept = loop.until("again", lambda line: line["id"] == 3, before)
    assert kept["differences"]["answer"] == [
        [
            "",
            '"503 the connector is broken; this is kept, and made when it is mended"',
            '"401 the signature is unsigned"',
        ]
    ]
    code, said = loop.end()
    assert (code, said) == (130, "")


def test_what_is_told_is_the_new_code_also_within_a_second(loop: Running) -> None:
    """Same size, same second: what Python compiled before must not be taken for it."""
    path = loop.folder / WIRE
    text, stat = path.read_text("utf-8"), path.stat()
    for number, word in enumerate(("upper", "lower", "title")):
        before = len(loop.lines)
        path.write_text(text.replace(GIVEN, f"{GIVEN} and row.first_name.{word}()"), "utf-8")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns // 10**9 * 10**9 + number))
        again = loop.until("again", lambda line: line["id"] == 1, before)
        assert again["differences"]["canonical"][0][2] == json.dumps(getattr("Some", word)())


def test_mistakes_have_a_file_and_a_line_and_the_loop_goes_on(loop: Running) -> None:
    before = loop.change(
        INBOUND, "    notice = read_model", "    print('seen'); raise KeyError('oops')\n    notice = read_model"
    )
    found = loop.until("again", lambda line: line["id"] == 1, before)
    number = (loop.folder / INBOUND).read_text().splitlines().index("    print('seen'); raise KeyError('oops')") + 1
    assert [f"{INBOUND}:{number}: KeyError: 'oops'" in line[2] for line in found["differences"]["problems"]] == [True]

    before = loop.change(INBOUND, '    stamp = inbound.header("x-acme-timestamp") or ""', "    stamp = 1 // 0")
    found = loop.until("again", lambda line: line["id"] == 1, before)
    assert "ZeroDivisionError" in json.dumps(found["differences"]["problems"])
    assert loop.post(b"{}")[0] == 500

    before = loop.change("tests/conformance.py", "    sandbox=shop,\n", "")
    before = loop.change("src/omnibridge_acme/connector.py", "    sandbox=AcmeSandbox,\n", "")
    reloaded = loop.until("reloaded", lambda line: bool(line["notes"]), before)
    assert reloaded["notes"][0].startswith("no sandbox: nobody answers requests")
    assert loop.process.poll() is None


def test_replays_need_no_loop_and_say_what_must_be(loop: Running) -> None:
    loop.end(signal.SIGTERM)
    folder = loop.folder
    code, made = replayed(folder, "last")
    assert (code, made["verdict"], made["trace"]["status"], made["id"]) == (0, "taken", 200, 1)
    code, made = replayed(folder, "customer-updated", "--resign")  # what the loop took in is no reason to drop it
    assert (code, made["trace"]["duplicate"]) == (0, False)
    code, made = replayed(folder, "1", "--duplicate")
    assert (code, made["trace"]["duplicate"]) == (0, True)
    code, made = replayed(folder, "customer-updated", "--tamper", "--resign")
    assert (code, made["trace"]["answer"]) == (0, "the signature is forged")
    code, made = replayed(folder, "tests/payloads/customer-updated.json")
    assert (code, made["trace"]["answer"]) == (1, "the signature is unsigned")
    code, made = replayed(folder, "create")
    assert (code, [f"{one['method']} {one['path']} {one['status']}" for one in made["trace"]["sent"]]) == (
        0,
        ["POST /v1/customers 201"],
    )
    refused = command(folder, "replay", "nobody")
    assert refused.returncode == 1
    assert "'nobody' is no delivery, no file, and no example" in refused.stderr
    both = command(folder, "replay", "last", "--tamper", "--duplicate")
    assert (both.returncode, "choose one of them" in both.stderr) == (2, True)


def test_a_connector_that_believes_everybody_and_forgets_everything_is_caught(acme: Path) -> None:
    inbound = acme / INBOUND
    inbound.write_text(inbound.read_text().replace("if verdict is not Verdict.OK:", "if verdict is Verdict.UNSIGNED:"))
    code, made = replayed(acme, "customer-updated", "--resign", "--tamper")
    assert (code, made["verdict"]) == (1, "TAKEN although one byte was changed: verify() must cover the raw body")
    record = acme / "src/omnibridge_acme/connector.py"
    record.write_text(record.read_text().replace('Native("x-acme-delivery")', 'Native("x-acme-nothing")'))
    code, made = replayed(acme, "customer-updated", "--resign", "--duplicate")
    assert (code, made["good"]) == (0, True)
    assert "no delivery id was found in it" in made["verdict"]


def test_what_is_recorded_names_nobody(loop: Running) -> None:
    body = NEWER % (b"canary.bird", 1)
    loop.post(body, {"content-type": "application/json", "x-acme-delivery": "d_7", "cookie": "canary"})
    loop.until("delivery", lambda line: line["id"] == 2)
    done = command(loop.folder, "record", "--name", "bird")
    assert done.returncode == 0, done.stderr
    text = (loop.folder / "tests/payloads/bird.json").read_text()
    assert "canary" not in text + done.stdout
    kept = json.loads(text)
    assert kept["type"] == "customer.updated"
    assert kept["customer"]["updated_at"] == "2027-03-01T11:59:01Z"
    assert kept["customer"]["email"].endswith("@example.com")
    assert 'name="bird"' in done.stdout
    assert "cookie" not in done.stdout
    again = command(loop.folder, "record", "--name", "bird")
    assert (again.returncode, "it is there already" in again.stderr) == (2, True)
    assert "is no name" in command(loop.folder, "record", "--name", "../bird").stderr


def test_the_second_of_an_entity_is_compared_with_the_first_and_fits_a_page(acme: Path) -> None:
    file = acme / "tests/conformance.py"
    two = (
        'Arrival(name="later", body=(PAYLOADS / "customer-updated.json").read_bytes().replace(b\'"Some"\', b\'"Sam"\'),'
    )
    two += ' headers={"content-type": "application/json", "x-acme-delivery": "d_2"}),\n        Arrival('
    file.write_text(file.read_text().replace("Arrival(\n", two + "\n", 1))
    running = subprocess.Popen(
        [sys.executable, "-m", "omnibridge.cli", "dev", "--port", str(free_port())],
        cwd=acme,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    said: list[str] = []
    for line in running.stdout:
        said.append(line.rstrip("\n"))
        if "as #1" in line and "canonical" in line:
            said.append(running.stdout.readline().rstrip("\n"))
            break
    running.send_signal(signal.SIGTERM)  # SIGINT is ignored below a shell that runs things in the background
    assert running.wait(30) == 130
    running.stdout.close()
    assert said[-2:] == ["  canonical  as #1, but", '             ~ [0].entity.given_name "Sam" -> "Some"']
    assert "\x1b" not in "".join(said)
    assert max(len(line) for line in said[1:]) <= 80


def test_a_folder_without_a_package_is_said(tmp_path: Path) -> None:
    done = command(tmp_path)
    assert done.returncode == 2
    assert "here is no connector's package" in done.stderr
    assert not (tmp_path / ".omnibridge").exists()
