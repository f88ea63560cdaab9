"""Signature checks: every rotation secret counts, and no comparison tells by its time how much was right."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from omnibridge.connector import Verdict, hmac_base64, same, verify_any

NEW, OLD = SecretStr("new-secret"), SecretStr("old-secret")


def test_either_secret_of_a_rotation_verifies() -> None:
    for secret in (NEW, OLD):
        assert verify_any((NEW, OLD), b"body", hmac_base64(secret.get_secret_value(), b"body")) is Verdict.OK


def test_a_changed_byte_is_forged_and_nothing_is_unsigned() -> None:
    signature = hmac_base64("new-secret", b"body")
    assert verify_any((NEW,), b"bodY", signature) is Verdict.FORGED
    assert verify_any((NEW,), b"body", signature[:-2] + "A=") is Verdict.FORGED
    assert verify_any((NEW,), b"body", None) is Verdict.UNSIGNED
    assert verify_any((NEW,), b"body", "") is Verdict.UNSIGNED
    assert verify_any((), b"body", signature) is Verdict.FORGED


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def spy(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return real(left, right)

    monkeypatch.setattr("omnibridge.connector.signatures.hmac.compare_digest", spy)
    assert verify_any((NEW, OLD), b"body", hmac_base64("new-secret", b"body")) is Verdict.OK
    assert len(compared) == 2  # the first match does not end the work
    assert same("a", "a")
    assert len(compared) == 3


@given(st.text(), st.text())
def test_same_agrees_with_equality(left: str, right: str) -> None:
    try:
        left.encode()
    except UnicodeEncodeError:
        return
    assert same(left, right) is (left.encode() == right.encode("utf-8", "surrogatepass"))
