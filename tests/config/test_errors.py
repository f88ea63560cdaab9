"""Everything that is wrong with a configuration is said at once: file, line, field, what, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_shop import small_shop

from omnibridge.config import Config, load, parse
from omnibridge.errors import ConfigError
from omnibridge.registry import Registry

CANARY = "c4n4ry-s3cr3t-value"


def read(text: str, env: dict[str, str] | None = None, folder: Path = Path()) -> Config:
    """The configuration, with what is wrong with it."""
    public = '[bridge]\npublic_url = "https://bridge.example"\n' if "[bridge]" not in text else ""
    return parse(public + text, env or {}, Registry([small_shop()]), name="bridge.toml", folder=folder)


def problems(text: str, **how: Any) -> list[str]:
    """As people read them, without the two lines that `read` puts before."""
    shift = 0 if "[bridge]" in text else 2
    said = []
    for problem in read(text, **how).problems:
        place, _, field = problem.where.partition(" ")
        file, _, line = place.partition(":")
        where = f"{file}:{int(line) - shift}" if line else file
        said.append(f"{where} {field}: {problem.what}" + (f" ({problem.remedy})" if problem.remedy else ""))
    return said


SHOP = '[channels.shop]\nconnector = "shop"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[bridge]\ntennant = "x"\npublic_url = "https://b.example"',
         "bridge.toml:2 bridge.tennant: there is no such setting (check the spelling, or remove it)"),
        ('[brige]\n', "bridge.toml:1 brige: there is no such setting (check the spelling, or remove it)"),
        ('[bridge]\ntenant = "Not OK"\n', "bridge.toml:2 bridge.tenant: String should match pattern"),
        ('[bridge]\npublic_url = "bridge.example"\n', "bridge.toml:2 bridge.public_url: String should match pattern"),
        ('[server]\nport = 99999\n', "bridge.toml:2 server.port: Input should be less than or equal to 65535"),
        ('[server]\nport = "eighty"\n', "bridge.toml:2 server.port: Input should be a valid integer"),
        ('[server]\nmax_body_bytes = 10\n', "bridge.toml:2 server.max_body_bytes: Input should be greater than"),
        ('[retention]\ndedupe_days = 7\n', "bridge.toml:2 retention.dedupe_days: Input should be greater than"),
        ('[channels.shop]\n', "bridge.toml:1 channels.shop.connector: is missing (add it)"),
        ('[channels.shop]\nconnector = 7\n', "bridge.toml:2 channels.shop.connector: Input should be a valid string"),
        ('[channels.shop]\nconnector = "nowhere"\n',
         "bridge.toml:2 channels.shop.connector: no connector 'nowhere' is installed (pip install omnibridge-nowhere)"),
        (SHOP + '[channels.shop.settings]\nsecrets = "x"\n',
         "bridge.toml:4 channels.shop.settings.secrets: there is no such setting (check the spelling, or remove it)"),
        (SHOP + 'settings.url = 7\n', "bridge.toml:3 channels.shop.settings.url: Input should be a valid string"),
        (SHOP + 'settings = { url = 7 }\n', "bridge.toml:3 channels.shop.settings.url: Input should be a valid string"),
        ('[channels.Shop]\nconnector = "shop"\n', "bridge.toml:1 channels.Shop: a channel's name is"),
        ('[channels."a.b"]\nconnector = "shop"\n', "bridge.toml:1 channels.a.b: a channel's name is"),
        ('[channels.events]\nconnector = "shop"\n', "bridge.toml:1 channels.events: a channel's name is"),
        (SHOP + 'give_up_hours = 0\n', "bridge.toml:3 channels.shop.give_up_hours: Input should be greater than 0"),
        ('[[routes]]\nname = "r"\nevents = ["order.*"]\n', "bridge.toml:1 routes.0.to: is missing (add it)"),
        ('[[routes]]\nevents = ["order.*"]\nto = []\n', "bridge.toml:3 routes.0.to: List should have at least 1 item"),
        (SHOP + '[[routes]]\nname = "r"\nevents = ["order.*"]\nto = ["till"]\n',
         "bridge.toml:6 routes.0.to: there is no channel 'till' (one of shop)"),
        (SHOP + '[[routes]]\nname = "r"\nevents = ["order.*"]\nfrom = ["till"]\nto = ["shop"]\n',
         "bridge.toml:6 routes.0.from: there is no channel 'till' (one of shop)"),
        (SHOP + '[[routes]]\nname = "r"\nevents=["order.*"]\nto = ["shop"]\non_poison = "explode"\n',
         "bridge.toml:7 routes.0.on_poison: Input should be 'skip' or 'park'"),
        (SHOP + ('[[routes]]\nname = "r"\nevents=["order.*"]\nto = ["shop"]\n') * 2,
         "bridge.toml:8 routes.1.name: two routes are called 'r' (name each differently)"),
        (SHOP + 'settings.url = "${NOWHERE}"\n',
         "bridge.toml:3 channels.shop.settings.url: the environment variable NOWHERE is not set "
         "(export NOWHERE=... and start again)"),
        (SHOP + 'settings.secret = "file:nowhere"\n',
         "bridge.toml:3 channels.shop.settings.secret: file:nowhere cannot be read: FileNotFoundError "
         "(create the file, or mend the path)"),
    ],
)  # fmt: skip
def test_each_problem_names_its_place_and_its_remedy(text, expected):
    said = problems(text)
    assert any(found.startswith(expected) for found in said), said
    config = read(text)
    with pytest.raises(ConfigError):
        config.require()


def test_everything_wrong_is_said_at_once():
    said = problems(
        SHOP + 'settings.url = 7\n[channels.other]\nconnector = "nowhere"\n'
        '[[routes]]\nname = "r"\nevents = ["order.*"]\nto = ["third"]\n'
    )  # fmt: skip
    assert len(said) == 3


def test_lines_are_found_among_comments_arrays_and_strings():
    text = """# a comment with [channels.shop] in it

