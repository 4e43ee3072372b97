"""The planted bugs. `statement` is what `ast.unparse` prints of exactly one statement of the function; `replacement` stands in its place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`fails`: the invariant of the simulation that must be violated, or the test that must fail."""

    name: str
    file: str
    function: str
    statement: str
    replacement: str
    fails: str
    world: str = "till"
    """Where the simulation is to find it."""


SIMULATION = (
    Mutant(
        "early acknowledge",
        "services/kit/raw_driver.py",
        "RawDriver._take",
        "if kept:\n    await self._loop.take(self._loop.read([message for tp in kept for message in got[tp]]))",
        "for tp, offsets in kept.items():\n    self._tracker.acknowledged(tp, offsets)\n"
        "if kept:\n    await self._commit()\n    await self._loop.take(self._loop.read([message for tp in kept for message in got[tp]]))",
        "applied once",
    ),
    Mutant(
        "no inbox",
        "services/kit/inbox.py",
        "SqlJournal._enter",
        "if some is None:\n    return batch.events",
        "return batch.events",
        "applied once",
    ),
    Mutant(
        "inbox and outbox apart",
        "services/kit/database.py",
        "Database.transaction",
        "async with connection.transaction():\n"
        "    work = Transaction(connection, self.clock.now(), f'/kept/{self.service}')\n"
        "    yield work\n"
        "    await work.flush()\n"
        "    if ARMED and work.says:\n"
        "        hit('outbox.inserted')",
        "async with connection.transaction():\n"
        "    work = Transaction(connection, self.clock.now(), f'/kept/{self.service}')\n"
        "    yield work\n"
        "async with connection.transaction():\n"
        "    await work.flush()",
        "applied once",
    ),
    Mutant(
        "handler sends",
        "services/kit/database.py",
        "Database.transaction",
        "await work.flush()",
        "async with self.pool.acquire() as aside, aside.transaction():\n"
        "    early = Transaction(aside, work.now, work.source)\n"
        "    early._said = work._said\n"
        "    await early.flush()\n"
        "work._said = []\n"
        "await work.flush()",
        "said once",
    ),
    Mutant(
        "cursor outbox",
        "services/kit/relay.py",
        "Relay._relay",
        "rows = await take.fetch(_AT_ONCE)",
        "rows = [row for row in await take.fetch(_AT_ONCE) if row['id'] > self.__dict__.get('reached', 0)]\n"
        "self.reached = max([row['id'] for row in rows], default=self.__dict__.get('reached', 0))",
        "said once",
    ),
    Mutant(
        "delete before acknowledgements",
        "services/kit/relay.py",
        "Relay._relay",
        "await self._send([_outgoing(row, self._prefix) for row in rows])",
        "await delete.fetch([row['id'] for row in rows])\nawait self._send([_outgoing(row, self._prefix) for row in rows])",
        "said once",
    ),
    Mutant(
        "range delete",
        "services/kit/relay.py",
        "Relay._relay",
        "await delete.fetch([row['id'] for row in rows])",
        "await delete.fetch([row['id'] for row in await take.fetch(_AT_ONCE) if row['id'] <= rows[-1]['id']])",
        "said once",
    ),
    Mutant(
        "send error ignored",
        "services/kit/relay.py",
        "Relay._send",
        "await asyncio.sleep(pause_seconds(tries))",
        "return",
        "said once",
    ),
    Mutant(
        "unordered relay",
        "services/kit/relay.py",
        "Relay._relay",
        "await self._send([_outgoing(row, self._prefix) for row in rows])",
        "await self._send([_outgoing(row, self._prefix) for row in reversed(rows)])",
        "in order",
    ),
    Mutant(
        "no dedupe inside the batch",
        "services/kit/consume.py",
        "ConsumeLoop._sort_out",
        "seen.add(heard.id)",
        "pass",
        "applied once",
    ),
    Mutant(
        "highest acknowledgement committed",
        "services/kit/offsets.py",
        "OffsetTracker.committable",
        "return min(outstanding) if outstanding else self._next.get(partition)",
        "return self._next.get(partition)",
        "applied once",
    ),
    Mutant(
        "swallowed failure",
        "services/kit/consume.py",
        "ConsumeLoop._set_aside",
        "done = await self._patiently(partial(self._commit, batch))",
        "done = Counter({Outcome.FAILED: 1})",
        "applied once",
    ),
    Mutant(
        "disconnect taken for poison",
        "services/kit/consume.py",
        "ConsumeLoop._attempt",
        "if not is_transient(error):\n    return Bug(error)",
        "return Bug(error)",
        "no crash",
    ),
    Mutant(
        "poison retried for ever",
        "services/kit/consume.py",
        "ConsumeLoop._attempt",
        "if not is_transient(error):\n    return Bug(error)",
        "pass",
        "comes to rest",
    ),
    Mutant(
        "attempts never counted",
        "services/kit/consume.py",
        "ConsumeLoop._take",
        "before = await self._patiently(partial(self._journal.begin, spans))",
        "before = Before((), {})",
        "comes to rest",
    ),
    Mutant(
        "attempts counted after",
        "services/kit/consume.py",
        "ConsumeLoop._take",
        "before = await self._patiently(partial(self._journal.begin, spans))",
        "done = await self._settle(items)\nawait self._patiently(partial(self._journal.begin, spans))\nreturn done",
        "comes to rest",
    ),
    Mutant(
        "failed events hold nothing back",
        "services/kit/consume.py",
        "ConsumeLoop._take",
        "self._holds = before.holds",
        "self._holds = {}",
        "applied once",
    ),
    Mutant(
        "a cancel frees units twice",
        "services/fulfilment/stock/handlers.py",
        "release",
        "if want.state in (WantState.SHORT, WantState.RESERVED):\n"
        "    books.apply([releasing(want, part) for part in want.parts], cause)\n"
        "    books.keep(replace(want, parts=(), state=WantState.RELEASED, ripe=False))",
        "books.apply([releasing(want, part) for part in want.parts], cause)\nbooks.keep(replace(want, state=WantState.RELEASED, ripe=False))",
        "no oversell",
        "shop",
    ),
    Mutant(
        "a version is given twice",
        "services/orders/book.py",
        "Book.note",
        "self.said.append(Said(event, order.order_id, said, cause))",
        "self.said.append(Said(event, order.order_id, max(1, said - 1), cause))",
        "in order",
        "shop",
    ),
    Mutant(
        "an order is released before its stock",
        "services/orders/decisions.py",
        "settle",
        "if order.state is not State.VALIDATING or not order.announced or order.cancel_requested or missing_checks(order):\n"
        "    return Decision(order)",
        "if order.state is not State.VALIDATING or not order.announced or order.cancel_requested:\n    return Decision(order)",
        "set aside once",
        "shop",
    ),
)

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
        "LedgerStore.write",
        "if not await self.connection.fetchval(_MOVE_HEAD, head.frontier.size, now, hashes, before.frontier.size):\n    raise HeadMoved",
        "await self.connection.fetchval(_MOVE_HEAD, head.frontier.size, now, hashes, before.frontier.size)",
        "tests/integration/promises/ledger/test_writer.py::test_two_writers_by_accident_lose_nothing_and_double_nothing",
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
        "_Deciding.take",
        "if asked.then is not None:\n    decide(self._look.promises.get(asked.then.promise_id), asked.then.command, self._now, asked.then.if_match)",
        "pass",
        "tests/integration/promises/ledger/test_http.py::test_a_new_date_stands_beside_the_old_one_until_the_customer_agrees",
    ),
    Mutant(
        "words that nobody compares",
        "services/kit/promise/view.py",
        "Row.held",
        "is_ours = self.words is None or self.salt is None or commitment(self.salt, self.words) == self.promise.said.words",
        "is_ours = True",
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
