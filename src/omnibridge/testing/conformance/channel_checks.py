"""Silver: credentials are renewed and stay at home, subscriptions come to rest, and a probe only looks."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from omnibridge.connector import Credential, Request, Response, Sandbox, Settings, Subscription
from omnibridge.errors import OmniBridgeError
from omnibridge.testing.conformance.check import silver
from omnibridge.testing.conformance.secrets import shown_in
from omnibridge.testing.conformance.subject import CHANNEL, PUBLIC_URL, Blocked, Missed, NotApplicable, Subject
from omnibridge.testing.drive import Drive

__all__ = ["CHANNEL_CHECKS"]

_SAFE = ("GET", "HEAD", "OPTIONS")
_READ = Request("GET", "/", reads=True)
_WRITE = Request("POST", "/", body=b"{}", content_type="application/json", step="send")


@silver(
    why="Tokens end while work is going on. The core renews one once and gives the new one to all; a connector that "
    "keeps its own goes on with the old.",
    mend="Make `Auth.headers` of the credential that it is given, and nothing else; keep none in a variable. Where a "
    "credential is kept and never sent, say so in `Conformance.without`.",
    excusable=True,
)
def credential_renewed(subject: Subject) -> None:
    """A credential that the vendor no longer takes is renewed, and every request from then on carries the new one."""
    auth = subject.connector.auth
    if auth is None or auth.obtain is None:
        raise NotApplicable("its credentials are settings")
    obtain, now, settings = auth.obtain, subject.given.now, subject.settings
    sandbox = subject.sandbox()
    plain = Drive(subject.connector, settings, sandbox, now)
    plain.renewing = True
    fresh = plain.run(lambda http: obtain(settings, None, http)).result
    stale = Credential({name: value[::-1] + "x" for name, value in fresh.values.items()}, fresh.expires)
    if not fresh.values:
        raise NotApplicable("nothing of its credential is sent")
    if fresh.expires is not None and fresh.expires.tzinfo is None:
        raise Missed("the credential's time of expiry has no zone")
    excuse = subject.excuse("credential-renewed")
    for request in (_READ, _WRITE):
        alike = auth.headers(settings, fresh, request, now) == auth.headers(settings, stale, request, now)
        if alike and excuse is None:
            raise Missed(f"the headers of a {request.method} do not depend on the credential")
        if not alike and excuse is not None:
            raise Missed(f"`without` says {excuse!r}, and a {request.method} sends it")
    if excuse is not None:
        raise NotApplicable(excuse)
    probe = subject.connector.probe
    if probe is not None:
        drive = Drive(subject.connector, settings, subject.sandbox(), now, stale)
        try:
            drive.run(lambda http: probe(settings, http))
        except OmniBridgeError as error:
            raise Missed(f"after the vendor refused a credential it goes no further: {error}") from error
        if drive.credential == stale:
            raise Missed("the sandbox takes any credential, so that nobody sees whether it is renewed")


@silver(
    why="A token that goes to another host, or into an address, is in somebody's log.",
    mend="Give paths relative to `base_url`, name further hosts of the vendor in `Connector.hosts`, and put secrets "
    "into headers only, by `Auth`.",
)
def credentials_home(subject: Subject) -> None:
    """Every request goes to one of the channel's own hosts, by https, and no address holds a secret."""
    connector, settings = subject.connector, subject.settings
    if connector.base_url is None:
        raise NotApplicable("it sends no requests")
    own = {urlsplit(connector.base_url(settings)).netloc.lower()}
    own |= {host.lower() for host in (connector.hosts(settings) if connector.hosts else ())}
    if any("*" in host or "/" in host for host in own):
        raise Missed("`hosts` must name whole hosts")
    for request in _requests(subject):
        parts = urlsplit(request.path)
        if parts.netloc and (parts.netloc.lower() not in own or parts.scheme != "https"):
            raise Missed(f"{request.method} goes to {parts.scheme}://{parts.netloc}, which is none of its hosts")
        if shown_in(settings, request.path + repr(request.params)):
            raise Missed(f"the address of {request.method} {parts.path[:20]}... holds a secret")


