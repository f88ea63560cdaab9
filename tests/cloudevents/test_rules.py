"""Every rule of CloudEvents that we keep to, word for word, and the tests that hold us to it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

CODEC = "tests/codec/test_http_binding.py"
JSON = "tests/codec/test_json_format.py"
EVENT = "tests/test_event.py"
FORWARDING = "tests/cloudevents/test_forwarding.py"
EVENTS = "tests/cloudevents/test_events_as_target.py"
PLUGIN = "plugins/omnibridge-cloudevents/tests/test_cloudevents_"
FILTERS = "tests/routing/test_filters.py"
EVALUATION = "tests/cesql/test_evaluation.py"
PARSER = "tests/cesql/test_parser.py"
TCK = "tests/cesql/test_tck.py::test_case"

RULES: dict[str, dict[str, tuple[str, ...]]] = {
    "Core": {
        "String has no control characters, noncharacters or lone surrogates": (
            f"{EVENT}::test_strings_have_no_control_characters_surrogates_or_noncharacters",
            f"{EVENT}::test_the_last_two_code_points_of_a_plane_are_noncharacters",
            f"{EVENT}::test_other_characters_are_allowed",
        ),
        "Integer is signed 32-bit": (
            f"{EVENT}::test_extensions_are_strings_32_bit_integers_or_booleans",
            f"{CODEC}::test_an_extension_known_to_be_an_integer_comes_in_as_one",
        ),
        "attribute names `[a-z0-9]+`, ≤ 20 advised, never `data`": (
            f"{EVENT}::test_extension_names_are_lower_case_letters_and_digits",
            f"{EVENT}::test_extension_names_may_be_long_and_start_with_a_digit",
            f"{CODEC}::test_headers_that_are_no_attribute_name",
            f"{JSON}::test_members_that_are_no_attribute_name",
        ),
        "`source`+`id` identifies": (f"{FORWARDING}::test_equal_source_and_id_is_the_same_event_however_it_comes",),
        "consumers may treat equal pairs as duplicates": (
            f"{FORWARDING}::test_equal_source_and_id_is_the_same_event_however_it_comes",
            "tests/ingress/test_events_endpoint.py::test_the_same_id_of_another_source_is_another_event",
        ),
        "An intermediary must forward events of ≤ 64 KiB": (
            f"{FORWARDING}::test_an_event_of_64_kib_is_forwarded_in_any_shape",
        ),
        "Unknown extensions travel like core attributes": (
            f"{FORWARDING}::test_extensions_that_nobody_knows_travel_like_core_attributes",
        ),
    },
    "JSON": {
        "a null attribute is unset": (f"{JSON}::test_a_null_member_is_unset",),
        "`data: null` is an explicit null": (
            f"{JSON}::test_null_data_is_a_value_and_no_data_is_none",
            f"{JSON}::test_no_data_is_no_member_and_null_is_one",
        ),
        "`data` and `data_base64` exclude each other": (f"{JSON}::test_data_and_data_base64_exclude_each_other",),
        "JSON content is `*/json` or `*/*+json`": (
            f"{EVENT}::test_which_content_is_json",
            f"{JSON}::test_data_that_is_not_json_is_the_text_of_a_string",
        ),
        "absent `datacontenttype` means `application/json`": (
            f"{EVENT}::test_which_content_is_json",
            f"{CODEC}::test_the_type_that_the_json_format_implies_is_said_in_a_header",
        ),
    },
    "HTTP": {
        "choose by Content-Type, case-insensitively: `application/cloudevents-batch`, then `application/cloudevents`, "
        "else binary": (
            f"{CODEC}::test_the_mode_is_chosen_by_content_type_in_any_case",
            f"{CODEC}::test_headers_do_not_make_a_structured_message_binary",
            f"{FORWARDING}::test_every_case_of_the_http_binding",
        ),
        "In binary, `datacontenttype` ↔ Content-Type and a `ce-datacontenttype` header must not appear": (
            f"{CODEC}::test_datacontenttype_is_content_type_and_nothing_else",
        ),
        'Percent-encode space, `"`, `%` and all outside U+0021–7E': (
            f"{CODEC}::test_values_are_percent_encoded_and_decoded_once",
        ),
        "decode once, accept lower-case hex, refuse invalid UTF-8": (
            f"{CODEC}::test_values_are_percent_encoded_and_decoded_once",
            f"{CODEC}::test_what_is_decoded_though_we_never_write_it",
            f"{CODEC}::test_what_is_refused_in_a_header",
        ),
        "sdk-go and sdk-java do neither: offer a raw-header switch per peer": (
            f"{CODEC}::test_raw_headers_go_out_as_utf8_bytes_and_come_back",
            f"{PLUGIN}inbound.py::test_raw_headers_are_not_decoded",
            f"{PLUGIN}outbound.py::test_raw_headers_are_not_encoded",
        ),
    },
    "WebHook": {
        "OPTIONS handshake with `WebHook-Request-Origin`, `-Request-Rate`, `-Request-Callback`": (
            f"{EVENTS}::test_consent_is_the_presence_of_one_header",
            f"{EVENTS}::test_the_callback_of_a_sender_is_never_called",
            f"{PLUGIN}target.py::test_who_asks_is_told_at_once_and_only_the_known_may",
            f"{PLUGIN}consent.py::test_the_question_goes_to_the_very_address_with_our_name_the_rate_and_the_token",
            f"{PLUGIN}consent.py::test_it_asks_again_after_a_while_and_names_itself_on_every_delivery",
            f"{PLUGIN}consent.py::test_a_rate_is_kept_to",
            f"{PLUGIN}target.py::test_a_bridge_delivers_to_a_bridge",
        ),
        "consent is only the presence of `WebHook-Allowed-Origin`": (
            f"{EVENTS}::test_without_the_question_there_is_no_consent",
            f"{PLUGIN}consent.py::test_consent_is_nothing_but_one_header",
            f"{PLUGIN}consent.py::test_anything_else_is_none_and_is_asked_again_later",
            f"{PLUGIN}consent.py::test_nothing_is_sent_before_the_consent_however_many_wait",
        ),
        "410 means stop sending": (
            f"{PLUGIN}consent.py::test_gone_stops_the_channel",
            f"{PLUGIN}consent.py::test_gone_at_the_question_is_a_refusal_too",
            "tests/delivery/test_granted.py::"
            "test_after_a_stop_nothing_leaves_and_everything_is_a_dead_letter_that_says_why",
        ),
        "429 carries Retry-After and binds": (
            f"{EVENTS}::test_more_than_the_rate_is_refused_with_the_time_to_wait_which_suffices",
            f"{PLUGIN}target.py::test_more_than_the_rate_is_429_with_the_time_to_wait",
            f"{PLUGIN}consent.py::test_429_binds_whatever_rate_was_allowed",
        ),
        "415 for an unknown format": (
            f"{EVENTS}::test_a_form_that_nobody_reads_is_415",
            f"{PLUGIN}target.py::test_a_form_that_nobody_reads_is_415_and_not_stored",
        ),
        "no redirects": (
            f"{PLUGIN}consent.py::test_a_redirect_is_not_followed",
            "tests/delivery/test_wire.py::test_a_redirect_is_not_followed",
        ),
        "`Authorization: Bearer` and `?access_token=` must both work at a target": (
            f"{EVENTS}::test_a_token_is_taken_in_both_places_and_never_shown",
            f"{PLUGIN}target.py::test_a_token_is_taken_in_both_places_and_never_kept",
        ),
    },
    "Extensions": {
        "`partitionkey`, `sequence` (ordered per source), `traceparent`/`tracestate` (the starting trace, not the "
        "hop), `dataref`, `expirytime` (must not be removed), `recordedtime` (must not be changed), `correlationid`, "
        "`causationid`, `dataclassification`": (
            f"{FORWARDING}::test_extensions_that_nobody_knows_travel_like_core_attributes",
            "tests/codec/test_sdk.py::test_9_a_partition_key_is_an_attribute_like_any_other",
        ),
    },
    "Subscriptions filters": {
        "an AND list": (
            "tests/config/test_routes.py::test_all_that_a_route_says_must_hold",
            f"{FILTERS}::test_every_dialect",
        ),
        "dialects exact, prefix, suffix (maps, every entry matches, case-sensitive), all, any, not, sql": (
            f"{FILTERS}::test_every_dialect",
            f"{FILTERS}::test_what_is_wrong_is_named_with_its_place",
            TCK,
        ),
    },
}
NOT_BUILT = {
    "NATS": "no connector speaks it yet",
    "Kafka": "no connector speaks it yet; the SDK's binding takes our events, see tests/codec/test_sdk.py",
}
CESQL: dict[str, tuple[str, ...]] = {
    "String, Integer (32-bit), Boolean": (
        f"{EVALUATION}::test_values",
        f"{EVALUATION}::test_errors_give_the_zero_value",
        f"{EVALUATION}::test_attributes_become_values",
    ),
    "Keywords case-insensitive": (TCK, f"{PARSER}::test_precedence_and_literals"),
    "Precedence: function; NOT and unary `-`; LIKE; EXISTS; IN; `* / %`; `+ -`; comparisons; AND/OR/XOR at one level": (
        f"{PARSER}::test_precedence_and_literals",
    ),
    "ask for parentheses where they mix": (f"{PARSER}::test_errors_name_position_and_remedy",),
    "`=` casts the left side to the right side's type": (f"{EVALUATION}::test_values",),
    "A missing attribute gives the type's zero value and an error": (f"{EVALUATION}::test_errors_give_the_zero_value",),
    "in a filter any error is no match": (
        f"{EVALUATION}::test_a_filter_must_be_boolean",
        f"{FILTERS}::test_every_dialect",
    ),
    "`data` is not addressable, but custom functions are allowed": (
        f"{EVALUATION}::test_data",
        f"{EVALUATION}::test_data_errors",
        f"{EVALUATION}::test_custom_functions_may_fail_in_every_way",
    ),
    "**275 cases** in 18 files": ("tests/cesql/test_tck.py::test_there_are_275_cases", TCK),
    "LIKE as a `.*` regex is a denial of service": (
        "tests/cesql/test_like.py::test_thirteen_wildcards_on_a_long_text",
        "tests/cesql/test_like.py::test_no_regular_expression_has_a_quantifier",
    ),
    "Emit code only from the syntax tree with `repr()`ed literals": (
        "tests/cesql/test_properties.py::test_a_literal_stays_a_literal",
        "tests/cesql/test_properties.py::test_emitted_code_reaches_nothing_but_its_runtime",
    ),
    "bound depth and length": (
        f"{PARSER}::test_the_length_is_bounded",
        f"{PARSER}::test_every_depth_compiles_and_runs_or_is_refused",
    ),
}


def rules(facts: str, part: str) -> list[str]:
    """The rules that the facts give for one part of the specification, each as one clause."""
    found = re.search(rf"^- \*\*{part}\*\*[^:]*:(.*?)(?=^- \*\*|^#)", facts, re.MULTILINE | re.DOTALL)
    assert found is not None, part
    text = " ".join(found[1].split()).removesuffix(".")
    return re.split(r"; |\. ", text)


def section(facts: str, title: str) -> str:
    return facts.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("part", RULES)
def test_every_rule_stands_here_word_for_word(cloudevents_specs, part):
    facts = (cloudevents_specs / "FACTS.md").read_text("utf-8")
    assert rules(facts, part) == list(RULES[part])


def test_no_part_of_the_rules_is_forgotten(cloudevents_specs):
    facts = (cloudevents_specs / "FACTS.md").read_text("utf-8")
    parts = re.findall(r"(?:^- |\. )\*\*([A-Z][A-Za-z ]+)\*\*", section(facts, "Rules"), re.MULTILINE)
    assert set(parts) == {*RULES, *NOT_BUILT}


@pytest.mark.parametrize("rule", CESQL)
def test_every_rule_of_cesql_stands_here_word_for_word(cloudevents_specs, rule):
    facts = (cloudevents_specs / "FACTS.md").read_text("utf-8")
    assert rule in " ".join(section(facts, "CESQL v1").split())


@pytest.mark.parametrize("rule", [*(rule for part in RULES.values() for rule in part), *CESQL])
def test_every_rule_has_its_tests(repository, rule):
    named = next(part[rule] for part in (*RULES.values(), CESQL) if rule in part)
    assert named, "a rule without a test"
    for test in named:
        path, _, name = test.partition("::")
        assert name in _tests(repository / path), test


def _tests(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
