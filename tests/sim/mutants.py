"""Bugs that are planted on purpose, and what finds each of them: the tester is tested.

Rules:
1. A mutant breaks one rule of the product's own code (a few: of the twin of its state machine, or
   of its driver). Where two safeguards hide one another, it breaks both.
2. `caught` is a scenario, or `profile:seed` of the simulator. `replay` runs exactly that.
3. `python -m tests.sim.mutants --search NAME` looks for seeds, all profiles in turn.

    python -m tests.sim.mutants                  replay all, print the score
    python -m tests.sim.mutants --search NAME    up to 3,000 seeds
    python -m tests.sim.mutants --matrix NAME    every scenario that finds it

Long because it is a table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Final, NamedTuple

from hubbub.ring.map import SlotMap, next_leader
from node import replica as replica_module
from node.beats import Beats
from node.gray import Gray
from node.progress import Progress
from node.removals import is_given_up
from node.replica import Replica, read_promise
from node.slot import SlotMeta
from node.slot_log import SlotLog
from router.relay import Relay
from tests.sim.coordinator import Coordinator
from tests.sim.machine import Machine
from tests.sim.planting import Edit, planted
from tests.sim.process import Node
from tests.sim.profiles import PROFILES
from tests.sim.run import run_seed
from tests.sim.scenarios.book import PLAYS

SEEDS_MAX: Final = 3_000
_majority = replica_module._majority


class Mutant(NamedTuple):
    """One bug. `caught`: a scenario's name, or profile:seed."""

    name: str
    breaks: str
    caught: str
    edits: tuple[Edit, ...]


def mutant(name: str, breaks: str, caught: str, *edits: Edit) -> Mutant:
    """A row of the table."""
    return Mutant(name, breaks, caught, edits)


_STORED = "self._persist([self._promise_op()], _PROMISE.size)"
_COUNTED = "if p.ok and s in record.prev"
_BEST = "key=lambda s: (counted[s].last_term, counted[s].last_index)"
_NEWER = "if newest > (self.log.last_term, self.log.last_index):"
_MINE = "mine = record.leader == self._me.leader"
_BY_NAME = "mine = record.leader is not None and record.leader.node == self._me.leader.node"
_FIRST_TIME = "record.term > self.promise.term"
_ACK = "self._mail_after(Mail(sender, term, appended))"
_PREV = "if log.chain_at(prev_index) != prev_chain:"
_CHAIN = "if len(value) < CHAIN_BYTES or chain_of(chain, value[CHAIN_BYTES:]) != logged.chain:"
_COUNTS = "progress.counts = body.ok and sender in self._record().members"
_ABLE = "if record.activated or set(record.members) == set(record.prev):"
_RECALL_KEPT = "Promise(term, boot_id, self.promise.recall)"
_RECALLED = "self._write_promise(self.promise._replace(recall=body.match))"
_WHOLE = "return not is_emptied or (match >= commit and self.log.term_at(match) == term)"
_SAID = "self._mail_after(Mail(to, term, body))"

