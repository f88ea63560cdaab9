"""The mutants of the bronze checks."""

from __future__ import annotations

from acme_mutant import CONFORMANCE, SRC, TOKEN, Change, Mutant, one, source

__all__ = ["BRONZE"]

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

BRONZE: dict[str, Mutant] = {
    "entry-point": one(
        "names a module that is not there", "src/omnibridge_acme-0.1.0.dist-info/entry_points.txt", "_acme", "_nowhere"
    ),
    "hook": source("forgot @hookimpl", "__init__.py", "@hookimpl\n", ""),
    "import-clean": source(
        "opens a file at import",
        "wire.py",
        'M = TypeVar("M", bound=BaseModel)\n',
        'M = TypeVar("M", bound=BaseModel)\nopen("/dev/null", "w").close()\n',
    ),
    "own-io": source(
        "imports an HTTP client",
        "wire.py",
        "from datetime import datetime\n",
        "import http.client\nfrom datetime import datetime\n",
    ),
    "typed": Mutant("has no py.typed", removed=SRC + "py.typed"),
    "typed-strictly": source("does not say what it is handed", "outbound.py", "http: Http", "http"),
    "readme-settings": one("does not name a setting", "README.md", "| `token` |", "| the token |"),
    "readme-removal": one("does not say how to remove it", "README.md", "## Removing it", "## Farewell"),
    "settings-example": one("has no valid example", CONFORMANCE, '"token": "example-token-of-acme",', ""),
    "settings-described": source(
        "does not describe a field",
        "settings.py",
        '        description="API root. Plain http only for this machine (a sandbox)",\n',
        "",
    ),
    "settings-errors": Mutant(
        "refuses without a name",
        (
            Change(
                SRC + "settings.py",
                '    @field_validator("base_url")\n',
                '    @model_validator(mode="before")\n    @classmethod\n    def _all(cls, value: dict) -> dict:\n'
                '        if not isinstance(value.get("token", ""), str):\n            raise ValueError("wrong")\n'
                '        return value\n\n    @field_validator("base_url")\n',
            ),
            Change(SRC + "settings.py", "field_validator\n\nfrom", "field_validator, model_validator\n\nfrom"),
        ),
    ),
    "settings-unknown": source(
        "takes any setting",
        "settings.py",
        "    token: SecretStr",
        '    model_config = {"extra": "ignore"}\n\n    token: SecretStr',
    ),
    "settings-references": source(
        "takes from Python what TOML does not have",
        "settings.py",
        'while rotating", min_length=1\n',
        'while rotating", min_length=1, strict=True\n',
    ),
    "secrets-typed": Mutant(
        "keeps a password as text",
        (
            Change(
                SRC + "settings.py",
                "    base_url: str",
                '    password: str = Field(default="", description="None")\n    base_url: str',
            ),
            Change("README.md", "| `base_url` |", "| `password` | no | none |\n| `base_url` |"),
        ),
    ),
    "secrets-hidden": source(
        "shows the token",
        "settings.py",
        "    @field_validator",
        "    def __str__(self) -> str:\n        return self.token.get_secret_value()\n\n    @field_validator",
    ),
    "secrets-refused": source(
        "quotes a refused token",
        "settings.py",
        "    @field_validator",
        '    @field_validator("token", mode="before")\n    @classmethod\n'
        "    def _token(cls, value: object) -> object:\n"
        '        if not isinstance(value, str) or value.endswith("\\n"):\n'
        '            raise ValueError(f"no token: {value}")\n'
        "        return value\n\n    @field_validator",
    ),
    "https-only": source(
        "takes plain http", "settings.py", 'parts.scheme != "https" and', 'parts.scheme not in ("https", "http") and'
    ),
    "golden-inbound": source(
        "mixes the names up",
        "wire.py",
        'fields["given_name"] = row.first_name',
        'fields["family_name"] = row.first_name',
    ),
    "unknown-fields": source(
        "refuses what it does not know",
        "wire.py",
        "type: str\n    customer",
        'type: str\n    model_config = ConfigDict(extra="forbid")\n    customer',
    ),
    "missing-fields": source(
        "needs the last name",
        "inbound.py",
        _TRANSLATED,
        '    if "last_name" not in notice.customer.model_fields_set:\n        raise InvalidMessage("no name")\n'
        + _TRANSLATED,
    ),
    "malformed": source(
        "trusts the shape",
        "inbound.py",
        "    notice = read_model(Notice, inbound.json())\n",
        '    inbound.json()["customer"]["id"]\n    notice = read_model(Notice, inbound.json())\n',
    ),
    "unknown-kept": source(
        "throws away what it does not know",
        "wire.py",
        "type: str\n    customer",
        'type: str\n    model_config = ConfigDict(extra="ignore")\n    customer',
    ),
    "emits-declared": source("does not say what it tells", "connector.py", 'emits=("customer",)', 'emits=("order",)'),
    "events-valid": Mutant(
        "tells a type that no event can have",
        (
            Change(
                SRC + "inbound.py",
                _TRANSLATED,
                '    return [customer_snapshot(notice.customer), Occurrence("", "\\n", None)]\n',
            ),
            Change(SRC + "inbound.py", "Inbound, Observation,", "Inbound, Observation, Occurrence,"),
            Change(SRC + "connector.py", 'emits=("customer",)', 'emits=("customer", "\\n")'),
            Change("tests/golden/inbound/customer-updated.json", "  }\n]\n", _GOLDEN_OCCURRENCE),
        ),
    ),
    "signature-valid": source("computes another signature", "inbound.py", 'b"." + inbound.body', 'b":" + inbound.body'),
    "signature-missing": source(
        "trusts what is unsigned",
        "inbound.py",
        "    if verdict is not Verdict.OK:",
        "    if verdict is Verdict.UNSIGNED:\n        return Verdict.OK\n    if verdict is not Verdict.OK:",
    ),
    "signature-forged": Mutant(
        "compares the beginning only",
        (
            Change(
                SRC + "inbound.py",
                "    verdict = verify_any",
                "    given = inbound.header('x-acme-signature') or ''\n    verdict = verify_any",
            ),
            Change(
                SRC + "inbound.py",
                "    if verdict is not Verdict.OK:",
                "    ours = [hmac_base64(one.get_secret_value(), message)[:9] for one in settings.webhook_secrets]\n"
                "    if given[:9] in ours:\n        verdict = Verdict.OK\n    if verdict is not Verdict.OK:",
            ),
            Change(SRC + "inbound.py", "Verdict, verify_any", "Verdict, hmac_base64, verify_any"),
        ),
    ),
    "signature-covers": Mutant(
        "does not sign the end",
        (
            Change(SRC + "inbound.py", 'b"." + inbound.body', 'b"." + inbound.body[:-1]'),
            Change(CONFORMANCE, 'b"." + inbound.body', 'b"." + inbound.body[:-1]'),
        ),
    ),
    "golden-outbound": source(
        "writes to another field", "outbound.py", '"given_name": "first_name"', '"given_name": "firstname"'
    ),
    "secrets-logged": Mutant(
        "logs its headers",
        (
            Change(
                SRC + "connector.py",
                '    return {"authorization"',
                '    logging.getLogger(__name__).debug("%s", ' + TOKEN + ')\n    return {"authorization"',
            ),
            Change(
                SRC + "connector.py",
                "from collections.abc import Mapping\n",
                "import logging\nfrom collections.abc import Mapping\n",
            ),
        ),
    ),
    "secrets-raised": source(
        "quotes its token",
        "outbound.py",
        "    snapshot = _written(answer, customer)\n",
        f'    if not answer.ok:\n        raise Permanent(f"refused {{{TOKEN}}}")\n'
        "    snapshot = _written(answer, customer)\n",
    ),
    "secrets-diagnosed": source(
        "names its token where its probe is refused",
        "connector.py",
        'f"Acme answered {answer.status}"',
        f'f"Acme answered {{answer.status}} to {{{TOKEN}}}"',
    ),
    "secrets-told": source(
        "tells its token", "outbound.py", "snapshots=(snapshot,))", f"snapshots=(snapshot,), note={TOKEN})"
    ),
}
