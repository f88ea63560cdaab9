"""The codec reads the CloudEvents project's own conformance cases for HTTP."""

from __future__ import annotations

from feature_cases import http_cases

from omnibridge.codec import read_events


def test_every_case_of_the_http_binding(cloudevents_specs):
    cases = http_cases(cloudevents_specs)
    assert len(cases) == 4
    for case in cases:
        (event,) = read_events(case.headers, case.body)
        assert event.attributes() == case.attributes, case.title
        assert event.data == case.data, case.title