MUTANTS: Final = (
    # --- promises and terms
    mutant("promise not stored", "a promise is said and never written",
           "a_promise_is_stored_before_it_is_given",
           Edit(Replica._write_promise, _STORED, "pass")),
    mutant("promise said at once", "a promise is said before it is durable",
           "a_promise_is_stored_before_it_is_given",
           Edit(Replica._say_promised, _SAID,
                "(self._mail_after if to == self._me.storage else self.mails.append)"
                "(Mail(to, term, body))")),
    mutant("lower term taken", "mail of a term below the promised one is obeyed",
           "mail_of_an_old_term_is_refused",
           Edit(Replica._is_stale, "term > promised.term or", "term != promised.term or")),
    mutant("other process of the term", "two processes may lead one term",
           "one_term_of_two_processes",
           Edit(Replica._is_stale, "(term, boot_id) == promised[:2]", "term == promised.term")),
    mutant("promise to an earlier process", "a promise of the same term to somebody else counts",
           "a_promise_to_an_earlier_process_is_none",
           Edit(Replica._on_promised, "and body.boot_id == self._me.leader.boot_id", "")),
    mutant("minority", "half of the copies, rounded down, is a majority",
           "one_promise_is_no_majority",
           Edit(_majority, "len(members) // 2 + 1", "max(1, len(members) // 2)")),
    mutant("half", "half of an even number of copies is a majority",
           "swarm:0",
           Edit(_majority, "len(members) // 2 + 1", "(len(members) + 1) // 2")),
    mutant("one promise", "a term begins with one promise",
           "one_promise_is_no_majority",
           Edit(Replica._select, "len(counted) < _majority(record.prev)", "len(counted) < 1")),
    mutant("new members asked", "the promises of the new members count, not of the old ones",
           "the_old_members_are_asked",
           Edit(Replica._select, _COUNTED, "if p.ok and s in record.members"),
           Edit(Replica._select, "_majority(record.prev)", "_majority(record.members)")),
    mutant("anybody's promise", "copies that are no members of anything count",
           "a_wiped_disk_is_another_copy",
           Edit(Replica._select, _COUNTED, "if p.ok")),
    mutant("recovering votes", "a copy that knows that it forgot something counts for a term",
           "a_copy_that_forgot_does_not_vote",
           Edit(Replica._select, _COUNTED, "if s in record.prev")),
    mutant("recovering leads", "a copy with holes leads",
           "a_copy_that_forgot_does_not_lead",
           Edit(Replica._select, "if not own.ok:", "if False:")),
    mutant("own promise not awaited", "a leader goes on before its own promise is durable",
           "a_leader_waits_for_its_own_promise",
           Edit(Replica._select, "self._promises.get(self._me.storage)",
                "next(iter(self._promises.values()))")),
    mutant("longest log", "the longest log wins, not the newest",
           "the_newest_log_wins_not_the_longest",
           Edit(Replica._select, _BEST, "key=lambda s: counted[s].last_index"),
           Edit(Replica._select, _NEWER, "if newest[1] > self.log.last_index:")),
    mutant("term only", "of two logs of one term any wins",
           "in_one_term_the_longer_log_wins",
           Edit(Replica._select, _NEWER, "if newest[0] > self.log.last_term:")),
    mutant("own log wins", "the leader never looks for a newer log",
           "in_one_term_the_longer_log_wins",
           Edit(Replica._select, _NEWER, "if False:")),
    mutant("oldest log", "the oldest log among the promises is adopted",
           "the_newest_log_wins_not_the_longest",
           Edit(Replica._select, "best = max(", "best = min(")),
    mutant("wrong source", "the newest log is fetched from somebody who has not got it",
           "a_silent_source_is_given_up",
           Edit(Replica._select, "Role.FETCHING, best, now_ms",
                "Role.FETCHING, sorted(counted)[-1], now_ms")),
    mutant("term resumed after restart", "a new process goes on with the old one's term",
           "a_restarted_leader_does_not_resume_its_term",
           Edit(Replica.follow, _MINE, _BY_NAME),
           Edit(Replica.follow, _FIRST_TIME, "record.term >= self.promise.term")),
    mutant("term resumed", "a process begins a term that it has given up",
           "the_same_process_does_not_resume_its_term_either",
           Edit(Replica.follow, _FIRST_TIME, "record.term >= self.promise.term")),
    mutant("term of the old process", "a record that names the node's last process is taken",
           "a_new_process_does_not_take_the_term_of_the_old_one",
           Edit(Replica.follow, _MINE, _BY_NAME)),
    mutant("record goes back", "an older revision of the record is followed",
           "a_record_does_not_go_back",
           Edit(Replica.follow, "revision <= self.revision or ", "")),
    mutant("map goes back", "an older revision is put into the map",
           "a_record_does_not_go_back",
           Edit(SlotMap.apply, "if revision <= self._revisions[slot]:", "if False:")),
    mutant("stranger leads", "a copy that is no member leads",
           "who_is_no_member_does_not_lead",
           Edit(Replica.follow, " and self._me.storage in record.members", "")),
    mutant("leader outlives its record", "a leader ignores that another one was named",
           "a_newer_record_ends_a_leader",
           Edit(Replica.follow, "if record.term != self.term or not mine:", "if False:")),
    mutant("leader promises and leads on", "who promises a newer term goes on with its own",
           "a_leader_that_promises_another_term_leads_no_more",
           Edit(Replica._on_fence, "self.step_down()", "pass")),
    mutant("leader follows and leads on", "who follows a newer term goes on with its own",
           "a_leader_that_follows_leads_no_more",
           Edit(Replica._on_append, "self.step_down()", "pass")),
    mutant("STALE ignored", "a leader does not hear that it is deposed",
           "mail_of_an_old_term_is_refused",
           Edit(Replica.receive, "if self.is_leading and term == self.term:", "if False:")),
    mutant("STALE not said", "a deposed leader is not told",
           "mail_of_an_old_term_is_refused",
           Edit(Replica._is_stale, "self.mails.append(", "id(")),
    mutant("leads alone", "a leader without a majority leads for ever",
           "a_leader_that_hears_nobody_gives_up",
           Edit(Replica._is_alone, "return heard + 1 < _majority(members)", "return False")),
    mutant("boot id forgotten", "a restart forgets to whom the term was promised",
           "the_promise_of_an_append_is_stored_before_the_ack",
           Edit(read_promise, "Promise(*_PROMISE.unpack(data))",
                "Promise(*_PROMISE.unpack(data))._replace(boot_id=0)")),
    mutant("fences not repeated", "a lost FENCE is lost for ever",
           "a_lost_fence_is_said_again",
           Edit(Replica.tick, "self._send_fences()", "pass")),
    mutant("old members not fenced", "only members are asked for promises",
           "the_old_members_are_asked",
           Edit(Replica._send_fences, "{*record.prev, *record.members}", "{*record.members}")),
    mutant("promises of an earlier term", "promises are counted for the next term as well",
           "storms:0",
           Edit(Replica._fence, "self._promises.clear()", "pass"),
           Edit(Replica._end_leadership, "self._promises.clear()", "pass")),
    # --- the log
    mutant("ack before sync", "a follower acknowledges what it has in memory",
           "an_ack_waits_for_the_disk",
           Edit(Replica._on_append, _ACK, "self.mails.append(Mail(sender, term, appended))")),
    mutant("ack of the log's end", "a follower acknowledges its log, not what was checked",
           "a_match_is_what_was_checked",
           Edit(Replica._on_append, "Appended(self._me.storage, match,",
                "Appended(self._me.storage, self.log.last_index,")),
    mutant("mail before sync", "what waits for the disk leaves with any sync",
           "swarm:0",
           Edit(Replica.persisted, "while self._after and self._after[0][0] <= self._done_token:",
                "while self._after:")),
    mutant("leader counts memory", "a leader counts itself before its own sync",
           "a_leader_counts_itself_after_its_sync",
           Edit(Replica._agreed, "matches.append(self.durable)",
                "matches.append(self.log.last_index)")),
    mutant("leader holds up", "nothing is committed before the leader's own sync",
           "two_followers_are_a_majority_without_the_leader",
           Edit(Replica._agreed, "sorted(matches, reverse=True)[needed - 1]",
                "min(sorted(matches, reverse=True)[needed - 1], self.durable)")),
    mutant("one copy less", "one copy less than a majority commits",
           "a_leader_counts_itself_after_its_sync",
           Edit(Replica._agreed, "[needed - 1]", "[max(0, needed - 2)]")),
    mutant("learner counts", "a learner's match counts",
           "a_learner_does_not_count",
           Edit(Replica._on_appended, _COUNTS, "progress.counts = body.ok"),
           Edit(Replica._agreed, "if p.counts and s in members", "if p.counts")),
    mutant("recovering counts", "what a copy with holes acknowledges counts",
           "a_copy_that_forgot_does_not_count",
           Edit(Replica._on_appended, "body.ok and ", "")),
    mutant("old term counted", "an entry of an earlier term is committed by counting copies",
           "an_old_entry_is_not_committed_by_counting",
           Edit(Replica._advance, "index < self._start_index or ", "")),
    mutant("commit falls", "a commit may go back",
           "pauses:0",
           Edit(Replica._advance, " or index <= self.commit", "")),
    mutant("commit beyond match", "a follower commits what it was not sent",
           "an_append_commits_only_what_it_reaches",
           Edit(Replica._on_append, "min(body.commit, match)", "body.commit")),
    mutant("commit beyond disk", "a follower commits what it has not stored",
           "a_commit_is_not_beyond_what_is_stored",
           Edit(Replica._follow_commit, "min(self._leader_commit, self.durable)",
                "self._leader_commit")),
    mutant("beat commits anything", "a beat commits entries of another term's log",
           "a_beat_commits_only_what_matches",
           Edit(Replica._matched,
                "self.log.last_index if self.log.last_term == term else self._leader_commit",
                "self.log.last_index")),
    mutant("beat of anybody", "a beat of any term commits",
           "a_beat_of_another_term_commits_nothing",
           Edit(Replica.hear_commit, "(term, boot_id) == self.promise[:2] and ", "")),
    mutant("cut on overlap", "an APPEND cuts what lies behind it, though nothing conflicts",
           "a_late_append_cuts_nothing",
           Edit(Replica._accept, "if known == len(entries):\n        return True",
                "if known == len(entries):\n        end = prev_index + known\n"
                "        return end == log.last_index or self._replace(end, [])")),
    mutant("cut below commit", "committed entries are replaced",
           "a_committed_entry_is_not_replaced",
           Edit(Replica._replace, "if after < self.commit:", "if False:")),
    mutant("committed differs", "a leader that contradicts what is committed is just refused",
           "a_committed_entry_does_not_differ",
           Edit(Replica._accept, "if prev_index <= self.commit:", "if False:")),
    mutant("prev ignored", "entries are put behind whatever is there",
           "an_append_behind_another_entry_is_refused",
           Edit(Replica._accept, _PREV, "if False:"),
           Edit(Replica._accept, _CHAIN, "if False:")),
    mutant("prev of an empty APPEND ignored", "a probe without entries always matches",
           "a_probe_is_checked_as_well",
           Edit(Replica._accept, _PREV, "if entries and log.chain_at(prev_index) != prev_chain:")),
    mutant("gap accepted", "an APPEND behind a gap is acknowledged",
           "an_append_behind_a_gap_is_refused",
           Edit(Replica._accept, "if prev_index > log.last_index:\n        return False",
                "if prev_index > log.last_index:\n        return True")),
    mutant("chain unchecked", "damaged entries are stored",
           "a_broken_chain_is_refused",
           Edit(Replica._accept, _CHAIN, "if False:")),
    mutant("terms fall", "an entry of an older term follows one of a newer",
           "an_entry_of_an_older_term_is_refused",
           Edit(Replica._accept, "if term < last_term:", "if False:")),
    mutant("cut apart", "cut and replacement are two writes",
           "a_cut_and_what_replaces_it_are_one_write",
           Edit(Replica._replace, "ops += self.log.truncate(after)",
                "self._persist(self.log.truncate(after), 0)")),
    mutant("cut keeps durable", "what was cut off still counts as stored",
           "what_was_cut_is_not_stored_any_more",
           Edit(Replica._replace, "self.durable = min(self.durable, after)", "pass")),
    mutant("cut keeps ends", "a sync of what was cut off meanwhile counts",
           "a_sync_of_what_was_cut_says_nothing",
           Edit(Replica._replace, "while self._ends and self._ends[-1][1] > after:",
                "while False:")),
    mutant("durable is memory", "any sync makes the whole log durable",
           "swarm:0",
           Edit(Replica.persisted, "self.durable = self._ends.popleft()[1]",
                "self._ends.popleft()\n        self.durable = self.log.last_index")),
    mutant("cut at restart", "a restart cuts the log where it had applied it (KIP-101)",
           "a_restart_keeps_what_is_stored",
           Edit(Replica.__init__, "self.durable = self.log.last_index",
                "self.log.truncate(applied)\n    self.durable = applied")),
    mutant("first page is all", "a leader begins before it has fetched everything",
           "a_log_of_many_pages_is_fetched_to_its_end",
           Edit(Replica._on_tail, "if self.log.last_index >= body.last_index:", "if True:")),
    mutant("terms not cut", "the table of terms keeps what was cut off",
           "a_cut_is_stored_with_its_terms",
           Edit(SlotLog.truncate, "while self.terms and self.terms[-1][1] > after:",
                "while False:")),
    mutant("term rows not cut", "the stored table of terms keeps what was cut off",
           "a_cut_is_stored_with_its_terms",
           Edit(SlotLog.truncate,
                "ops.append((Family.META, keys.term(self._slot, self.terms.pop()[0]), None))",
                "self.terms.pop()")),
    mutant("term rows not stored", "after a restart nobody knows the terms of entries",
           "a_restart_keeps_what_is_stored",
           Edit(SlotLog.append, "ops.append((Family.META, *row))", "pass")),
    mutant("ack of another term", "an ack of an earlier term counts in this one",
           "an_ack_of_an_earlier_term_counts_for_nothing",
           Edit(Replica._on_appended, " or term != self.term", "")),
    mutant("chain not extended", "each entry of a message is checked against the same chain",
           "swarm:0",
           Edit(Replica._accept, "chain, last_term = logged.chain, term", "last_term = term")),
    # --- catching up
    mutant("refusal lies", "a NAK says that the log is longer than it is",
           "an_append_behind_a_gap_is_refused",
           Edit(Replica._say_end, "Nak(self._me.storage, self.log.last_index,",
                "Nak(self._me.storage, self.log.last_index + 1,")),
    mutant("refusal taken for agreement", "a leader believes that all before the log's end agrees",
           "an_append_behind_another_entry_is_refused",
           Edit(Replica._on_nak, "self.log.common(body.terms, body.last_index)",
                "min(body.last_index, self.log.last_index)")),
    mutant("refusal ignored", "a leader never goes back for a copy that lags",
           "an_append_behind_a_gap_is_refused",
           Edit(Progress.refused, "self.probe(common + 1)", "pass")),
    mutant("a probe for each refusal", "n lost messages are sent n times",
           "one_lost_append_is_one_probe",
           Edit(Progress.refused,
                "if not (self.is_probing and self._in_flight and self._first == common + 1):",
                "if True:")),
    mutant("silence accepted", "what is lost is never sent again",
           "a_lost_append_is_sent_again",
           Edit(Progress.is_late, "return True", "return False")),
    mutant("no window", "a silent copy is sent everything",
           "a_silent_copy_costs_a_window",
           Edit(Progress.may_send, "< WINDOW_BYTES", ">= 0")),
    mutant("log stays in memory", "applied entries are never forgotten",
           "a_silent_copy_costs_a_window",
           Edit(SlotLog.forget, "recent.popleft()", "return")),
    mutant("source never given up", "a leader waits for ever for the copy with the newest log",
           "a_silent_source_is_given_up",
           Edit(Replica._tick_fetching, "if waited_ms >= SOURCE_LOST_MS:", "if False:")),
    mutant("fetch storm", "a FETCH is repeated with every look at the clock",
           "a_fetch_is_repeated_slowly",
           Edit(Replica._tick_fetching, "now_ms - self._asked_ms >= RETRY_MS",
                "waited_ms >= RETRY_MS")),
    # --- copies that forgot
    mutant("lost match counts", "what a copy forgot still counts",
           "a_match_that_is_lost_is_not_counted",
           Edit(Replica._on_nak, "progress.match = common", "pass"),
           Edit(Replica._on_nak, "progress.counts = False", "pass")),
    mutant("recall ignored", "a copy that is told that it forgot goes on as before",
           "a_copy_that_forgot_does_not_vote",
           Edit(Replica._on_recall, _RECALLED, "pass")),
    mutant("recall not stored", "a restart forgets that it forgot",
           "a_copy_that_forgot_does_not_vote",
           Edit(Replica._on_recall, _RECALLED,
                "self.promise = self.promise._replace(recall=body.match)")),
    mutant("recall ends at once", "any APPEND makes a copy whole",
           "a_copy_that_forgot_does_not_count",
           Edit(Replica._is_whole, "if match < self.promise.forgot:", "if False:")),
    mutant("recall ends with a term", "the next promise forgets that it forgot",
           "a_copy_that_forgot_does_not_vote",
           Edit(Replica._promise, _RECALL_KEPT, "Promise(term, boot_id, 0)")),
    mutant("false memory loss", "a NAK that was overtaken is counted as a lying disk",
           "an_overtaken_refusal_is_no_loss_of_memory",
           Edit(Replica._on_nak, "progress.counts = False",
                "progress.counts = False\n        self.amnesia_total += 1")),
    # --- members
    mutant("activation skipped", "new members commit before the record says so",
           "nothing_is_committed_before_activation",
           Edit(Replica._advance, _ABLE, "if True:")),
    mutant("activation by a late answer", "an answer for an earlier term activates this one",
           "a_late_answer_activates_nothing_else",
           Edit(Replica.cas_answered, "if not ok and self.role is Role.ACTIVATING:",
                "if ok and self.role is Role.ACTIVATING:\n        self._become_active(now_ms)\n"
                "    elif self.role is Role.ACTIVATING:")),
    mutant("failed activation", "a leader goes on though its activation failed",
           "an_activation_is_tied_to_the_revision",
           Edit(Replica.cas_answered, "self.step_down()", "self._become_active(now_ms)")),
    mutant("prev always moves", "a configuration that was never activated becomes the previous one",
           "an_unactivated_configuration_is_no_previous_one",
           Edit(next_leader, "moves = record.activated or set(record.members) == set(record.prev)",
                "moves = True")),
    mutant("prev never moves", "an activated configuration is forgotten",
           "a_lone_copy_is_enough_for_itself",
           Edit(next_leader, "moves = record.activated or set(record.members) == set(record.prev)",
                "moves = False")),
    mutant("lone copy activated", "a lone copy that has nothing yet is activated at once",
           "a_lone_copy_without_the_log_is_not_activated",
           Edit(next_leader, "len(members) == 1 and members == prev", "len(members) == 1")),
    mutant("term stands still", "two leaders get one term",
           "a_newer_record_ends_a_leader",
           Edit(next_leader, "term=record.term + 1", "term=max(1, record.term)")),
    mutant("dropped learner", "a learner that left the record is still served",
           "a_learner_that_is_dropped_hears_no_more",
           Edit(Replica._take_record, "del self._progress[gone]", "pass")),
    mutant("learner never served", "a learner of a running term hears nothing",
           "a_learner_becomes_a_member",
           Edit(Replica._take_record, "for new in sorted(wanted - self._progress.keys()):",
                "for new in ():")),
    # --- snapshots
    mutant("late APPEND below the base", "an APPEND that begins before the log does stops the copy",
           "a_late_append_below_the_base_is_harmless",
           Edit(Replica._accept, "if prev_index < log.base:", "if False:")),
    mutant("offer without promise", "a copy that knows an older term only ignores the offer",
           "an_offer_promises_as_an_append_does",
           Edit(Replica._on_offer, "if term > self.promise.term:",
                "if term != self.promise.term:\n        return\n    if False:")),
    mutant("offer taken by all", "an old offer empties a copy that lacks nothing",
           "a_copy_that_has_the_base_is_not_emptied",
           Edit(Replica._on_offer, "if self._has(body.base, body.base_chain):", "if False:")),
    mutant("snapshot forgets the promise", "what replaces a copy replaces its promise",
           "a_snapshot_leaves_the_promise",
           Edit(Replica._clear, "self.promise._replace(recall=self.promise.recall | EMPTIED)",
                "Promise(0, 0, EMPTIED)")),
    mutant("half a snapshot counts", "a copy that is being replaced counts",
           "half_a_snapshot_does_not_count",
           Edit(Replica._clear, "self.promise.recall | EMPTIED", "self.promise.recall")),
    mutant("half a snapshot is kept", "a log from its first entry on follows half a snapshot",
           "half_a_snapshot_is_deleted_before_the_log_begins_anew",
           Edit(Replica._accept, "self._clear()", "pass")),
    mutant("never whole again", "a copy that was emptied and has the whole log never counts again",
           "half_a_snapshot_is_deleted_before_the_log_begins_anew",
           Edit(Replica._is_whole, _WHOLE,
                "return not is_emptied")),
    mutant("whole too early", "an emptied copy counts with its first entries",
           "an_emptied_copy_counts_when_it_is_whole",
           Edit(Replica._is_whole, _WHOLE,
                "return True")),
    mutant("end of a snapshot not said", "the leader learns by a time-out that a copy is whole",
           "who_lacks_more_than_the_log_gets_a_snapshot",
           Edit(Replica.finish_install, "self._say_end(source)", "pass")),
    mutant("snapshot heals memory", "a copy that forgot something counts with any snapshot",
           "a_snapshot_below_what_was_forgotten_is_not_enough",
           Edit(Replica.finish_install, "forgot if base < forgot else 0", "0")),
    mutant("dead source kept", "an offer of the leader does not replace a source that is gone",
           "a_leader_takes_over_from_a_source_that_is_gone",
           Edit(Replica._on_offer, "if sender == self.install_from or", "if self.install_from or")),
    mutant("silent while replaced", "the leader does not learn that a copy is being replaced",
           "a_leader_takes_over_from_a_source_that_is_gone",
           Edit(Replica._on_append, "if sender == self.install_from:", "if True:")),
    mutant("waits for a dead source", "whole entries are refused while a snapshot is awaited",
           "a_whole_log_is_better_than_a_snapshot_that_broke_off",
           Edit(Replica._on_append, "if body.prev_index or not body.entries:", "if True:")),
    mutant("leader's tail during a snapshot", "a leader takes entries while it is being replaced",
           "a_leader_takes_no_tail_while_it_is_replaced",
           Edit(Replica._on_tail, "if self.install_from:", "if False:")),
    mutant("what was about to be said", "an emptied copy acknowledges what it had",
           "an_emptied_copy_says_nothing_of_what_it_had",
           Edit(Replica._clear, "self._after.clear()", "pass")),
    mutant("trimmed by the leader alone", "a leader reads what it has trimmed",
           "who_lacks_more_than_the_log_gets_a_snapshot",
           Edit(Replica._send_entries, "if progress.next <= self.log.base:", "if False:")),
    mutant("base not stored", "after a restart the log begins at its first entry",
           "a_trimmed_log_survives_a_restart",
           Edit(SlotLog._begin_behind, "return [(Family.META, keys.log_base(self._slot), row)]",
                "return []")),
    # --- reads that may not be stale
    mutant("confirmed by whoever is asked", "a copy that follows another leader says yes",
           "a_deposed_leader_answers_no_linear_read",
           Edit(Replica._on_confirm, "if self._is_stale(sender, term, body.boot_id) or",
                "if")),
    mutant("confirmed without asking", "a leader reads what it has",
           "a_deposed_leader_answers_no_linear_read",
           Edit(Replica._count_confirms, "needed = _majority(members)", "needed = 1")),
    mutant("confirmed by an earlier round", "any answer is one to the newest question",
           "an_answer_of_an_earlier_round_confirms_nothing",
           Edit(Replica._on_confirmed, "max(self._confirms.get(sender, 0), body.n)",
                "self.asked_n")),
    mutant("confirmed by a minority", "one other copy is enough",
           "one_other_copy_of_five_confirms_nothing",
           Edit(Replica._count_confirms, "needed = _majority(members)",
                "needed = min(2, len(members))")),
    mutant("confirmed by who forgot", "a copy with holes is asked and counted",
           "a_copy_that_forgot_confirms_nothing",
           Edit(Replica._on_confirm, " or self.promise.recall", "")),
    mutant("question not repeated", "a lost question is lost for ever",
           "a_lost_question_is_asked_again",
           Edit(Replica.tick, "self._send_confirms()", "pass")),
    # --- around the log
    mutant("deleted by a stale map", "what was promised since does not count",
           "a_stale_map_deletes_nothing",
           Edit(is_given_up, "record.term >= promised_term and", "")),
    mutant("well at once", "a node is given its slots back after each stall",
           "a_stalled_node_is_replaced_once",
           Edit(Gray.look, "now_ms - self._ill_ms >= WELL_MS", "True")),
    mutant("impatient router", "each request is sent again every moment",
           "silence_is_no_reason_for_a_storm",
           Edit(Relay._send, "SILENCE_MS << min(request.attempts, 4)", "BUCKET_MS")),
    mutant("contact from the answer", "a lease counts from when the answer came",
           "contact_is_as_old_as_the_question",
           Edit(Beats.heard, "peer.contact_ms = peer.sent.popleft()[1]",
                "peer.contact_ms = (peer.sent.popleft(), now_ms)[1]")),
    mutant("answers dropped by the clock", "each copy ends an hour when its own clock says so",
           "an_hour_of_answers_ends_by_an_entry",
           Edit(SlotMeta.after, "entry.number if moves_floor else self.dedup_floor",
                "self.dedup_floor")),
    # --- failures
    mutant("waiters forgotten", "a deposed leader says nothing to those who wait",
           "a_newer_record_ends_a_leader",
           Edit(Replica._end_leadership, "self._machine.retired()", "pass")),
    mutant("failed copy promises", "a process whose disk failed takes part",
           "a_failed_disk_is_not_asked_again",
           Edit(Replica.receive, "if self.role is Role.FAILED:", "if False:"),
           Edit(Replica.persisted, "if self.role is _FAILED:", "if False:")),
    mutant("failed copy is led on", "a process whose disk failed leads again",
           "a_failed_disk_is_not_asked_again",
           Edit(Replica.follow, " or self.role is Role.FAILED", "")),
    # --- the twin of the slot's machine
    mutant("twin: retry answered from pending", "a retry is acknowledged before its entry",
           "a_retry_waits_with_the_first_attempt",
           Edit(Machine.submit, "pending.waiters.append(waiter)",
                "self.results.append((waiter, pending.line.seq))")),
    mutant("twin: retry stored twice", "there is no look at what is pending",
           "a_retry_waits_with_the_first_attempt",
           Edit(Machine.submit, "self._in_flight.get(cmid)", "None")),
    mutant("twin: retry swallowed", "what was cut off is still waited for",
           "a_message_that_was_cut_off_is_stored_anew",
           Edit(Machine.retired, "self._in_flight.clear()", "pass")),
    mutant("twin: seq not rolled back", "a seq is used up by an entry that was cut off",
           "a_message_that_was_cut_off_is_stored_anew",
           Edit(Machine._pend, "self._pending.append(pending)",
                "self._pending.append(pending)\n    self.heads[line.stream] = line.seq")),
    mutant("twin: no answer is a refusal", "a deposed leader says that the message failed",
           "a_lost_leader_says_that_nobody_knows",
           Edit(Machine.retired, "(w, UNKNOWN)", "(w, -3)")),
    mutant("twin: acknowledged at once", "the answer does not wait for the commit",
           "nothing_is_shown_before_it_is_committed",
           Edit(Machine.submit, "self._pend(line).waiters.append(waiter)",
                "self._pend(line)\n    self.results.append((waiter, line.seq))")),
    mutant("twin: pending is not rebuilt", "a new leader does not know what its log holds",
           "a_retry_at_the_next_leader_finds_the_first_attempt",
           Edit(Machine.lead, "self._pend(line_of(logged.value))", "pass"),
           Edit(Machine.committed, "self._apply(upto)", "self.applied = upto")),
    # --- the driver
    mutant("driver: blind CAS", "the coordinator does not compare revisions",
           "storms:0",
           Edit(Coordinator._swap, "done = revision == self.state.revision", "done = True")),
    mutant("driver: boot id kept", "a restarted process has the boot id of the last one",
           "a_new_process_does_not_take_the_term_of_the_old_one",
           Edit(Node.start, "self.boot_id = cluster.boots * 16 + self.number",
                "self.boot_id = 16 + self.number")),
    mutant("driver: disk keeps its name", "a wiped disk is taken for the copy that it was",
           "a_wiped_disk_is_another_copy",
           Edit(Node.replace_disk, "self.disk, self.storage = disk, storage", "self.disk = disk")),
    mutant("driver: promise deleted", "a deleted copy forgets what it promised",
           "snapshots:2",
           Edit(Node.forget_slot, "ops = self.machine.wipe()",
                "ops = self.machine.wipe()\n"
                "    self.disk.store._values[0].pop(bytes((112, 0, 0)), 0)")),
)  # fmt: skip


