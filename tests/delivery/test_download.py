"""Files: brought to disk whatever their size, read by lines, members or whole, and gone when the exchange has ended."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tracemalloc
from datetime import timedelta
from typing import Any

import anyio.to_thread
import pytest
from loopback import LoopbackVendor, drip, reply
from toy_shop import HOST, Crash, Shop, ShopSettings, bridge_to, crashing, posting, toy

from omnibridge.connector import Auth, Credential, Cursor, Download, Fault, Http, Poll, Response, Snapshot, parse_json
from omnibridge.delivery import spool as spooling
from omnibridge.delivery.parcel import Lost, Parcel
from omnibridge.delivery.spool import Spool
from omnibridge.delivery.wire import make_wire
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge.journal import ClearSeal, open_journal
from omnibridge.model import Customer
from omnibridge.testing import ManualClock, SandboxTransport, TestBridge, drive

pytestmark = pytest.mark.both_backends
STORE = "storage.example"
URL = f"https://{STORE}/bulk/1?signature=x"


def jsonl(*names: str) -> bytes:
    return b"".join(json.dumps({"id": f"p{n}", "name": name}).encode() + b"\n" for n, name in enumerate(names))


def tarred(files: dict[str, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format) as archive:
        folder = tarfile.TarInfo("results")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


class Files(Shop):
    """Answers each path with its content."""

    def __init__(self, **files: bytes) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {f"/{name}": content for name, content in files.items()}

    def respond(self, request: Any) -> Response:
        content = self.files.get(request.path)
        return Response(200, {}, content) if content is not None else Response(404, {}, b"no such file")


def fetching(found: list[Any], read: Any, path: str = "/bulk", **options: Any) -> Any:
    """A connector whose poll downloads a file and gives it to `read`; what that gives goes to `found`."""

    async def run(settings: ShopSettings, cursor: Cursor | None, http: Http) -> None:
        try:
            file = await http.download(path, **options)
            found.append(await read(file))
        except (Permanent, InvalidMessage) as error:
            found.append(error)

    return toy(posting(), polls=(Poll(name="bulk", every=timedelta(hours=1), run=run),), auth=BEARER)


BEARER = Auth[Any](headers=lambda settings, *_: {"authorization": "Bearer secret"})


async def names(file: Download) -> list[str]:
    return [line.json()["name"] async for line in file.lines()]


async def whole(file: Download) -> tuple[int, bytes]:
    return file.status, await file.content()


async def members(file: Download) -> dict[str, bytes]:
    return {part.name: await part.content() async for part in file.tar()}


async def fetched(read: Any, shop: Shop, path: str = "/bulk", vendors: Any = None, **options: Any) -> list[Any]:
    """What one poll of a running bridge gets."""
    found: list[Any] = []
    async with bridge_to(shop, fetching(found, read, path, **options), vendors=vendors) as bridge:
        await bridge.settle(30)
    return found


async def test_a_file_is_read_line_by_line_with_credentials_of_its_own_host():
    shop = Files(bulk=jsonl("Ann", "Bo\u2028b"))
    assert await fetched(names, shop) == [["Ann", "Bo\u2028b"]]
    assert shop.log[0].headers["authorization"] == "Bearer secret"


async def test_a_signed_address_on_another_host_gets_nothing_of_ours():
    store = Files(**{"bulk/1": jsonl("Ann")})
    vendors = SandboxTransport({HOST: Files(), STORE: store})
    assert await fetched(names, Files(), URL, vendors=vendors, signed=True) == [["Ann"]]
    assert store.log[0].target == "/bulk/1?signature=x"
    assert set(store.log[0].headers) == {"host", "accept-encoding"}


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        (URL, False),  # without the word for it, another host is none of ours
        ("ftp://storage.example/x", True),
        ("https://user:word@storage.example/x", True),
        ("/bulk", True),
    ],
)
async def test_an_address_that_is_none_of_ours_is_not_asked(url: str, signed: bool):
    store = Files(**{"bulk/1": b"x"})
    vendors = SandboxTransport({HOST: store, STORE: store})
    (error,) = await fetched(names, store, url, vendors=vendors, signed=signed)
    assert isinstance(error, Permanent)
    assert store.log == []


async def test_over_tls_a_signed_address_in_the_clear_is_refused():
    found: list[Any] = []
    connector = fetching(found, names, "http://storage.example/x", signed=True)
    vendors = SandboxTransport({HOST: Files(), STORE: Files(x=b"")})
    channel = f"settings = {{ base_url = 'https://{HOST}' }}"
    async with bridge_to(Files(), connector, vendors=vendors, channel=channel) as bridge:
        await bridge.settle(1)
    assert isinstance(found[0], Permanent)


async def test_a_refusal_is_given_back_with_what_it_says():
    assert await fetched(whole, Files()) == [(404, b"no such file")]
    for status in (401, 403):  # a signed address has its own time; there is no credential to renew
        store = Files()
        store.faults.append(Fault(Response(status, {}, b"expired")))
        vendors = SandboxTransport({HOST: Files(), STORE: store})
        assert await fetched(whole, store, URL, vendors=vendors, signed=True) == [(status, b"expired")]


async def test_trouble_at_the_vendor_comes_back_later_and_never_reaches_the_author():
    shop = Files(bulk=jsonl("Ann"))
    shop.faults.append(Fault(Response(503, {"retry-after": "5"})))
    shop.faults.append(Fault(lost=True))
    assert await fetched(names, shop) == [["Ann"]]
    assert len(shop.log) == 3


async def test_an_expired_token_is_renewed_once_and_the_file_fetched():
    shop = Files(bulk=jsonl("Ann"))
    shop.faults.append(Fault(Response(401)))
    made: list[int] = []

    async def obtain(settings: ShopSettings, old: Credential | None, http: Http) -> Credential:
        made.append(1)
        return Credential({"token": str(len(made))})

    def headers(settings: ShopSettings, credential: Credential | None, *_: object) -> dict[str, str]:
        return {"authorization": credential.values["token"] if credential else ""}

    auth = Auth[Any](headers=headers, obtain=obtain)
    found: list[Any] = []
    connector = fetching(found, names)
    object.__setattr__(connector, "auth", auth)
    async with bridge_to(shop, connector) as bridge:
        await bridge.settle(1)
    assert found == [["Ann"]]
    assert [request.headers["authorization"] for request in shop.log] == ["1", "2"]


async def test_an_archive_is_read_member_by_member():
    long = "results/" + "n" * 150 + ".json"
    files = {"results/1.json": b'[{"status_code": 200}]', "empty": b"", long: b"x" * 1000}
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        packed = gzip.compress(tarred({k: v for k, v in files.items() if format != tarfile.USTAR_FORMAT or k != long}))
        (found,) = await fetched(members, Files(bulk=packed), gzip=True)
        assert found == {k: v for k, v in files.items() if k in found}
        assert len(found) == (2 if format == tarfile.USTAR_FORMAT else 3)


async def test_gzip_that_the_server_unpacked_already_is_taken_as_it_comes():
    assert await fetched(names, Files(bulk=jsonl("Ann")), gzip=True) == [["Ann"]]
    two = gzip.compress(jsonl("Ann")) + gzip.compress(jsonl("Bo"))  # members one after the other are one file
    assert await fetched(names, Files(bulk=two), gzip=True) == [["Ann", "Bo"]]
    assert await fetched(whole, Files(bulk=b"x"), gzip=True) == [(200, b"x")]


@pytest.mark.parametrize(
    ("content", "read", "options"),
    [
        (gzip.compress(b"x" * 5000)[:-9], whole, {"gzip": True}),
        (b"\x1f\x8bnonsense", whole, {"gzip": True}),
        (b"<html>" * 200, members, {}),
        (tarred({"a": b"x" * 2000})[:2048], members, {}),
        (b'{"name": "Ann"}\n{"name', names, {}),
    ],
    ids=["cut off", "no gzip", "no archive", "half an archive", "half a line"],  # contents have times in them
)
async def test_what_is_damaged_is_a_clear_error_and_no_half_of_it(content: bytes, read: Any, options: dict[str, Any]):
    (error,) = await fetched(read, Files(bulk=content), **options)
    assert isinstance(error, InvalidMessage), error


async def test_more_than_is_allowed_is_refused_packed_or_not():
    bomb = gzip.compress(b"\0" * 3_000_000)
    for content, packed in ((b"x" * 2000, False), (bomb, True)):
        (error,) = await fetched(whole, Files(bulk=content), most=1000, gzip=packed)
        assert isinstance(error, Permanent)
        assert "1000 bytes" in error.what


async def test_lines_end_as_lines_do_and_go_on_from_a_place():
    content = b"one\r\n\ntwo\nlast without an end"

    async def read(file: Download) -> Any:
        lines = [line async for line in file.lines()]
        assert [b"".join([rest.content async for rest in file.lines(line.end)]) for line in lines] == [
            b"".join(line.content for line in lines[n + 1 :]) for n in range(len(lines))
        ]
        return [line.content for line in lines], lines[-1].end

    ((lines, end),) = await fetched(read, Files(bulk=content))
    assert lines == [b"one", b"", b"two", b"last without an end"]
    assert end == len(content)


async def test_a_crash_between_two_pages_goes_on_at_the_line_where_it_was():
    people = [f"N{n}" for n in range(7)]
    shop = Files(bulk=jsonl(*people))
    crash = [True]

    async def run(settings: ShopSettings, cursor: Cursor | None, http: Http) -> None:
        file = await http.download("/bulk")
        page: list[Snapshot] = []
        async for line in file.lines(cursor["byte"] if cursor else 0):
            seen = line.json()
            page.append(Snapshot(Customer(given_name=seen["name"]), seen["id"], 1))
            if len(page) == 3:
                await http.emit(page, {"byte": line.end})
                page = []
                if crash.pop() if crash else False:
                    raise Crash
        await http.emit(page, {"byte": file.size})

    connector = toy(posting(), polls=(Poll(name="bulk", every=timedelta(hours=1), run=run),))
    clock = ManualClock()
    async with open_journal(None, seal=ClearSeal(), clock=clock) as journal:
        async with crashing(), bridge_to(shop, connector, journal=journal, clock=clock) as bridge:
            await bridge.settle(1)
        journal.release(range(1, 100))  # its claims died with it
        async with bridge_to(shop, connector, journal=journal, clock=clock) as bridge:
            await bridge.settle(1)
            events = await bridge.journal.events(channel="shop")
            pages = await polled(bridge)
    given: list[Any] = [stored.event.parse() for stored in events]
    assert sorted(person.given_name for person in given) == people
    assert sorted(pages) == [1, 3, 3]


async def polled(bridge: TestBridge) -> list[int]:
    """How many observations each page had."""
    rows = [row for row in await bridge.journal.inbox(channel="shop") if row.origin == "poll"]
    return [n for row in rows if (n := len(parse_json(row.body)))]


async def test_drive_gives_files_too():
    shop = Files(bulk=gzip.compress(tarred({"1.json": b"[1]"})))
    connector = fetching([], names)

    async def run(http: Http) -> Any:
        file = await http.download("/bulk", gzip=True)
        return [await part.json() async for part in file.tar()], (await http.download("/none")).ok

    assert drive(connector, ShopSettings(), shop, run).result == ([[1]], False)
    with pytest.raises(Permanent, match="10 bytes"):
        drive(connector, ShopSettings(), shop, lambda http: http.download("/bulk", most=10))
    damaged = [Response(200, {}, b"\x1f\x8bnonsense")]
    with pytest.raises(InvalidMessage):
        drive(connector, ShopSettings(), damaged, lambda http: http.download("/bulk", gzip=True))


async def test_a_large_file_lies_on_disk_and_memory_stays_small(monkeypatch: pytest.MonkeyPatch):
    hops: list[int] = []
    run_sync = anyio.to_thread.run_sync

    async def counted(work: Any) -> Any:
        hops.append(1)
        return await run_sync(work)

    monkeypatch.setattr(spooling.anyio.to_thread, "run_sync", counted)
    piece, n = b"x" * 1023 + b"\n", 20_000
    file = Spool(64 * 1024 * 1024)
    tracemalloc.start()
    for _ in range(n // 250):
        await file.write(piece * 250)
    await file.end()
    count = 0
    for start in range(0, file.size, 256 * 1024):
        count += (await file.read(start, 256 * 1024)).count(b"\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    file.close()
    assert count == n
    assert peak < 6 * 1024 * 1024
    assert hops


async def test_a_file_over_real_sockets_is_whole_or_lost():
    content = b"".join(b"%d\n" % n for n in range(300_000))
    packed = gzip.compress(content)
    head = b"content-encoding: gzip\r\nconnection: close\r\n"
    scripts = (reply(packed, head), reply(packed[:-100], head, length=len(packed)), reply(packed[:-100], head))
    got: list[bytes] = []

    async def sink(piece: bytes) -> None:
        got.append(piece)

    wire = make_wire(None)
    with LoopbackVendor(*scripts, drip(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n", 9.0)) as vendor:
        parcel = Parcel("GET", f"{vendor.url}/bulk", (("Host", vendor.url.split("/")[2]),), b"", 20.0)
        try:
            answer = await wire.stream(parcel, sink, 5.0)
            assert (answer.status, answer.content, b"".join(got)) == (200, b"", content)
            for pause in (5.0, 5.0, 0.05):  # cut short by the connection, by the packing, and nothing more for too long
                with pytest.raises(Lost):
                    await wire.stream(parcel, sink, pause)
        finally:
            await wire.aclose()
