//! What is held against what, when the storm is over: our calls against the carrier's own account of them.
//!
//! A complaint is a sentence; those about a call are followed by its story, as its script, the carrier and we
//! tell it. The carrier tells who heard whom as it was, in milliseconds, once for each direction; we tell who
//! talked with the customer from what we were told, in whole seconds where that is all the carrier says. The two
//! must be the same to a second ([`agree`]).

use std::collections::{BTreeMap, BTreeSet};

use cordboard_core::{
    board::Board,
    call::{Call, EndWhy, Place},
    ids::Timestamp,
    machine::Finish,
};
use cordboard_server::store::Outcome;
use cordboard_tests::follower::{locked, until};
use cordboard_twin::{Hearing, HearingInterval, HearsInterval};
use serde_json::Value;

use super::{Deed, Plot, Storm, Story};

/// How far the ends of a talk may lie apart, and how long a talk or a pause must last to count; in milliseconds
/// of the clock.
const NEAR_MS: i64 = 1_000;
/// The end of what has not ended.
const FOREVER: i64 = i64::MAX / 4;
/// How long a caller may hear nothing while nobody is with them, in milliseconds of the clock.
const SILENCE_MS: i64 = 5_000;
/// How many stories are told in full.
const TOLD: usize = 4;

/// The carrier's account.
struct Account {
    calls: BTreeMap<String, Value>,
    hears: Vec<HearsInterval>,
    hearing: Vec<HearingInterval>,
    requests: Vec<Value>,
}

type Piece = (i64, i64);

