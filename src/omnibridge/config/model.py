"""The shape of `bridge.toml`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, SecretStr

from omnibridge.model import Medium

__all__ = [
    "BridgeSection",
    "CapSection",
    "ChannelSection",
    "ConfigFile",
    "ConsentSection",
    "IdentitySection",
    "RetentionSection",
    "RouteSection",
    "ServerSection",
]

_PATH = r"^[^\x00]+$"
_DAYS = 36_500


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class BridgeSection(_Section):
    """What the bridge is and where it keeps its truth."""

    tenant: str = Field(
        "default", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Names your company in event sources."
    )
    journal: str = Field(
        "omnibridge.db", pattern=_PATH, description="The journal's file, relative to this file's folder."
    )
    keyring: str | None = Field(
        None,
        pattern=_PATH,
        description="The file with the journal's keys; default: the journal's name with `.keyring`. Back it up apart.",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        description="How vendors reach this bridge: everything before `/in/CHANNEL`.",
    )
    conversation_gap_hours: float = Field(
        24,
        gt=0,
        le=8760,
        description="Messages of one customer belong together while no more than this lies between them.",
    )
    drain_seconds: float = Field(20.0, ge=0, le=600, description="How long a stop waits for deliveries under way.")


class ServerSection(_Section):
    """The HTTP server of the daemon."""

    host: str = Field("127.0.0.1", pattern=r"^[^\s\x00]+$", description="The address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    token: SecretStr | None = Field(
        None, min_length=1, description="The bearer token for `POST /events`; without one nobody may post."
    )
    allowed_origins: list[str] = Field(
        default_factory=list,
        description="Senders that may post to `/events`, for those that ask first (`OPTIONS`); `*` for every one.",
    )
    events_rate: int | None = Field(
        None, ge=1, description="Requests to `/events` a minute; more are answered 429 with `Retry-After`."
    )
    max_body_bytes: int = Field(2 * 1024 * 1024, ge=1024, description="The largest request body, as sent.")
    max_unpacked_bytes: int = Field(8 * 1024 * 1024, ge=1024, description="The largest request body, unpacked.")
    body_seconds: float = Field(15.0, gt=0, le=300, description="How long a request's body may take.")
    header_seconds: float = Field(10.0, gt=0, le=300, description="How long a request's headers may take.")
    max_connections: int = Field(1000, ge=1, description="Connections at the same time; more are answered 503.")


class RetentionSection(_Section):
    """What the journal forgets. Undelivered work, dead letters and references are never touched."""

    settled_days: float = Field(30, gt=0, le=_DAYS, description="Days after which settled work is removed.")
    raw_days: float = Field(
        7, gt=0, le=_DAYS, description="Days after which a processed raw delivery is removed and its key destroyed."
    )
    dedupe_days: float = Field(30, ge=30, le=_DAYS, description="Days for which repeated deliveries are recognised.")
    max_bytes: int | None = Field(
        None, ge=10_000_000, description="Beyond this size the oldest settled work goes first."
    )


class CapSection(_Section):
    """How many marketing messages one person may get by one medium, by the calendar where they are."""

    day: int | None = Field(None, ge=1, description="The most in a day.")
    week: int | None = Field(None, ge=1, description="The most in a week, which begins on Monday.")


class ConsentSection(_Section):
    """When marketing may not disturb, and how often it may come. Orders' confirmations and answers always go out."""

    timezone: str = Field("UTC", description="The time zone where nothing tells a person's own, `Europe/Copenhagen`.")
    quiet_hours: dict[Medium, str] = Field(
        default_factory=dict[Medium, str],
        description='By medium, from when to when marketing waits, where the person is: `sms = "21:00-08:00"`.',
    )
    caps: dict[Medium, CapSection] = Field(
        default_factory=dict[Medium, CapSection],
        description="By medium, how many marketing messages a person may get: `sms = { day = 1, week = 3 }`.",
    )
    beyond_cap: Literal["refuse", "wait"] = Field(
        "refuse", description="What is too many is refused, or waits for the next day or week."
    )


