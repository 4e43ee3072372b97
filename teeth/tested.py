"""The planted bugs that a test must catch; those that the simulation must stand in `mutants`."""

from teeth.mutants import Mutant

TESTS = (
    Mutant(
        "a lock that is not missed",
        "services/kit/leader.py",
        "_until_it_ends",
        "raise ConnectionResetError('the connection that holds the lock has ended')",
        "await asyncio.Event().wait()",
        "tests/integration/kit/test_leader.py::test_duties_end_with_the_connection_though_none_uses_it",
    ),
    Mutant(
        "a head that is not guarded",
        "services/promises/ledger/store.py",
        "",
        '_MOVE_HEAD = "update ledger_head set size = $1::bigint / (size = $4)::int, recorded_at = $2, hashes = $3'
        " returning pg_notify('kept_ledger_grown', '')\"",
        '_MOVE_HEAD = "update ledger_head set size = $1, recorded_at = $2, hashes = $3 where $4::bigint is not null'
        " returning pg_notify('kept_ledger_grown', '')\"",
        "tests/integration/promises/ledger/test_writer.py::test_a_no_of_a_writer_that_was_overtaken_leaves_the_head_where_the_other_has_moved_it",
    ),
    Mutant(
        "a second verdict",
        "services/promises/ledger/domain/commands.py",
        "decide",
        "if promise.stands.verdict is not Verdict.OPEN and (not isinstance(command, ShowEvidence | Acknowledge | Tell)):\n"
        "    raise _settled(promise)",
        "pass",
        "tests/integration/promises/ledger/test_writer.py::test_a_thousand_who_resolve_one_promise_get_one_verdict_and_one_explanation",
    ),
    Mutant(
        "broken when it was noticed",
        "services/promises/ledger/domain/commands.py",
        "_break",
        "return Broken(promise.said.due.at, now)",
        "return Broken(now, now)",
        "tests/unit/promises/ledger/test_decisions.py::test_it_breaks_at_its_due_instant_whenever_that_is_noticed",
    ),
    Mutant(
        "an error in the place of an end",
        "services/notifications/sending.py",
        "_Pass.run",
        "await asyncio.gather(rounds, return_exceptions=True)",
        "await rounds",
        "tests/integration/notifications/test_sending.py::test_a_pass_that_is_ended_while_the_database_fails_ends_all_the_same",
    ),
    Mutant(
        "a mail before the ledger has noted it",
        "services/notifications/telling/domain.py",
        "news_of",
        "if not stands.told or stands.verdict in _UNSAID:\n    return frozenset()",
        "pass",
        "tests/unit/notifications/test_telling.py::test_nothing_is_news_before_the_ledger_has_noted_it",
    ),
    Mutant(
        "an end that is not heard",
        "services/kit/errands.py",
        "ErrandLoop._repeat",
        "end_if_told()",
        "pass",
        "tests/unit/kit/test_told_to_end.py::test_it_ends",
    ),
    Mutant(
        "a new date whose old one stays",
        "services/promises/ledger/batch.py",
        "Deciding.take",
        "if asked.then is not None:\n    decide(self._look.promises.get(asked.then.promise_id), asked.then.command, self._now, asked.then.if_match)",
        "pass",
        "tests/integration/promises/ledger/test_http.py::test_a_new_date_stands_beside_the_old_one_until_the_customer_agrees",
    ),
    Mutant(
        "words that nobody compares",
        "services/kit/promise/view.py",
        "",
        r"""_IS_COMMITTED = 'right(made, 55) = \'"words":"\' || encode(sha256(salt || convert_to(words, \'UTF8\')), \'base64\') || \'"}\''""",
        "_IS_COMMITTED = 'true'",
        "tests/integration/promises/ledger/test_views.py::test_one_field_altered_in_a_view_is_found_in_one_round_named_and_mended",
    ),
    Mutant(
        "two leaders",
        "services/kit/leader.py",
        "Leader._term",
        "while not await connection.fetchval(_TRY, self._service):\n    await asyncio.sleep(_STANDBY_SECONDS)",
        "pass",
        "tests/integration/kit/test_leader.py::test_of_two_one_leads_and_the_other_takes_over_when_its_connection_goes",
    ),
    Mutant(
        "tracker kept on a seek",
        "services/kit/transport.py",
        "Consumer.seek",
        "self.tracker.reset([ensure_TP(partition)])",
        "pass",
        "tests/contract/kit/test_transport.py::test_a_seek_forgets_what_was_delivered_and_delivers_again",
    ),
    Mutant(
        "no bisect",
        "services/kit/consume.py",
        "ConsumeLoop._settle",
        "if len(items) == 1:\n    return await self._try_again(items[0], result)",
        "return sum([await self._set_aside(item, 'failed') for item in items], Counter())",
        "tests/unit/kit/test_consume.py::test_the_culprit_is_found_and_set_aside_and_the_rest_applies_in_order",
    ),
    Mutant(
        "wedged producer kept",
        "services/kit/kafka_log.py",
        "KafkaLog.send",
        "await self.close()",
        "pass",
        "tests/integration/kit/test_failpoints.py::test_a_producer_whose_sequence_is_spoilt_is_replaced",
    ),
    Mutant(
        "revoke without a commit",
        "services/kit/raw_driver.py",
        "RawDriver.on_partitions_revoked",
        "async with self._in_hand:\n    await self._commit()\n    self._tracker.reset()\n    self._starts.clear()\n"
        "    self._last_committed = {}\n    self._generation += 1",
        "async with self._in_hand:\n    self._tracker.reset()\n    self._starts.clear()\n    self._generation += 1",
        "tests/contract/kit/test_drivers.py::test_a_second_member_takes_over_partitions_without_repeating_anything",
    ),
    Mutant(
        "generations of the group ignored",
        "services/kit/raw_driver.py",
        "RawDriver._run",
        "if generation == self._generation:\n    await self._take(got)",
        "await self._take(got)",
        "tests/unit/kit/test_raw_driver.py::test_what_was_fetched_before_a_revoke_is_dropped",
    ),
    Mutant(
        "no lock on a key",
        "services/kit/http/idempotency.py",
        "_known",
        "locked = [row[0] for row in await work.connection.fetch(_LOCK, names)]",
        "locked = [True] * len(names)",
        "tests/integration/kit/test_idempotency.py::test_fifty_at_once_have_one_effect",
    ),
    Mutant(
        "key stored late",
        "services/kit/http/idempotency.py",
        "_settle",
        "async with database.transaction() as work:\n"
        "    known = await _known(work, commands)\n"
        "    fresh = [command for command, answered in zip(commands, known, strict=True) if answered is None]\n"
        "    given: Sequence[Answered] = ()\n"
        "    if fresh:\n"
        "        if ARMED:\n"
        "            hit('command.begun')\n"
        "        given = await do(work, [command.wanted for command in fresh])\n"
        "        _store(work, fresh, given)\n"
        "        if ARMED:\n"
        "            hit('command.answer_stored')",
        "async with database.transaction() as work:\n"
        "    known = await _known(work, commands)\n"
        "    fresh = [command for command, answered in zip(commands, known, strict=True) if answered is None]\n"
        "    given: Sequence[Answered] = ()\n"
        "    if fresh:\n"
        "        given = await do(work, [command.wanted for command in fresh])\n"
        "if ARMED:\n"
        "    hit('command.answer_stored')\n"
        "async with database.transaction() as work:\n"
        "    _store(work, fresh, given)",
        "tests/integration/kit/test_failpoints.py::test_a_command_whose_process_dies_at_a_point_is_done_once",
    ),
    Mutant(
        "body hash ignored",
        "services/kit/http/idempotency.py",
        "_replayed",
        "if stored['fingerprint'] != command.fingerprint:\n"
        "    return Problem(422, 'key-reused', 'This Idempotency-Key was used for another request: send a new one.')",
        "pass",
        "tests/integration/kit/test_idempotency.py::test_a_key_that_stands_for_another_body_is_refused",
    ),
    Mutant(
        "no fencing",
        "services/fulfilment/floor/domain/claiming.py",
        "refuse_stale",
        "if task.fence != fence or task.hold.by != by:\n"
        "    sentence = f\"The task is with {task.hold.by} since {task.hold.at.isoformat(timespec='seconds')}: stop here and claim the next one.\"\n"
        "    raise StaleClaim(sentence, claimed_by=task.hold.by, claimed_at=task.hold.at, fence=task.fence)",
        "pass",
        "tests/integration/fulfilment/test_picking.py::test_a_task_is_taken_over_only_when_its_lease_ran_out_and_the_old_device_is_refused",
    ),
    Mutant(
        "audience unchecked",
        "services/kit/http/signin.py",
        "SignIn._verify",
        "claims = jwt.decode(token, key, algorithms=['EdDSA'], audience=self._audience, issuer=self._issuer, options={'require': _REQUIRED})",
        "claims = jwt.decode(token, key, algorithms=['EdDSA'], issuer=self._issuer, options={'require': _REQUIRED, 'verify_aud': False})",
        "tests/unit/kit/http/test_http_signin.py::test_a_token_that_is_not_for_us_now_is_refused",
    ),
    Mutant(
        "endless JWKS",
        "services/kit/http/reread.py",
        "Reread._is_good",
        "return self._age <= self._good_seconds",
        "return bool(self._known)",
        "tests/unit/kit/http/test_http_keys.py::test_keys_that_cannot_be_fetched_are_good_for_ten_minutes_and_then_nobody_is_let_in",
    ),
    Mutant(
        "revocations ignored",
        "services/kit/http/signin.py",
        "SignIn.principal",
        "await self._revoked.refuse(verified.principal.subject, verified.issued_at)",
        "pass",
        "tests/unit/kit/http/test_http_revoked.py::test_the_answer_says_what_to_do",
    ),
    Mutant(
        "no owner filter",
        "services/orders/handlers.py",
        "_decide",
        "if order is None or not reach.covers(order):\n    raise NotFound",
        "if order is None:\n    raise NotFound",
        "tests/integration/orders/test_orders_api.py::test_someone_elses_order_is_answered_like_none",
    ),
    Mutant(
        "no replay table",
        "services/fulfilment/shipping/tracking/store.py",
        "Tracking.is_new",
        "return await self.work.connection.fetchval(_FIRST, carrier, message_id, today) is not None",
        "return True",
        "tests/integration/fulfilment_shipping/test_shipping_webhooks.py",
    ),
    Mutant(
        "echo of input",
        "services/kit/http/problems.py",
        "_sentence",
        "return 'The value does not fit.'",
        "return f\"The value {error.get('input')!r} does not fit.\"",
        "tests/unit/kit/http/test_http_input.py",
    ),
)
