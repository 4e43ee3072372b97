"""The bad input that was thought of, row by row, and the tests that hold each row; or why there is nothing to hold yet."""

from collections.abc import Mapping

_EVERY = "tests/bad_input/test_every_operation.py"
_INPUT = "tests/unit/kit/http/test_http_input.py"
_ORDERS = "tests/integration/orders"
_SHIPPING = "tests/integration/fulfilment_shipping"
_SIGN_IN = "tests/unit/kit/http/test_http_signin.py"
_LIMITS = "tests/unit/kit/http/test_http_limits.py"
_SERVER = "tests/integration/kit/test_server.py"

HELD: Mapping[str, tuple[str, ...]] = {
    "a token that is missing, faulty or not for us": (
        "tests/contract/test_token_faults.py::test_no_faulty_token_opens_it",
        f"{_SIGN_IN}::test_a_long_token_is_refused_before_it_is_checked",
    ),
    "another site that presses a button of a signed-in page": ("tests/unit/kit/http/test_http_cookies.py::test_no_other_site_presses_our_buttons",),
    "a form that is none of ours": (
        "tests/unit/kit/http/test_http_forms.py::test_only_a_form_is_read",
        "tests/integration/fulfilment_pages/test_floor_page.py::test_no_form_whatever_is_in_it_breaks_the_page",
        "tests/integration/fulfilment_pages/test_pull_backs_page.py::test_no_form_whatever_is_in_it_breaks_the_page",
        "tests/integration/fulfilment_pages/test_dock_page.py::test_no_form_whatever_is_in_it_breaks_the_page",
        "tests/integration/fulfilment_pages/test_stops_page.py::test_no_form_whatever_is_in_it_breaks_the_page",
    ),
    "a role that was revoked while its token is valid": (
        "tests/integration/kit/test_revocations.py::test_a_token_that_was_good_is_refused_once_the_worker_has_heard",
    ),
    "another customer's order": (
        f"{_ORDERS}/test_orders_api.py::test_someone_elses_order_is_answered_like_none",
        f"{_ORDERS}/test_orders_api.py::test_lists_hold_only_what_the_caller_may_see",
    ),
    "mass assignment": (f"{_EVERY}::test_mass_assignment",),
    "a wrong method, media type or Accept": (
        f"{_EVERY}::test_wrong_method",
        f"{_EVERY}::test_wrong_media_type",
        f"{_EVERY}::test_wrong_accept",
    ),
    "a body over 256 KB, announced or not": (
        f"{_EVERY}::test_body_over_256_kb_announced_or_not",
        f"{_SERVER}::test_who_sends_ten_megabytes_reads_the_refusal_instead_of_a_reset",
        f"{_SERVER}::test_a_head_without_end_is_not_kept",
    ),
    "an address or headers too long": (f"{_EVERY}::test_url_or_headers_too_long",),
    "JSON that two readers would read differently": (
        f"{_EVERY}::test_what_two_readers_would_read_differently",
        f"{_ORDERS}/test_orders_rubbish.py::test_bytes_that_are_no_order_are_refused",
    ),
    "names of the world": (
        f"{_ORDERS}/test_orders_hostile.py::test_a_name_is_told_to_the_other_services_as_it_was_written",
        "tests/unit/notifications/test_names.py::test_a_name_stands_in_the_mail_as_it_was_written_and_does_nothing",
        f"{_SHIPPING}/test_shipping_names.py::test_the_label_is_for_whom_the_customer_named",
    ),
    "bidi overrides, zero-width and control characters": (
        f"{_INPUT}::test_a_field_that_does_not_fit_is_named",
        f"{_ORDERS}/test_orders_hostile.py::test_over_http_it_is_taken_and_kept_as_it_was_written_or_refused",
        f"{_ORDERS}/test_orders_hostile.py::test_over_the_topic_it_is_heard_or_unreadable",
    ),
    "twins in NFC and NFD, and in the case of an e-mail": (
        f"{_ORDERS}/test_orders_hostile.py::test_two_spellings_of_a_customer_are_one_and_an_e_mail_is_no_key",
    ),
    "a quantity of 0, -1, 1.5 or 10^9, a sum that overflows": (
        f"{_INPUT}::test_a_field_that_does_not_fit_is_named",
        f"{_ORDERS}/test_orders_rubbish.py::test_orders_that_make_no_sense_are_refused",
        f"{_EVERY}::test_another_kind_of_value_in_every_place",
    ),
    "an unknown currency, amounts that are no integers": (
        "tests/unit/orders/test_orders_money.py::test_an_amount_is_shown_with_the_places_of_its_currency",
        f"{_INPUT}::test_a_field_that_does_not_fit_is_named",
        f"{_ORDERS}/test_orders_rubbish.py::test_fields_that_do_not_fit_are_refused",
    ),
    "dates of the year 1 and 9999, 31 February, naive times, unknown zones, days that are past": (
        f"{_ORDERS}/test_orders_rubbish.py::test_fields_that_do_not_fit_are_refused",
        f"{_ORDERS}/test_orders_rubbish.py::test_orders_that_make_no_sense_are_refused",
        "tests/unit/orders/test_orders_validation.py::test_each_mistake_is_named",
    ),
    "queries, templates and shell commands as text": (
        f"{_EVERY}::test_hostile_texts_in_bodies",
        f"{_EVERY}::test_hostile_texts_in_addresses_and_queries",
        f"{_ORDERS}/test_orders_hostile.py::test_over_http_it_is_taken_and_kept_as_it_was_written_or_refused",
    ),
    "markup in names and notes": (
        "tests/unit/notifications/test_names.py::test_a_name_stands_in_the_mail_as_it_was_written_and_does_nothing",
        "tests/unit/kit/http/test_http_front.py::test_a_page_escapes_what_it_is_told_and_wants_all_of_it",
        "tests/unit/kit/http/test_http_front.py::test_every_page_and_answer_keeps_others_out",
    ),
    "line breaks in a mail's header": (
        "tests/unit/notifications/test_rendering.py::test_a_header_that_breaks_lines_is_refused",
        "tests/integration/notifications/test_sending.py::test_a_name_that_breaks_lines_stays_in_its_line",
    ),
    "a carrier's webhook that is not signed, signed long ago, repeated, or no text": (
        f"{_SHIPPING}/test_shipping_webhooks.py::test_what_is_not_signed_is_not_heard",
        f"{_SHIPPING}/test_shipping_webhooks.py::test_delivered_is_said_once_with_the_carriers_word_as_evidence",
        f"{_SHIPPING}/test_shipping_webhooks.py::test_who_signs_wrongly_again_and_again_waits_and_who_signs_well_never",
    ),
    "an Idempotency-Key that is missing, malformed, under way or of another body": (
        f"{_EVERY}::test_idempotency_key_missing_or_malformed",
        "tests/integration/kit/test_idempotency.py::test_fifty_at_once_have_one_effect",
        "tests/integration/kit/test_idempotency.py::test_a_key_that_stands_for_another_body_is_refused",
    ),
    "a change of what was changed in between": (f"{_SHIPPING}/test_shipping_edge.py::test_a_change_of_what_was_changed_in_between_is_refused",),
    "too much by one caller or address, and a forged X-Forwarded-For": (
        f"{_LIMITS}::test_an_address_that_asks_too_much_waits_and_others_do_not",
        f"{_LIMITS}::test_a_caller_who_asks_too_much_waits_wherever_they_call_from",
        f"{_LIMITS}::test_only_a_proxy_of_ours_says_who_asks",
    ),
    "batches and pages without end": (f"{_EVERY}::test_batches_pages_and_texts_have_a_largest_size",),
    "a customer's link that is guessed": (
        f"{_ORDERS}/test_orders_page.py::test_every_guess_meets_the_same_page",
        f"{_ORDERS}/test_orders_page.py::test_who_guesses_on_is_told_to_wait_and_who_has_a_link_never",
        f"{_ORDERS}/test_orders_api.py::test_links_are_made_in_the_order_asked_and_stored_hashed",
    ),
    "forged log lines, and canaries of personal data": (
        "tests/integration/test_canaries.py::test_no_canary_comes_out",
        "tests/unit/kit/test_kit_logs.py::test_a_line_break_stays_inside_its_line",
    ),
    "parameters that stand twice, and tricks with paths": (
        f"{_EVERY}::test_duplicate_parameters_and_path_tricks",
        f"{_INPUT}::test_a_header_that_counts_stands_once",
    ),
    "a sign-in of somebody known and of somebody unknown": (
        "tests/integration/issuer/test_signing_in.py::test_whoever_may_not_sign_in_gets_one_answer",
        "tests/integration/issuer/test_signing_in.py::test_the_work_for_nobody_is_the_work_for_somebody",
        "tests/integration/issuer/test_signing_in.py::test_without_a_counter_nobody_signs_in",
    ),
    "a dependency that is away while it is decided who may": (
        f"{_SIGN_IN}::test_without_keys_nobody_is_let_in_and_the_answer_says_try_again",
        "tests/integration/kit/test_guesses.py::test_without_the_database_nobody_tries",
    ),
}

NOT_THERE = (
    "a local time in the gap or fold of a clock change",
    "cells of CSV",
    "the address of an outgoing webhook",
    "a change without If-Match",
    "reset and change of e-mail of known and unknown accounts",
    "a link that has expired or was revoked",
    "amounts in the wrong minor units, and mixed currencies",
)
"""Rows about what does not exist: `docs/reliability.md` says why."""
