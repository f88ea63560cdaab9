"""What the settings of a channel accept."""

from __future__ import annotations

import pytest
from omnibridge_tryton import CONNECTOR
from omnibridge_tryton.settings import TrytonSettings
from pydantic import ValidationError


def test_every_setting_is_described():
    assert all(field.description for field in TrytonSettings.model_fields.values())


@pytest.mark.parametrize(
    "url", ["https://erp.example.com", "http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"]
)
def test_addresses_that_are_safe(make_channel, url):
    assert CONNECTOR.base_url is not None
    assert CONNECTOR.base_url(make_channel(f"{url}/")) == f"{url}/omni"


@pytest.mark.parametrize(
    "url",
    ["http://erp.example.com", "ftp://erp.example.com", "erp.example.com", "https://u:p@erp.example.com", "https://"],
)
def test_addresses_that_are_not(make_channel, url):
    with pytest.raises(ValidationError):
        make_channel(url)


def test_rates_are_numbers_and_equal_however_they_are_written(make_channel):
    assert make_channel("http://127.0.0.1", taxes={"0.250": "A", "1e-1": "B"}).taxes == {"0.25": "A", "0.1": "B"}
    with pytest.raises(ValidationError):
        make_channel("http://127.0.0.1", taxes={"25 %": "A"})


def test_no_secret_is_shown(make_channel):
    settings = make_channel("http://127.0.0.1")
    secret = settings.password.get_secret_value()
    assert secret not in repr(settings)
    with pytest.raises(ValidationError) as caught:
        make_channel("http://127.0.0.1", password=["hunter2-hunter2"])
    assert "hunter2" not in str(caught.value)


def test_channels_of_one_database_share_a_throttle(make_channel):
    scope = CONNECTOR.limits.scope
    assert scope is not None
    one = make_channel("http://127.0.0.1")
    assert scope(one) == scope(make_channel("http://127.0.0.1", company=2))
    assert scope(one) != scope(make_channel("http://127.0.0.1", database="other"))