class ChannelSection(_Section):
    """One channel: one account of one system."""

    connector: str = Field(description="The connector's name, as `omnibridge connectors` lists it.")
    collects_consent: bool = Field(
        False, description="Permissions first given here count, with the vendor's time and proof."
    )
    give_up_hours: float = Field(
        72, gt=0, le=8760, description="After this long a failing delivery becomes a dead letter."
    )
    settings: dict[str, Any] = Field(default_factory=dict, repr=False, description="The connector's own settings.")
    map: dict[str, str] = Field(
        default_factory=dict, description="The vendor's custom field name = your attribute name, in both directions."
    )


class RouteSection(_Section):
    """Which events go to which channels."""

    name: str = Field(min_length=1, max_length=100, description="Shown wherever the route is.")
    events: list[str] = Field(default_factory=list, description="Event types, such as `order.placed` or `order.*`.")
    source: list[str] = Field(
        default_factory=list, alias="from", description="Channels that the events come from; all when it is left out."
    )
    filters: list[dict[str, Any]] = Field(
        default_factory=list[dict[str, Any]], description="Filters as in CloudEvents Subscriptions; all must match."
    )
    when: str | None = Field(
        None,
        description="A condition in CESQL, such as `DATA_GT('/totals/total/amount', '100')`; it must hold as well.",
    )
    to: list[str] = Field(min_length=1, description="Channels that get the events.")
    echo: bool = Field(False, description="Send events back to the channel that they came from, too.")
    on_poison: Literal["skip", "park"] = Field(
        "skip", description="After a permanent failure: go on with the lane, or park it."
    )
    on_unknown: Literal["hold", "resend", "park"] = Field(
        "hold", description="After an attempt of unknown effect: show it and go on, send again, or park the lane."
    )


class OwnershipSection(RootModel[dict[str, str | list[str]]]):
    """Whose word holds, whatever other channels say: `"customer.email" = "crm"`.

    Left of it stands a kind (`customer`, `inventory`, `location`, `product`), a field of one (`product.price`,
    `customer.attributes.size`), or either at one location (`inventory@CHANNEL/ID`, with the location's id in that
    channel); right of it a channel. The line that says most decides. Where none does, the newest word holds.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


KeyKind = Literal["loyalty", "email", "phone"]
"""What identifies a customer beside a vendor's word."""


class IdentitySection(_Section):
    """When two records are one customer: where they share a verified key that nothing speaks against."""

    priority: list[KeyKind] = Field(
        default_factory=lambda: ["loyalty", "email", "phone"],
        description="What identifies a customer, strongest first; a kind that is left out joins nobody.",
    )
    unique: list[KeyKind] = Field(
        default_factory=lambda: ["loyalty"],
        description="Kinds of which a customer has one: two who have different ones are not joined by a weaker key, "
        "and somebody must decide.",
    )
    trusted: dict[str, list[Literal["email", "phone"]]] = Field(
        default_factory=dict[str, list[Literal["email", "phone"]]],
        description="Channel = the kinds that your staff, or the system, checks there although it does not say so.",
    )
    blocked: list[str] = Field(
        default_factory=list,
        description="Mail addresses and numbers that join nobody: shared mailboxes, a till's dummy number.",
    )
    limits: dict[KeyKind, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict[KeyKind, Annotated[int, Field(ge=1)]],
        description="Kind = how many records of one channel may share a value (5); beyond that it joins nobody at all.",
    )


class ConfigFile(_Section):
    """The whole file."""

    bridge: BridgeSection = Field(default_factory=lambda: BridgeSection.model_validate({}))
    server: ServerSection = Field(default_factory=lambda: ServerSection.model_validate({}))
    retention: RetentionSection = Field(default_factory=lambda: RetentionSection.model_validate({}))
    consent: ConsentSection = Field(default_factory=lambda: ConsentSection.model_validate({}))
    identity: IdentitySection = Field(default_factory=lambda: IdentitySection.model_validate({}))
    channels: dict[str, ChannelSection] = Field(default_factory=dict, description="Channels by name.")
    ownership: OwnershipSection = Field(default_factory=lambda: OwnershipSection({}))
    routes: list[RouteSection] = Field(default_factory=list[RouteSection], description="Routes, in order.")