def _requests(subject: Subject) -> Iterator[Request]:
    """Every request that the examples make."""
    connector, settings = subject.connector, subject.settings
    seen: list[Request] = []

    def drive() -> Drive[Settings]:
        return Drive(connector, settings, subject.sandbox(), subject.given.now, requests=seen)

    try:
        if connector.probe is not None:
            probe = connector.probe
            drive().run(lambda http: probe(settings, http))
        for poll in connector.polls:
            drive().run(lambda http, poll=poll: poll.run(settings, None, http))
    except Exception:
        raise Blocked("golden-inbound") from None
    for write in subject.given.writes if connector.delivers else ():
        slot, briefing, value = subject.slot(write), subject.briefing(write), write.value
        try:
            drive().run(lambda http, slot=slot, value=value, told=briefing: slot.run(settings, value, told, http))
        except Exception:
            raise Blocked("golden-outbound") from None
    yield from seen


@silver(
    why="Subscriptions are looked at with each start and each day. Where the wish and what the vendor says about it "
    "are never equal, each look makes another one, and every change is told many times.",
    mend="Let `list` give topic and address as `desired` writes them, and all pages of it; `create` exactly that one.",
)
def subscriptions_settled(subject: Subject) -> None:
    """Once the missing ones are made and the stale ones removed, a second look finds nothing to do, and others stay."""
    wanted = subject.connector.subscriptions
    if wanted is None:
        raise NotApplicable("it keeps no subscriptions")
    settings, sandbox = subject.settings, subject.sandbox()
    url = f"{PUBLIC_URL}/in/{CHANNEL}"

    def listed() -> list[Subscription]:
        return list(subject.drive(lambda http: wanted.list(settings, http), sandbox).result)

    def settle(to: str) -> tuple[int, int]:
        look = f"{to}-{len(sandbox.log)}-{{}}".format  # each look has keys of its own
        desired, present = list(wanted.desired(settings, to)), listed()
        missing = [one for one in desired if one not in present]
        stale = [one for one in present if one not in desired and one.url.startswith(PUBLIC_URL)]
        for one in missing:
            subject.drive(lambda http, one=one: wanted.create(settings, one, http), sandbox, key=look)
        for one in stale:
            subject.drive(lambda http, one=one: wanted.delete(settings, one, http), sandbox, key=look)
        return len(missing), len(stale)

    if not wanted.desired(settings, url):
        raise Missed("it desires no subscription")
    settle(f"{PUBLIC_URL}/in/{CHANNEL}/before")  # the address that the bridge had yesterday
    made, removed = settle(url)
    if not made or not removed:
        raise Missed(f"when the address changed, {made} were made and {removed} removed")
    again = settle(url)
    if again != (0, 0):
        raise Missed(f"a second look makes {again[0]} more and removes {again[1]}")
    if len({(one.topic, one.url) for one in listed()}) != len(wanted.desired(settings, url)):
        raise Missed("the vendor has others than the desired ones")


@silver(
    why="Operators probe at any time, and health checks every minute.",
    mend="Ask for something small with `http.get` or `http.query`: who we are, or the first row of a list.",
)
def probe_harmless(subject: Subject) -> None:
    """A probe passes on the sandbox, writes nothing, and fails where the vendor refuses."""
    probe, settings, sandbox = subject.connector.probe, subject.settings, subject.sandbox()
    if probe is None:
        raise NotApplicable("it has no probe")
    before = _records(sandbox)

    try:
        done = subject.drive(lambda http: probe(settings, http), sandbox)
    except Exception as error:
        raise Missed(f"it fails on the sandbox: {type(error).__name__}: {error}") from error
    writing = [request for request in done.requests if not request.reads and request.method not in _SAFE]
    if writing:
        raise Missed(f"it sends {writing[0].method} {writing[0].path}, which may write")
    if _records(sandbox) != before:
        raise Missed("it changes what the sandbox holds")
    if not done.requests:
        raise NotApplicable("with these settings there is nothing to ask")
    try:
        subject.drive(lambda http: probe(settings, http), lambda request: Response(403))
    except Exception:
        return
    raise Missed("it passes although the vendor answers 403")


def _records(sandbox: Sandbox) -> str:
    return repr(sandbox.records())


CHANNEL_CHECKS = (credential_renewed, credentials_home, subscriptions_settled, probe_harmless)
