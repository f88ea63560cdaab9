"""Settings say what they want, refuse what cannot work, and tell no secrets."""

from __future__ import annotations

import pytest
from omnibridge_twilio.settings import Twilio
from pydantic import ValidationError


def test_every_setting_is_described():
    assert not [name for name, field in Twilio.model_fields.items() if not field.description]


@pytest.mark.parametrize(
    "wrong",
    [
        {"account_sid": "AC123"},
        {"auth_token": None},
        {"api_key": "SK" + "a" * 32},
        {"api_secret": "hush"},
        {"auth_token": None, "api_key": "SK" + "a" * 32, "api_secret": "hush"},  # nothing to check webhooks with
        {"webhook_signing": "shared_key"},
        {"webhook_signing": "both"},
        {"base_url": "http://api.example.com"},
        {"base_url": "ftp://127.0.0.1"},
        {"callback_url": "http://shop.example.com/in/sms"},
        {"callback_url": "https://shop_one.example.com/in/sms"},
        {"callback_url": "/in/sms"},
        {"from_number": "+1 555"},
        {"from_number": "a name that is too long"},
        {"whatsapp_from": "15558675311"},
        {"messaging_service_sid": "MG1"},
        {"templates": {"ready": "ready"}},
        {"unknown": 1},
    ],
)
def test_what_cannot_work_is_refused(make, wrong):
    with pytest.raises(ValidationError) as caught:
        make(**wrong)
    assert "12345" not in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "right",
    [
        {"base_url": "http://127.0.0.1:8080"},
        {"base_url": "http://[::1]:8080/"},
        {"base_url": "https://api.dublin.ie1.twilio.com"},
        {"callback_url": "http://localhost:8080/in/sms"},
        {"from_number": "12345"},
        {"from_number": "Shop 24"},
        {"auth_token": None, "api_key": "SK" + "a" * 32, "api_secret": "hush", "webhook_auth_tokens": ("t",)},
    ],
)
def test_what_works_is_taken(make, right):
    assert make(**right)
    assert not make(**right).root.endswith("/")


def test_secrets_stay_out_of_sight(make):
    settings = make(webhook_auth_tokens=("older-token",), webhook_shared_keys=("shared",))
    assert "12345" not in repr(settings)
    assert "older-token" not in repr(settings)
    assert [token.get_secret_value() for token in settings.signing_tokens] == ["older-token"]
    assert [token.get_secret_value() for token in make().signing_tokens] == ["12345"]
