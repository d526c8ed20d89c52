//! Chance acts on two or three calls: people want things, the carrier is slow, deaf and repetitive, time
//! passes. After every step the rules of `world.rs` hold; when everything has come to rest, every call is
//! somewhere sensible.

use std::collections::BTreeMap;

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::{
    plan::{ops, run},
    world::World,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 8 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold_and_everything_comes_to_rest(plan in prop::collection::vec(ops(), 1..120)) {
        let mut world = World::new();
        world.arrive(&[]);
        for op in &plan {
            run(&mut world, op);
        }
        world.quiesce();
        world.check_rest();
    }
}

/// Chance that never gets anywhere proves nothing: in 400 plans it reaches every place, effect, outcome, fact
/// and command.
#[test]
fn chance_gets_around() {
    let mut runner = TestRunner::deterministic();
    let plans = prop::collection::vec(ops(), 1..120);
    let mut seen = BTreeMap::<String, u32>::new();
    for _ in 0..400 {
        let mut world = World::new();
        world.seen = Some(BTreeMap::new());
        world.arrive(&[]);
        for op in &plans.new_tree(&mut runner).expect("a plan").current() {
            run(&mut world, op);
        }
        world.quiesce();
        for (what, n) in world.seen.expect("it counts") {
            *seen.entry(what).or_default() += n;
        }
    }
    let wanted = "place queued, place ringing, place dialling, place connecting, place talking, place holding, place held, place parking, \
        place parked, place transferring, place ended, effect Set, effect HangUp, effect Redirect, effect Dial, effect Invite, effect Cancel, \
        effect Look, outcome Done, outcome Failed, outcome Unknown, command Answer, command Decline, command Hold, command Resume, \
        command Park, command Retrieve, command Transfer, command TakeBack, command Hangup, command Dial, fact Accepted, fact Read, \
        fact RoomEnded, fact Joined ignored: ForeignRoom, fact Fetched ignored: ForeignSid, fact Unclear, fact PageGone, fact SignedOff";
    for what in wanted.split(", ") {
        let n = seen.get(what.trim()).copied().unwrap_or_default();
        assert!(n >= 2, "“{what}” happened {n} times in {seen:#?}");
    }
}