[channels.shop]   # the shop
# connector = "other"
connector = "shop"

[[routes]]
name = "one"
events = ["order.*"]
to = ["shop"]

[[routes]]   # the second
name = "two"
events = ["order.*"]

to = [
  "nobody",
]
"""
    [problem] = problems(text)
    assert problem.startswith("bridge.toml:16 routes.1.to: there is no channel 'nobody'")


@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        ("[bridge", 1, "close the bracket"),
        ("\na = ", 2, "write text in quotes"),
        ("= 1", 1, "mend the line"),
        ("[a]\n[a]\n", 2, "set twice"),
        ("a = 1\na = 2\n", 2, "set twice"),
        ("a = {b = 1, b = 2}", 1, "set twice"),
        ('a = "b\n', 1, "write the closing"),
        ('a = "\\d"', 1, "a backslash is written"),
        ("a = b", 1, "write text in quotes"),
        ("bridge]\n", 1, "name = value"),
        ("x = \x00", 1, "write text in quotes"),
        ('x = """\nabc', 2, "close the quotes"),
        ("x = " + "[" * 5000, None, "take out the brackets"),
    ],
)
def test_what_is_no_toml_says_in_which_line_and_what_to_do(text, line, remedy):
    with pytest.raises(ConfigError) as error:
        parse(text, {}, Registry(), name="bridge.toml", folder=Path())
    assert error.value.where == (f"bridge.toml:{line}" if line else "bridge.toml")
    assert error.value.what.startswith("not valid TOML: ")
    assert remedy in (error.value.remedy or "")


BRIDGE, SERVER = '[bridge]\npublic_url = "https://b.example"\n', "[server]\n"
ROUTE = SHOP + '[[routes]]\nname = "r"\nevents = ["order.*"]\nto = ["shop"]\n'


