//! What goes wrong: people who vanish, news that is lost, strays, and ends.

use cordboard_core::{
    call::{Call, EndWhy, LegState, Place},
    ids::{CallId, ConferenceSid, Emergency},
    machine::{
        By, Context, Effect, Fact, Intent, LegSeen, LegStatus, PhonePage, Reading, RoomSeen,
    },
    policy::{self, Act, Actor, Standing},
};

use super::{ADA, GRACE, MARY, park, queued, ringing, send, send_out, talking};
use crate::{
    carrier::Line,
    world::{World, sid},
};

fn another_room() -> ConferenceSid {
    format!("CF{:032x}", 0xbad)
        .parse()
        .expect("a ConferenceSid")
}

#[test]
fn a_page_that_vanishes_does_not_take_the_caller_along() {
    // By the leg's end, and by the page's silence.
    let story = talking()
        .hangs_up(1)
        .settle()
        .rings_for(&[ADA], "reconnect");
    assert!(story.held());
    story
        .does(ADA, Intent::Answer)
        .settle()
        .is("talking")
        .with(&[ADA]);
    let story = talking()
        .page(ADA, PhonePage::Unreachable)
        .settle()
        .rings_for(&[super::BOB], "returned");
    assert!(story.held() && !story.now().leg(1).unwrap().alive());
}

#[test]
fn a_telephone_that_leaves_has_hung_up() {
    let story = ringing(&[MARY])
        .picks_up(1)
        .presses(1)
        .settle()
        .is("talking");
    story
        .hangs_up(1)
        .settle()
        .ended(EndWhy::HungUp)
        .nobody_left();
}

#[test]
fn a_page_that_goes_while_it_rings_is_followed_by_the_telephone() {
    let mut story = queued();
    story.world.people.get_mut(&MARY).unwrap().page = PhonePage::Ready;
    let story = story
        .does(ADA, send(MARY))
        .settle()
        .page(MARY, PhonePage::Unreachable)
        .settle()
        .is("transferring");
    story
        .picks_up(1)
        .presses(1)
        .settle()
        .is("talking")
        .with(&[MARY]);
}

#[test]
fn the_end_of_a_page_is_not_the_end_of_a_claim_made_on_a_telephone() {
    let mut story = ringing(&[MARY]).picks_up(1);
    let sid = story.sid(1);
    story = story
        .hears(&Fact::Accepted { leg: 1, sid })
        .hears(&Fact::PageGone { user: MARY })
        .is("connecting");
    assert_eq!(story.now().claim.as_ref().map(|c| c.user), Some(MARY));
}