/// Everything that is wrong; nothing, if all is well.
pub(super) async fn of(storm: &Storm, rest: Result<(), String>) -> Vec<String> {
    let log = storm.control.log().await.unwrap();
    let read = |key: &str| log[key].clone();
    let account = Account {
        calls: log["calls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| (c["call_sid"].as_str().unwrap().to_owned(), c.clone()))
            .collect(),
        hears: serde_json::from_value(read("hears")).unwrap(),
        hearing: serde_json::from_value(read("hearing")).unwrap(),
        requests: storm.control.requests().await.unwrap()["rest"]
            .as_array()
            .unwrap()
            .clone(),
    };
    let mut wrong: Vec<String> = rest.err().into_iter().collect();
    let mut told = 0;
    for story in &storm.stories {
        let id = locked(&story.told).id;
        let call = match id {
            Some(id) => storm.desk.server.exchange.store().load(id).await.unwrap(),
            None => None,
        };
        let complaints = of_call(story, call.as_ref(), &account);
        if complaints.is_empty() {
            continue;
        }
        wrong.push(format!("call {} ({:?}):", story.n, story.plot));
        wrong.extend(complaints.into_iter().map(|c| format!("  {c}")));
        told += 1;
        if told <= TOLD {
            wrong.push(tell(storm, story, call.as_ref(), &account).await);
        }
    }
    wrong.extend(of_plots(storm, &account));
    wrong.extend(of_dials(&account));
    wrong.extend(of_commands(storm).await);
    wrong.extend(of_boards(storm).await);
    wrong
}

/// One call: how it ended, who talked to whom, and what the caller heard.
fn of_call(story: &Story, call: Option<&Call>, account: &Account) -> Vec<String> {
    let mut wrong = Vec::new();
    let told = locked(&story.told);
    wrong.extend(
        told.stuck
            .iter()
            .map(|why| format!("its plot is stuck: {why}")),
    );
    let (Some(call), Some(theirs)) = (call, account.calls.get(&told.sid)) else {
        wrong.push("we or the carrier do not know it".to_owned());
        return wrong;
    };
    wrong.extend(call.check().err());
    let heard = theirs["heard_person"].as_i64();
    if heard.is_some() != call.answered.is_some() {
        wrong.push(format!(
            "the carrier says it was answered at {heard:?}, we say {:?}",
            call.answered
        ));
    }
    if let Place::Ended { why } = call.place
        && told.end.is_some_and(|end| end != why)
    {
        wrong.push(format!("it ended by {:?}, we say {why:?}", told.end));
    }
    if !call.ended() || theirs["ended"].is_null() {
        wrong.push(format!(
            "it is not over: the carrier says {}, we say {:?}",
            theirs["status"], call.place
        ));
    }
    for leg in &call.legs {
        let ours = pieces(
            call.talks()
                .iter()
                .filter(|t| t.leg.n == leg.n)
                .map(|t| (t.from, t.to)),
        );
        let Some(sid) = leg.sid.as_ref().map(ToString::to_string) else {
            if ours.iter().any(|(from, to)| to - from >= NEAR_MS) {
                wrong.push(format!("leg {} talked, and has no connection", leg.n));
            }
            continue;
        };
        for (listener, speaker) in [(&told.sid, &sid), (&sid, &told.sid)] {
            let theirs = pieces(
                account
                    .hears
                    .iter()
                    .filter(|h| h.listener_sid == *listener && h.speaker_sid == *speaker)
                    .map(|h| (stamp(h.from), h.to.map(stamp))),
            );
            // A connection that came back is several of our legs.
            let same_sid = call.legs.iter().filter(|l| l.sid == leg.sid).count();
            if same_sid == 1 && !agree(&ours, &theirs) {
                wrong.push(format!(
                    "leg {} ({:?}): {listener} heard {speaker} {}, we say {}",
                    leg.n,
                    leg.role,
                    spell(&theirs),
                    spell(&ours)
                ));
            }
        }
    }
    // And whoever we know nothing of.
    let ours: BTreeSet<String> = call
        .legs
        .iter()
        .filter_map(|l| l.sid.as_ref().map(ToString::to_string))
        .collect();
    for h in account.hears.iter().filter(|h| h.listener_sid == told.sid) {
        let long = h.to.is_none_or(|to| to - h.from > NEAR_MS);
        if long && !ours.contains(&h.speaker_sid) {
            wrong.push(format!(
                "they heard {} ({}), who is no leg of ours",
                h.speaker, h.speaker_sid
            ));
        }
    }
    for (from, to) in silences(&told.sid, account) {
        wrong.push(format!("alone in silence from {from} for {} ms", to - from));
    }
    wrong
}

fn stamp(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// In order, what overlaps or touches as one.
fn pieces(intervals: impl Iterator<Item = (Timestamp, Option<Timestamp>)>) -> Vec<Piece> {
    joined(intervals.map(|(from, to)| (from.millis(), to.map_or(FOREVER, Timestamp::millis))))
}

fn joined(pieces: impl Iterator<Item = Piece>) -> Vec<Piece> {
    let mut all: Vec<Piece> = pieces.collect();
    all.sort_unstable();
    let mut joined: Vec<Piece> = Vec::new();
    for (from, to) in all {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// Whether two accounts are the same to a second: whatever lasts a second or longer in the one, a talk or a
/// pause, is in the other within a second. Shorter ones may be missing: the carrier tells whole seconds.
fn agree(ours: &[Piece], theirs: &[Piece]) -> bool {
    let known = |of: &[Piece], to: &[Piece]| {
        let wide = joined(to.iter().map(|(a, b)| (a - NEAR_MS, b + NEAR_MS)));
        let within = |(from, to): &Piece| wide.iter().any(|w| w.0 <= *from && *to <= w.1);
        of.iter().filter(|(a, b)| b - a >= NEAR_MS).all(within)
    };
    let pauses = |of: &[Piece]| {
        let ends = [-FOREVER].into_iter().chain(of.iter().map(|p| p.1));
        let begins = of.iter().map(|p| p.0).chain([FOREVER]);
        ends.zip(begins).collect::<Vec<Piece>>()
    };
    let (silent, quiet) = (pauses(ours), pauses(theirs));
    known(ours, theirs) && known(theirs, ours) && known(&silent, &quiet) && known(&quiet, &silent)
}

fn spell(pieces: &[Piece]) -> String {
    let all: Vec<String> = pieces
        .iter()
        .map(|(from, to)| format!("{from} to {to}"))
        .collect();
    if all.is_empty() {
        "never".to_owned()
    } else {
        all.join(", ")
    }
}

/// When a caller, alone, heard nothing for too long.
fn silences(sid: &str, account: &Account) -> Vec<Piece> {
    let silent = account
        .hearing
        .iter()
        .filter(|h| h.call_sid == sid && h.alone && h.hearing == Hearing::Silence)
        .map(|h| (h.from, h.to.unwrap_or(h.from)));
    let mut silent = joined(silent);
    silent.retain(|(from, to)| to - from > SILENCE_MS);
    silent
}

/// Whether enough came of the plots for the storm to prove anything.
fn of_plots(storm: &Storm, account: &Account) -> Vec<String> {
    let mut done: BTreeMap<Deed, usize> = BTreeMap::new();
    let mut served = 0;
    for story in &storm.stories {
        let told = locked(&story.told);
        for deed in &told.deeds {
            *done.entry(*deed).or_default() += 1;
        }
        let heard = account
            .calls
            .get(&told.sid)
            .is_some_and(|c| !c["heard_person"].is_null());
        served += usize::from(
            heard || told.end == Some(EndWhy::Abandoned) && story.plot == Plot::Abandon,
        );
    }
    let all = storm.stories.len();
    let mut wrong = Vec::new();
    if served * 10 < all * 9 {
        wrong.push(format!(
            "of {all} callers only {served} reached a person or chose to leave"
        ));
    }
    for deed in [
        Deed::Answered,
        Deed::Parked,
        Deed::Retrieved,
        Deed::Transferred,
        Deed::Returned,
        Deed::Abandoned,
    ] {
        let n = done.get(&deed).copied().unwrap_or_default();
        if n * 10 < all {
            wrong.push(format!(
                "only {n} of {all} calls were {deed:?}: that proves little"
            ));
        }
    }
    wrong
}

/// No leg is dialled twice, however its answer was lost. Refused for being too many (429) is not dialled.
fn of_dials(account: &Account) -> Vec<String> {
    let mut dials: BTreeMap<String, usize> = BTreeMap::new();
    for r in &account.requests {
        let path = r["path"].as_str().unwrap_or_default();
        let dial = path.ends_with("/Calls.json") || path.ends_with("/Participants.json");
        if r["method"] != "POST" || !dial || r["status"].as_u64().is_none_or(|s| s >= 300) {
            continue;
        }
        let params = &r["params"];
        let label = params["Label"].as_str().or(params["Url"].as_str());
        *dials.entry(label.unwrap_or("?").to_owned()).or_default() += 1;
    }
    dials
        .into_iter()
        .filter(|(_, n)| *n > 1)
        .map(|(leg, n)| format!("{leg} was dialled {n} times"))
        .collect()
}

/// Every accepted command has ended, exactly once, and as it is kept.
async fn of_commands(storm: &Storm) -> Vec<String> {
    let store = storm.desk.server.exchange.store();
    let mut ends: BTreeMap<String, Vec<Finish>> = BTreeMap::new();
    for end in locked(&storm.ended).iter() {
        ends.entry(end.command.to_string())
            .or_default()
            .push(end.result.clone());
    }
    let accepted = locked(&storm.accepted).clone();
    let mut wrong = Vec::new();
    for (user, id) in &accepted {
        let kept = store.command(*user, id).await.unwrap().map(|r| r.outcome);
        let said = ends.get(id).and_then(|e| e.first());
        let same = match (&kept, said) {
            (Some(Outcome::Done), Some(Finish::Done))
            | (Some(Outcome::Unknown), Some(Finish::Unknown)) => true,
            (Some(Outcome::Failed(a)), Some(Finish::Failed(b))) => a == b,
            _ => false,
        };
        if !same {
            wrong.push(format!(
                "command {id} of {user}: kept as {kept:?}, told as {said:?}"
            ));
        }
    }
    // Those of the pages too, whose ids only the board's deltas tell.
    let mut all = storm.follower.seen().commands.clone();
    all.extend(accepted.into_iter().map(|(_, id)| id));
    for id in all {
        let n = ends.get(&id).map_or(0, Vec::len);
        if n != 1 {
            wrong.push(format!("command {id} ended {n} times: {:?}", ends.get(&id)));
        }
    }
    wrong
}

/// The board of a console that followed is the server's, and nobody lies in a slot.
async fn of_boards(storm: &Storm) -> Vec<String> {
    let server = || Board::new(storm.desk.server.exchange.live().board());
    let caught_up = || async {
        let seen = storm.follower.seen();
        (seen.board.rev == server().rev || !seen.wrong.is_empty()).then_some(())
    };
    let mut wrong = Vec::new();
    if until(&storm.clock, 30_000, caught_up).await.is_none() {
        wrong.push("the console has not caught up".to_owned());
    }
    let pages = storm.operators.iter().map(|o| (o.user, &o.phone));
    for (user, page) in pages.chain(storm.colleagues.iter().map(|(user, page)| (*user, page))) {
        if page.lost() > 0 {
            wrong.push(format!(
                "the page of {user} lost its server {} times",
                page.lost()
            ));
        }
    }
    let (server, seen) = (server(), storm.follower.seen());
    wrong.extend(seen.wrong.iter().map(|why| format!("the console: {why}")));
    if (seen.board.rev, seen.board.digest(), &seen.board.calls)
        != (server.rev, server.digest(), &server.calls)
    {
        wrong.push(format!(
            "the console's board differs: {:?} and {:?}",
            seen.board, server
        ));
    }
    wrong.extend(server.check().err());
    if !server.calls.is_empty() {
        wrong.push(format!("calls are left on the board: {:?}", server.calls));
    }
    if seen.snapshots == 0 || seen.deltas == 0 {
        wrong.push(format!(
            "the console saw {} snapshots and {} changes",
            seen.snapshots, seen.deltas
        ));
    }
    wrong
}

/// A call as its script, the carrier and we tell it.
async fn tell(storm: &Storm, story: &Story, call: Option<&Call>, account: &Account) -> String {
    let mut lines: Vec<(i64, String)> = locked(&story.told)
        .notes
        .iter()
        .map(|(at, what)| (*at, format!("script   {what}")))
        .collect();
    let sid = story.sid();
    for h in account
        .hears
        .iter()
        .filter(|h| h.listener_sid == sid || h.speaker_sid == sid)
    {
        let what = format!(
            "carrier  {} hears {} ({}) until {:?}",
            h.listener, h.speaker, h.speaker_sid, h.to
        );
        lines.push((h.from, what));
    }
    for h in account.hearing.iter().filter(|h| h.call_sid == sid) {
        let alone = if h.alone { ", alone" } else { "" };
        lines.push((
            h.from,
            format!("carrier  hears {:?}{alone} until {:?}", h.hearing, h.to),
        ));
    }
    let mut ours = String::from("    we do not know it");
    if let Some(call) = call {
        let audit = storm
            .desk
            .server
            .exchange
            .store()
            .recent_audit(100_000)
            .await
            .unwrap();
        for row in audit.iter().filter(|r| r.call == Some(call.id)) {
            let raw: String = row.raw.chars().take(420).collect();
            lines.push((
                row.at.millis(),
                format!("audit    {} {:?} {raw}", row.kind, row.actor),
            ));
        }
        let sids: Vec<String> = call
            .legs
            .iter()
            .filter_map(|l| l.sid.as_ref().map(ToString::to_string))
            .collect();
        let room = call.room_sid().map(ToString::to_string).unwrap_or_default();
        for r in &account.requests {
            let path = r["path"].as_str().unwrap_or_default();
            if r["method"] == "POST"
                && (sids.iter().any(|s| path.contains(s))
                    || (!room.is_empty() && path.contains(&room)))
            {
                let short: String = path.chars().skip(55).collect();
                let what = format!(
                    "request  {short} {} {} {}",
                    r["params"], r["status"], r["fault"]
                );
                let at = r["at"].as_str().and_then(|at| at.parse().ok());
                lines.push((at.map_or(0, Timestamp::millis), what));
            }
        }
        ours = format!("    {call:?}");
    }
    lines.sort_by_key(|(at, _)| *at);
    let mut text: Vec<String> = lines
        .into_iter()
        .map(|(at, what)| format!("    {at} {what}"))
        .collect();
    text.push(ours);
    text.push(format!(
        "    the carrier: {}",
        account.calls.get(&sid).unwrap_or(&Value::Null)
    ));
    text.join("\n")
}

#[test]
fn accounts_agree_to_a_second_and_no_further() {
    let same = |a: &[Piece], b: &[Piece]| {
        let there = agree(a, b);
        assert_eq!(there, agree(b, a), "{a:?} {b:?}");
        there
    };
    let talk = [(10_000, 20_000)];
    assert!(same(&[], &[]) && same(&talk, &talk));
    assert!(same(&talk, &[(10_900, 19_100)]) && same(&talk, &[(9_000, 21_000)]));
    assert!(!same(&talk, &[]), "a talk that the other knows nothing of");
    assert!(
        !same(&talk, &[(11_100, 20_000)]),
        "a beginning that is off by more"
    );
    assert!(
        !same(&talk, &[(10_000, 21_100)]),
        "an end that is off by more"
    );
    assert!(!same(&talk, &[(10_000, FOREVER)]), "an end that was missed");
    assert!(
        !same(&talk, &[(10_000, 14_000), (16_500, 20_000)]),
        "a pause that the other knows nothing of"
    );
    assert!(
        same(&talk, &[(10_000, 14_000), (14_600, 20_000)]),
        "too short a pause to count"
    );
    assert!(
        same(&[(1_000, 1_800), (10_000, 20_000)], &talk),
        "too short a talk to count"
    );
    assert!(
        same(&[(10_000, 11_250)], &[(10_050, 10_900)]),
        "a short talk, known as a shorter one"
    );
    assert!(
        !same(&[(10_000, 11_250)], &[]),
        "a talk just long enough to count"
    );
}