@pytest.mark.parametrize(
    "text",
    [
        "server = 5\n",
        "routes = 5\n",
        "channels = 5\n",
        "[[channels]]\n",
        "[routes]\nx = 1\n",
        SERVER + "port = 80.5\n",
        SERVER + "token = 5\n",
        SERVER + 'token = ""\n',
        SERVER + 'token = "file:a\\u0000b"\n',
        SERVER + 'host = "a\\u0000b"\n',
        SERVER + 'host = "a b"\n',
        SERVER + "body_seconds = inf\n",
        SERVER + "allowed_origins = 5\n",
        BRIDGE + 'journal = ""\n',
        BRIDGE + 'journal = "a\\u0000b"\n',
        BRIDGE + 'journal = "."\n',
        BRIDGE + 'keyring = "."\n',
        BRIDGE + "drain_seconds = nan\n",
        BRIDGE + "conversation_gap_hours = inf\n",
        BRIDGE + "conversation_gap_hours = 1e300\n",
        BRIDGE + "tenant = 1979-05-27\n",
        '[bridge]\npublic_url = "https://b.example/?a=b"\n',
        '[bridge]\npublic_url = "https://u:p@b.example"\n',
        '[bridge]\npublic_url = "https://"\n',
        "[retention]\nsettled_days = inf\n",
        "[retention]\nraw_days = 1e300\n",
        "[retention]\ndedupe_days = nan\n",
        "[retention]\nmax_bytes = -1\n",
        SHOP + "give_up_hours = inf\n",
        SHOP + "collects_consent = 7\n",
        SHOP + "map = { shoe = 5 }\n",
        SHOP + "settings = [1]\n",
        SHOP + "settings.secret = [1]\n",
        SHOP.replace("shop]", "Shop]"),
        ROUTE + "echo = 7\n",
        ROUTE + "when = 7\n",
        ROUTE + "when = ''\n",
        ROUTE + "filters = 'x'\n",
        ROUTE + "filters = [{}]\n",
        ROUTE.replace('"r"', '""'),
        ROUTE.replace('["shop"]', '"shop"'),
        ROUTE.replace('["shop"]', "[]"),
        '[consent]\nquiet_hours = { fax = "21:00-08:00" }\n',
        "[consent.caps]\nsms = { day = 0 }\n",
        "[ownership]\nx = 5\n",
        '[identity]\npriority = ["shoe"]\n',
        "[identity]\nlimits = { email = 0 }\n",
    ],
)
def test_nothing_is_said_to_be_wrong_without_a_remedy(text):
    """Each a mistake that would otherwise be met when the bridge runs, or be told without what to write instead."""
    wrong = [problem for problem in read(text).problems if not problem.warning]
    assert wrong
    for problem in wrong:
        assert problem.where.startswith("bridge.toml")
        assert "[key]" not in problem.where
        assert problem.what
        assert problem.remedy
        assert not problem.what.startswith("Value error")


def test_what_a_connector_says_about_its_settings_leads_to_their_description():
    text = '[channels.shop]\nconnector = "cloudevents"\nsettings.url = "http://elsewhere.example"\n'
    [problem] = [one for one in parse(text, {}, Registry(), name="b.toml", folder=Path()).problems if not one.warning]
    assert problem.what.startswith("give an https:// address")
    assert problem.remedy == "`omnibridge schema cloudevents` says what it takes"


def test_a_file_that_is_not_there_or_not_text_is_an_error_with_its_path(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path / "bridge.toml", {}, Registry())
    (tmp_path / "bridge.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "bridge.toml", {}, Registry())
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {}, Registry())
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "a\0b", {}, Registry())


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "bridge.toml").write_bytes(b"\xef\xbb\xbf" + b'[bridge]\ntenant = "acme"\n')
    assert load(tmp_path / "bridge.toml", {}, Registry()).file.bridge.tenant == "acme"


def test_an_empty_file_is_a_bridge_without_channels():
    config = read("")
    assert config.require() is config
    assert (config.channels, config.routes) == ({}, ())


# -- values from elsewhere -------------------------------------------------------------------------------------------


def test_values_come_from_the_environment_with_defaults():
    text = """[bridge]
tenant = "${TENANT:-acme}"
public_url = "https://${HOST}"
[server]
port = "${PORT:-8080}"
token = "${EMPTY:-}x"
[channels.shop]
connector = "shop"
settings.url = "${SCHEME:-https}://${HOST}/${A}${B:-b}"
[channels.shop.map]
shoe = "${A}"
"""
    config = read(text, {"HOST": "b.example", "A": "a"})
    assert config.require()
    assert (config.file.bridge.tenant, config.file.bridge.public_url) == ("acme", "https://b.example")
    assert config.file.server.port == 8080
    assert config.file.server.token is not None
    assert config.file.server.token.get_secret_value() == "x"
    assert config.channels["shop"].settings.model_dump()["url"] == "https://b.example/ab"
    assert config.channels["shop"].inward == {"shoe": "a"}


