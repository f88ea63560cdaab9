"""One sick connector for each check: the healthy example with one thing changed, which only that check may notice."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MUTANTS", "Change", "Mutant"]


@dataclass(frozen=True)
class Change:
    """In `file`, `old` becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """What is wrong with it, and how it came to be: by changes, or by a file that is missing."""

    sickness: str
    changes: tuple[Change, ...] = ()
    removed: str | None = None


_SRC = "src/omnibridge_acme/"
_CONFORMANCE = "tests/conformance.py"
_TOKEN = "settings.token.get_secret_value()"


def _one(sickness: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(sickness, (Change(file, old, new),))


def _source(sickness: str, file: str, old: str, new: str) -> Mutant:
    return _one(sickness, _SRC + file, old, new)


_TRANSLATED = "    return [customer_snapshot(notice.customer)]\n"

_GOLDEN_OCCURRENCE = """  },
  {
    "at": null,
    "data": null,
    "event": null,
    "occurrence": "",
    "subject": null,
    "type": "\\n"
  }
]
"""

MUTANTS: dict[str, Mutant] = {
    "entry-point": _one(
        "names a module that is not there", "src/omnibridge_acme-0.1.0.dist-info/entry_points.txt", "_acme", "_nowhere"
    ),
    "hook": _source("forgot @hookimpl", "__init__.py", "@hookimpl\n", ""),
    "import-clean": _source(
        "opens a file at import",
        "wire.py",
        'M = TypeVar("M", bound=BaseModel)\n',
        'M = TypeVar("M", bound=BaseModel)\nopen("/dev/null", "w").close()\n',
    ),
    "own-io": _source(
        "imports an HTTP client",
        "wire.py",
        "from datetime import datetime\n",
        "import http.client\nfrom datetime import datetime\n",
    ),
    "typed": Mutant("has no py.typed", removed=_SRC + "py.typed"),
    "readme-settings": _one("does not name a setting", "README.md", "| `token` |", "| the token |"),
    "readme-removal": _one("does not say how to remove it", "README.md", "## Removing it", "## Farewell"),
    "settings-example": _one("has no valid example", _CONFORMANCE, '"token": "example-token-of-acme",', ""),
    "settings-described": _source(
        "does not describe a field",
        "settings.py",
        '        description="API root. Plain http only for this machine (a sandbox)",\n',
        "",
    ),
    "settings-errors": Mutant(
        "refuses without a name",
        (
            Change(
                _SRC + "settings.py",
                '    @field_validator("base_url")\n',
                '    @model_validator(mode="before")\n    @classmethod\n    def _all(cls, value: dict) -> dict:\n'
                '        if not isinstance(value.get("token", ""), str):\n            raise ValueError("wrong")\n'
                '        return value\n\n    @field_validator("base_url")\n',
            ),
            Change(_SRC + "settings.py", "field_validator\n\nfrom", "field_validator, model_validator\n\nfrom"),
        ),
    ),
    "settings-unknown": _source(
        "takes any setting",
        "settings.py",
        "    token: SecretStr",
        '    model_config = {"extra": "ignore"}\n\n    token: SecretStr',
    ),
    "settings-references": _source(
        "takes from Python what TOML does not have",
        "settings.py",
        'while rotating", min_length=1\n',
        'while rotating", min_length=1, strict=True\n',
    ),
    "secrets-typed": Mutant(
        "keeps a password as text",
        (
            Change(
                _SRC + "settings.py",
                "    base_url: str",
                '    password: str = Field(default="", description="None")\n    base_url: str',
            ),
            Change("README.md", "| `base_url` |", "| `password` | no | none |\n| `base_url` |"),
        ),
    ),
    "secrets-hidden": _source(
        "shows the token",
        "settings.py",
        "    @field_validator",
        "    def __str__(self) -> str:\n        return self.token.get_secret_value()\n\n    @field_validator",
    ),
    "secrets-refused": _source(
        "quotes a refused token",
        "settings.py",
        "    @field_validator",
        '    @field_validator("token", mode="before")\n    @classmethod\n'
        "    def _token(cls, value: object) -> object:\n"
        '        if not isinstance(value, str) or value.endswith("\\n"):\n'
        '            raise ValueError(f"no token: {value}")\n'
        "        return value\n\n    @field_validator",
    ),
    "https-only": _source(
        "takes plain http", "settings.py", 'parts.scheme != "https" and', 'parts.scheme not in ("https", "http") and'
    ),
    "golden-inbound": _source(
        "mixes the names up",
        "wire.py",
        'fields["given_name"] = row.first_name',
        'fields["family_name"] = row.first_name',
    ),
    "unknown-fields": _source(
        "refuses what it does not know",
        "wire.py",
        "type: str\n    customer",
        'type: str\n    model_config = ConfigDict(extra="forbid")\n    customer',
    ),
    "missing-fields": _source(
        "needs the last name",
        "inbound.py",
        _TRANSLATED,
        '    if "last_name" not in notice.customer.model_fields_set:\n        raise InvalidMessage("no name")\n'
        + _TRANSLATED,
    ),
    "malformed": _source(
        "trusts the shape",
        "inbound.py",
        "    notice = read_model(Notice, inbound.json())\n",
        '    inbound.json()["customer"]["id"]\n    notice = read_model(Notice, inbound.json())\n',
    ),
    "emits-declared": _source("does not say what it tells", "connector.py", 'emits=("customer",)', 'emits=("order",)'),
    "events-valid": Mutant(
        "tells a type that no event can have",
        (
            Change(
                _SRC + "inbound.py",
                _TRANSLATED,
                '    return [customer_snapshot(notice.customer), Occurrence("", "\\n", None)]\n',
            ),
            Change(_SRC + "inbound.py", "Inbound, Observation,", "Inbound, Observation, Occurrence,"),
            Change(_SRC + "connector.py", 'emits=("customer",)', 'emits=("customer", "\\n")'),
            Change("tests/golden/inbound/customer-updated.json", "  }\n]\n", _GOLDEN_OCCURRENCE),
        ),
    ),
    "signature-valid": _source(
        "computes another signature", "inbound.py", 'b"." + inbound.body', 'b":" + inbound.body'
    ),
    "signature-missing": _source(
        "trusts what is unsigned",
        "inbound.py",
        "    if verdict is not Verdict.OK:",
        "    if verdict is Verdict.UNSIGNED:\n        return Verdict.OK\n    if verdict is not Verdict.OK:",
    ),
    "signature-forged": Mutant(
        "compares the beginning only",
        (
            Change(
                _SRC + "inbound.py",
                "    verdict = verify_any",
                "    given = inbound.header('x-acme-signature') or ''\n    verdict = verify_any",
            ),
            Change(
                _SRC + "inbound.py",
                "    if verdict is not Verdict.OK:",
                "    ours = [hmac_base64(one.get_secret_value(), message)[:9] for one in settings.webhook_secrets]\n"
                "    if given[:9] in ours:\n        verdict = Verdict.OK\n    if verdict is not Verdict.OK:",
            ),
            Change(_SRC + "inbound.py", "Verdict, verify_any", "Verdict, hmac_base64, verify_any"),
        ),
    ),
    "signature-covers": Mutant(
        "does not sign the end",
        (
            Change(_SRC + "inbound.py", 'b"." + inbound.body', 'b"." + inbound.body[:-1]'),
            Change(_CONFORMANCE, 'b"." + inbound.body', 'b"." + inbound.body[:-1]'),
        ),
    ),
    "golden-outbound": _source(
        "writes to another field", "outbound.py", '"given_name": "first_name"', '"given_name": "firstname"'
    ),
    "secrets-logged": Mutant(
        "logs its headers",
        (
            Change(
                _SRC + "connector.py",
                '    return {"authorization"',
                '    logging.getLogger(__name__).debug("%s", ' + _TOKEN + ')\n    return {"authorization"',
            ),
            Change(
                _SRC + "connector.py",
                "from collections.abc import Mapping\n",
                "import logging\nfrom collections.abc import Mapping\n",
            ),
        ),
    ),
    "secrets-raised": _source(
        "quotes its token",
        "outbound.py",
        "    snapshot = _written(answer, customer)\n",
        f'    if not answer.ok:\n        raise Permanent(f"refused {{{_TOKEN}}}")\n'
        "    snapshot = _written(answer, customer)\n",
    ),
    "secrets-told": _source(
        "tells its token", "polls.py", '{"after": after}', f'{{"after": after, "token": {_TOKEN}}}'
    ),
}
