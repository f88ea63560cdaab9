"""Bronze: what OmniBridge itself shows of a channel, when nothing goes well, gives no secret away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from omnibridge.config import check as check_config
from omnibridge.config import parse
from omnibridge.connector import Response, Sandbox, SandboxRequest
from omnibridge.errors import ConfigError, InvalidMessage
from omnibridge.journal import DeliveryRow
from omnibridge.model import Command
from omnibridge.registry import Registry
from omnibridge.testing.bridge import TestBridge
from omnibridge.testing.clock import ManualClock
from omnibridge.testing.conformance.check import End, bronze, run_check
from omnibridge.testing.conformance.given import Write
from omnibridge.testing.conformance.outbound_checks import secrets_logged, secrets_raised, secrets_told
from omnibridge.testing.conformance.secrets import listening, shown_in
from omnibridge.testing.conformance.subject import CHANNEL, Blocked, Missed, Subject
from omnibridge.testing.conformance.toml import channel_toml

__all__ = ["DIAGNOSTIC_CHECKS"]

_JSON = {"content-type": "application/json"}
_ANSWERS = {
    "refuses": Response(400, _JSON, b'{"error": "refused"}'),
    "takes no credential": Response(401, _JSON, b'{"error": "unauthorized"}'),
    "answers nonsense": Response(200, _JSON, b"\xff"),
}
_MANY = 10_000
_PATIENCE = 10


class _Sulking(Sandbox):
    """A vendor that answers everything in one way."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self._answer = answer

    def respond(self, request: SandboxRequest) -> Response:
        """The answer."""
        return self._answer


@bronze(
    why="What `check`, `deliveries`, `inbox`, the metrics and the log show is read by everybody on duty, and pasted "
    "into tickets.",
    mend="Say in an error and in the reason of an outcome what is wrong, never with which value "
    "of a setting. A probe's error is shown too.",
)
def secrets_diagnosed(subject: Subject) -> None:
    """A secret is in nothing that is shown of a channel whose vendor refuses it, its login, or answers nonsense."""
    settings = subject.settings
    shown = [("`check` about another setting", _misconfigured(subject))]
    with listening() as heard:
        for how, answer in _ANSWERS.items():
            for what, text in anyio.run(_diagnosed, subject, answer):
                shown.append((f"{what}, where the vendor {how},", text))
    shown.append(("the log", heard.text))
    for what, text in shown:
        if shown_in(settings, text):
            for nearer in (secrets_logged, secrets_raised, secrets_told):
                if run_check(nearer, subject).end is End.MISSED:
                    raise Blocked(nearer.id)
            raise Missed(f"{what} shows a secret")


def _misconfigured(subject: Subject) -> str:
    """What is said of a configuration in which one setting is wrong."""
    text, env = channel_toml(subject)
    config = parse(text + "omnibridge_unknown = 1\n", env, Registry(), name="bridge.toml", folder=Path())
    return "\n".join(map(str, check_config(config)))


async def _diagnosed(subject: Subject, answer: Response) -> list[tuple[str, str]]:
    """All that is shown of a channel after its polls, its examples and its probe have met this answer."""
    toml, env = channel_toml(subject)
    connector, settings = subject.connector, subject.settings
    hosts = [urlsplit(connector.base_url(settings)).netloc] if connector.base_url else []
    hosts += connector.hosts(settings) if connector.hosts else ()
    events = sorted({subject.event(one).name for one in _written(subject) if not isinstance(one.value, Command)})
    if events:
        toml += f'\n[[routes]]\nname = "all"\nevents = {events}\nto = ["{CHANNEL}"]\n'
    try:
        bridge = TestBridge(
            toml,
            env=env,
            connectors=[connector],
            clock=ManualClock(subject.given.now),
            sandboxes={host: _Sulking(answer) for host in hosts},
        )
        bridge.config.require()
    except ConfigError:
        raise Blocked("settings-references") from None
    async with bridge:
        await _fed(subject, bridge)
        await bridge.settle()
        return [
            *[("the probe", f"{error} {error!r}") for error in await _probed(bridge)],
            *[("the inbox", row.error or "") for row in await bridge.journal.inbox(limit=_MANY)],
            # Where a request goes is shown too: `credentials-home` looks at that.
            *[("a delivery", repr(row.history)) for row in await _deliveries(bridge)],
            ("the metrics", repr((bridge.ingress.accepted, [dict(one.outcomes) for one in bridge.workers.values()]))),
        ]


async def _probed(bridge: TestBridge) -> list[Exception]:
    """The errors of the probe. It may ask again after a while: somebody has to move the clock."""
    found: list[dict[str, Exception]] = []

    async def probe() -> None:
        found.append(await bridge.probe())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(probe)
        while not found:
            await bridge.settle(_PATIENCE)
    return [*found[0].values()]


async def _deliveries(bridge: TestBridge) -> list[DeliveryRow]:
    rows = await bridge.journal.deliveries(limit=_MANY)
    return [one for row in rows if (one := await bridge.journal.delivery(row.id)) is not None]


async def _fed(subject: Subject, bridge: TestBridge) -> None:
    """The examples come in, as they are and damaged, and leave."""
    sign = subject.given.sign
    if subject.connector.webhook is not None and sign is not None:
        for arrival in subject.given.arrivals:
            for body in (arrival.body, b"\xff"):
                try:
                    signed = sign(subject.settings, subject.inbound(arrival, body))
                except InvalidMessage:
                    continue  # what cannot be read cannot be signed either
                query = urlsplit(signed.url).query
                await bridge.ingress.webhook(CHANNEL, signed.path_secret, "POST", query, signed.headers, signed.body)
    for number, write in enumerate(_written(subject)):
        if isinstance(write.value, Command):
            await bridge.send(write.value, CHANNEL, id=str(number))
        else:
            await bridge.publish(replace(subject.event(write), id=str(number)))


def _written(subject: Subject) -> Sequence[Write]:
    return subject.given.writes if subject.connector.delivers else ()


DIAGNOSTIC_CHECKS = (secrets_diagnosed,)