def test_an_empty_variable_is_a_value_and_no_reason_for_the_default():
    config = read(SHOP + 'settings.url = "${URL:-https://default.example}"\n', {"URL": ""})
    assert config.channels["shop"].settings.model_dump()["url"] == ""


def test_what_looks_like_a_reference_and_is_none_stays():
    config = read(SHOP + 'settings.url = "$HOME ${} ${1x} $${A}"\n', {"A": "a"})
    assert config.channels["shop"].settings.model_dump()["url"] == "$HOME ${} ${1x} $a"


def test_a_value_from_the_environment_is_not_read_again():
    config = read(SHOP + 'settings.url = "${A}"\n', {"A": "${B} file:x", "B": "b"})
    assert config.channels["shop"].settings.model_dump()["url"] == "${B} file:x"


@pytest.mark.parametrize("content", [CANARY, f"{CANARY}\n", f"{CANARY}\r\n"])
def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path, content):
    (tmp_path / "secret").write_bytes(content.encode())
    config = read(SHOP + 'settings.secret = "file:secret"\n', folder=tmp_path)
    assert config.require()
    secret = config.channels["shop"].settings.model_dump()["secret"]
    assert secret.get_secret_value() == CANARY


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f'[server]\ntoken = "{CANARY}"\n' + SHOP + f'settings.secret = "{CANARY}"\n',
        SHOP + f'settings.secret = ["{CANARY}"]\n',
        SHOP + f'settings.secret = {{ value = "{CANARY}" }}\n',
        SHOP + f'settings.secret = "{CANARY}"\nsettings.url = 7\n',
        f'[server]\ntoken = ["{CANARY}"]\n',
        f'[channels.shop]\nconnector = "shopify"\nsettings.shop = "{CANARY}"\nsettings.access_token = "{CANARY}"\n',
        f'[channels.shop]\nconnector = "mailchimp"\nsettings.api_key = "{CANARY}"\nsettings.list_id = "a"\n'
        f'settings.path_secrets = ["{CANARY}!"]\n',
        f'[channels.shop]\nconnector = "cloudevents"\nsettings.secrets = ["{CANARY}"]\nsettings.url = "{CANARY}"\n',
        f'[channels.shop]\nconnector = "square"\nsettings.access_token = ["{CANARY}"]\n',
        f'[channels.shop]\nconnector = "twilio"\nsettings.auth_token = "{CANARY}"\nsettings.account_sid = "{CANARY}"\n',
        f'[channels.shop]\nconnector = "tryton"\nsettings.password = "{CANARY}"\nsettings.database = 7\n',
    ],
)  # fmt: skip
def test_no_message_and_no_representation_holds_a_value(text):
    config = read(text)
    shown = [str(config.problems), repr(config.problems), repr(config.channels), str(config.file.server)]
    shown += [repr(config.file.server), *(repr(channel.settings) for channel in config.channels.values())]
    try:
        config.require()
    except ConfigError as error:
        shown += [str(error), repr(error), str(error.__cause__), str(error.__context__)]
    assert CANARY not in "\n".join(shown)


def test_the_whole_configuration_can_be_shown_without_its_secrets():
    """Debuggers and crash reports show objects; channels' settings are read into `SecretStr` before that."""
    config = read(SHOP + f'settings.secret = "{CANARY}"\n')
    assert CANARY not in repr(config.channels)
    assert CANARY not in repr(config)


def test_a_public_address_is_asked_for_where_a_webhook_needs_it():
    config = parse(SHOP, {}, Registry([small_shop()]), name="bridge.toml", folder=Path())
    [problem] = config.problems
    assert problem.warning
    assert "public_url" in problem.where
    assert config.require()


def test_an_empty_token_is_no_token() -> None:
    config = parse('[server]\ntoken = "${TOKEN}"', {"TOKEN": ""}, Registry(), name="bridge.toml", folder=Path())
    assert [problem.where for problem in config.problems] == ["bridge.toml:2 server.token"]