def named(name: str) -> Mutant:
    """The mutant of that name. Raises KeyError."""
    found = {one.name: one for one in MUTANTS}
    return found[name]


def is_caught(one: Mutant, by: str) -> bool:
    """Whether a scenario, or profile:seed, finds it."""
    with planted(one.edits):
        if ":" in by:
            profile, seed = by.split(":")
            return bool(run_seed(int(seed), profile).rule)
        return not _passes(by)


def _passes(scenario: str) -> bool:
    act = PLAYS[scenario].act
    try:
        act()
    except Exception:  # noqa: BLE001  (a planted bug may break anything)
        return False
    return True


def search(one: Mutant, seeds: int = SEEDS_MAX) -> Iterator[tuple[int, str]]:
    """(seeds tried, profile:seed) of runs that find it, all profiles in turn."""
    names = [name for name in PROFILES if name != "lying"]
    with planted(one.edits):
        for n in range(seeds):
            by = f"{names[n % len(names)]}:{n // len(names)}"
            profile, seed = by.split(":")
            if run_seed(int(seed), profile).rule:
                yield n + 1, by


def main(words: Sequence[str]) -> int:
    """The command; 1 if a mutant survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.mutants")
    parser.add_argument("--search", metavar="NAME", help="look for a seed that finds it")
    parser.add_argument("--matrix", metavar="NAME", help="which scenarios find it")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX)
    asked = parser.parse_args(words)
    if asked.search:
        found = next(search(named(asked.search), asked.seeds), None)
        print(f"{asked.search}: {found or 'survived'}")
        return int(found is None)
    if asked.matrix:
        one = named(asked.matrix)
        print(*[name for name in PLAYS if is_caught(one, name)] or ["none"], sep="\n")
        return 0
    return _replay_all()


def _replay_all() -> int:
    began = perf_counter()
    survivors = [one for one in MUTANTS if not is_caught(one, one.caught)]
    for one in survivors:
        print(f"survived: {one.name} ({one.breaks}), said to be caught by {one.caught}")
    caught = len(MUTANTS) - len(survivors)
    print(f"{caught} of {len(MUTANTS)} mutants caught in {perf_counter() - began:.1f} s")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