#[test]
fn a_caller_who_hangs_up_ends_it_wherever_it_is() {
    type Place = (&'static str, fn() -> super::Story, EndWhy);
    let places: [Place; 7] = [
        ("queued", queued, EndWhy::Abandoned),
        ("ringing", || ringing(&[ADA, MARY]), EndWhy::Abandoned),
        (
            "connecting",
            || queued().does(ADA, Intent::Answer),
            EndWhy::Abandoned,
        ),
        ("talking", talking, EndWhy::CallerLeft),
        (
            "held",
            || talking().does(ADA, Intent::Hold).settle(),
            EndWhy::CallerLeft,
        ),
        (
            "parked",
            || talking().does(ADA, park(1)).settle(),
            EndWhy::CallerLeft,
        ),
        (
            "transferring",
            || talking().does(ADA, send_out()).settle(),
            EndWhy::CallerLeft,
        ),
    ];
    for (kind, story, how) in places {
        story()
            .is(kind)
            .hangs_up(0)
            .settle()
            .ended(how)
            .nobody_left()
            .cannot(ADA, Intent::Answer, "That call is over.");
    }
}

#[test]
fn what_turns_up_after_the_end_is_hung_up() {
    // A telephone whose dial was under way, and whose answer was lost.
    let story = talking().does(ADA, send_out()).performs(
        |e| matches!(e, Effect::Invite { .. }),
        crate::carrier::Luck::Deaf,
    );
    let story = story.hangs_up(0);
    let mut story = story;
    let (known, lost): (Vec<_>, Vec<_>) = story
        .world
        .inbox
        .drain(..)
        .partition(|(_, f, _)| !matches!(f, Fact::Rang { .. }));
    for (id, fact, at) in known {
        story.world.report(id, &fact, at);
    }
    let mut story = story.settle().ended(EndWhy::CallerLeft);
    for (id, fact, at) in lost {
        story.world.report(id, &fact, at);
    }
    story.settle().nobody_left().comes_to_rest();
}

#[test]
fn a_leg_that_was_given_up_and_lives_is_hung_up() {
    // Ada's claim lapses before her page has connected; then it does.
    let mut story = queued().does(ADA, Intent::Answer);
    story.world.people.get_mut(&ADA).unwrap().page = PhonePage::Unknown;
    let story = story.pass(4_000).is("queued");
    assert_eq!(story.now().leg(1).unwrap().state(), LegState::Gone);
    let story = story.hears(&Fact::Fetched {
        leg: 1,
        sid: sid(77),
    });
    assert_eq!(story.asked(|e| *e == Effect::HangUp { sid: sid(77) }), 1);
}

#[test]
fn strays_are_hung_up() {
    // A second connection that says it is Ada's leg.
    let story = talking().hears(&Fact::Fetched {
        leg: 1,
        sid: sid(77),
    });
    assert_eq!(story.asked(|e| *e == Effect::HangUp { sid: sid(77) }), 1);
    story.is("talking").with(&[ADA]);
    // Her page went into another life of the room.
    let mut story = queued().does(ADA, Intent::Answer);
    let fact = Fact::Joined {
        leg: 1,
        sid: sid(77),
        room: another_room(),
    };
    story = story.hears(&fact).is("queued");
    assert_eq!(story.asked(|e| *e == Effect::HangUp { sid: sid(77) }), 1);
}

#[test]
fn a_room_that_is_over_ends_its_call() {
    let story = talking();
    let room = story.now().room_sid().unwrap().clone();
    story
        .hears(&Fact::RoomEnded { room, by: None })
        .ended(EndWhy::CallerLeft);
    // The same by asking: nobody was told anything.
    let mut story = talking().hangs_up(0);
    story.world.inbox.clear();
    let reading = story.world.read(story.call);
    assert!(matches!(reading.room, RoomSeen::Over { .. }));
    story
        .hears(&Fact::Read(reading))
        .settle()
        .ended(EndWhy::CallerLeft)
        .nobody_left();
}

#[test]
fn whoever_left_first_has_hung_up() {
    let outside = || {
        let story = talking().does(ADA, send_out()).settle().picks_up(2);
        story.settle().is("talking").with(&[])
    };
    for (who, how) in [(0, EndWhy::CallerLeft), (2, EndWhy::HungUp)] {
        let story = outside().hangs_up(who);
        let told = story.world.inbox.len();
        // Both leave with the room, and any piece of that news may come first, or alone.
        for first in 0..told {
            for only in [false, true] {
                let mut story = outside().hangs_up(who);
                let news = story.world.inbox.remove(first);
                if only {
                    story.world.inbox = vec![news];
                } else {
                    story.world.inbox.insert(0, news);
                }
                story
                    .settle()
                    .pass(2_000)
                    .ended(how)
                    .comes_to_rest()
                    .nobody_left();
            }
        }
    }
}

#[test]
fn a_call_that_one_of_us_ends_was_not_ended_by_the_caller() {
    talking()
        .does(ADA, Intent::Hangup)
        .settle()
        .ended(EndWhy::HungUp);
}

#[test]
fn a_call_for_help_is_left_alone_until_its_caller_ends_it() {
    let world = World::new();
    let number = Emergency::recognise("911").unwrap();
    let id = CallId::from_bits(911);
    let help = Call::help(id, ADA, sid(77), number, &world.context(None));
    assert_eq!((help.effects, help.fault), (Vec::new(), None));
    let call = help.call;
    // Neither time, nor a silent page, nor a read that finds no room: the connection may well live on.
    let reading = Reading {
        rev: call.rev,
        sent: call.since.plus(60_000),
        room: RoomSeen::None,
        legs: vec![LegSeen {
            n: 1,
            sid: sid(77),
            status: LegStatus::Up,
            in_room: None,
        }],
    };
    let ctx = Context {
        now: call.since.plus(600_000),
        ..world.context(None)
    };
    for fact in [
        Fact::Clock,
        Fact::PageGone { user: ADA },
        Fact::Read(reading),
    ] {
        let step = call.observe(&fact, ctx.now, &ctx);
        assert_eq!(step.call.place, Place::Dialling { user: ADA }, "{fact:?}");
        assert_eq!(step.effects, Vec::new(), "{fact:?}");
    }
    assert_eq!(call.due(), None);
    let may = |user, intent: &Intent| {
        let actor = Actor::of(user, policy::Role::Operator);
        policy::may(actor, Act::Call(intent, Standing::of(user, &call))).is_ok()
    };
    for intent in [park(1), send(GRACE), Intent::Hold, Intent::Hangup] {
        assert!(!may(GRACE, &intent), "{intent:?}");
        assert_eq!(may(ADA, &intent), intent == Intent::Hangup, "{intent:?}");
    }
    // By hand, or because the connection is over.
    let by = By {
        user: ADA,
        command: None,
    };
    let step = call.command(&by, &Intent::Hangup, &ctx).unwrap();
    assert_eq!(step.effects, vec![Effect::HangUp { sid: sid(77) }]);
    let over = Fact::Over {
        leg: 1,
        sid: Some(sid(77)),
        outcome: None,
    };
    let step = call.observe(&over, ctx.now, &ctx);
    let why = EndWhy::HungUp;
    assert_eq!(step.call.place, Place::Ended { why });
    step.call.check().unwrap();
}

#[test]
fn lost_news_is_found_by_looking() {
    // Each single piece of news of a call's life is lost in turn; time and reads repair it.
    for lost in 0..24 {
        let mut story = queued();
        let mut told = 0;
        for step in 0..4 {
            story = match step {
                0 => story.does(ADA, Intent::Answer),
                1 if story.kind() == "talking" => story.does(ADA, send(GRACE)),
                2 if story.kind() == "transferring" => story.does(GRACE, Intent::Answer),
                3 => story.hangs_up(0),
                _ => story,
            };
            // As `settle`, except that one piece of news gets lost.
            for _ in 0..200 {
                if !story.world.inbox.is_empty() {
                    let (id, fact, at) = story.world.inbox.remove(0);
                    told += 1;
                    if told - 1 != lost {
                        story.world.report(id, &fact, at);
                    }
                } else if !story.world.outbox.is_empty() {
                    story.world.perform(0, crate::carrier::Luck::Good);
                } else {
                    story.world.connect(ADA);
                    story.world.connect(GRACE);
                    if story.world.inbox.is_empty() && story.world.outbox.is_empty() {
                        break;
                    }
                }
            }
        }
        let story = story.comes_to_rest();
        assert!(
            story.now().ended(),
            "without piece {lost}: {:#?}",
            story.now()
        );
        story.nobody_left();
    }
}

#[test]
fn a_read_does_not_overrule_what_came_after_its_question() {
    // Asked before the hold, answered after it was confirmed.
    let mut story = talking();
    let reading = story.world.read(story.call);
    story = story.does(ADA, Intent::Hold).settle().is("held");
    let story = story.hears(&Fact::Read(reading)).is("held");
    assert_eq!(story.asked(|e| matches!(e, Effect::Set { .. })), 0);
}

#[test]
fn a_leg_that_does_not_go_is_told_again() {
    let mut story = talking().does(ADA, park(1));
    // The hold is confirmed, and the request to hang up vanishes.
    story = story.performs(
        |e| matches!(e, Effect::Set { .. }),
        crate::carrier::Luck::Good,
    );
    let (id, fact, at) = story.world.inbox.remove(0);
    story.world.report(id, &fact, at);
    assert_eq!(story.asked(|e| matches!(e, Effect::HangUp { .. })), 1);
    story.world.outbox.clear();
    let story = story.pass(5_000);
    assert_eq!(story.world.wires[&story.sid(1)].state, Line::Over);
}

#[test]
fn a_read_confirms_only_what_it_can_tell_apart() {
    let held = talking().does(ADA, Intent::Hold);
    // One wish outstanding: the caller is held, so it was done.
    let story = held.performs(
        |e| matches!(e, Effect::Set { .. }),
        crate::carrier::Luck::Deaf,
    );
    let reading = story.world.read(story.call);
    let story = story.hears(&Fact::Read(reading)).is("held").settle();
    // Two: they are held still, or again. Nobody can tell, so it is asked for once more.
    let mut story = story.does(ADA, Intent::Resume).does(ADA, Intent::Hold);
    story.world.outbox.clear();
    let reading = story.world.read(story.call);
    let story = story.hears(&Fact::Read(reading)).is("holding");
    assert_eq!(story.asked(|e| matches!(e, Effect::Set { .. })), 1);
    story.settle().is("held");
}

#[test]
fn a_page_that_came_back_to_a_held_caller_talked_to_them_only_from_the_resume_on() {
    // The carrier tells joins to the second: this one as half a second before the page had fetched its document,
    // while the caller was not on hold yet.
    let mut call = talking()
        .does(ADA, send(GRACE))
        .settle()
        .does(ADA, Intent::TakeBack)
        .settle()
        .is("talking")
        .now()
        .clone();
    let before = call.talks();
    assert_eq!(before.len(), 2, "{before:?}");
    let back = call.legs.last_mut().unwrap();
    let held = before[0].to.unwrap();
    assert!(back.picked_up.unwrap() > held, "{call:#?}");
    back.joined = Some(held.plus(-400));
    assert_eq!(call.talks(), before, "{call:#?}");
}
