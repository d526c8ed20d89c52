//! Holding, parking, sending on, and taking back.

use cordboard_core::{
    board::Card,
    call::{EndWhy, NoWhy, Place},
    machine::{Effect, Finish, Intent, PhonePage, Target},
};

use super::{ADA, BOB, GRACE, MARY, Story, park, queued, ringing, send, send_out, talking};
use crate::{
    carrier::Luck,
    world::{World, phone},
};

const HOLD: fn(&Effect) -> bool = |e| matches!(e, Effect::Set { leg: 0, .. });
const LETS_GO: fn(&Effect) -> bool =
    |e| matches!(e, Effect::HangUp { .. } | Effect::Redirect { .. });

#[test]
fn a_hold_is_shown_when_it_is_confirmed() {
    let story = talking()
        .does(ADA, Intent::Hold)
        .is("holding")
        .performs(HOLD, Luck::Good)
        .is("holding")
        .settle()
        .is("held");
    assert!(story.held());
    let story = story
        .cannot(GRACE, Intent::Answer, "Ada holds Caller 1.")
        .cannot(GRACE, park(1), "Ada holds Caller 1.")
        .cannot(ADA, Intent::Hold, "You hold this call already.")
        .does(ADA, Intent::Resume)
        .is("connecting")
        .settle()
        .is("talking");
    assert!(!story.held());
}

#[test]
fn a_lost_answer_is_settled_by_looking() {
    for luck in [Luck::Deaf, Luck::Lost] {
        let story = talking()
            .does(ADA, Intent::Hold)
            .performs(HOLD, luck)
            .settle()
            .pass(2_000)
            .is("held");
        assert!(story.held(), "{luck:?}");
    }
}

#[test]
fn nobody_is_removed_before_the_caller_is_held() {
    for intent in [park(1), send(GRACE), send_out()] {
        for by in [ADA, BOB] {
            let story = talking().does(by, intent.clone());
            assert_eq!(story.asked(LETS_GO), 0, "{intent:?} by {by}");
            let story = story.settle();
            assert!(
                story.held() && !story.now().leg(1).unwrap().alive(),
                "{intent:?} by {by}"
            );
        }
    }
}

#[test]
fn a_slot_holds_one_call_and_says_whose() {
    let story = talking()
        .does(ADA, park(2))
        .is("parking")
        .settle()
        .is("parked");
    let story = story
        .cannot(GRACE, park(2), "Caller 1 is parked in P2 already.")
        .cannot(GRACE, park(9), "There is no slot P9.")
        .another()
        .cannot(GRACE, park(2), "P2 is taken by Caller 1.");
    // The first free one.
    let story = story
        .does(
            GRACE,
            Intent::Park {
                slot: None,
                note: None,
            },
        )
        .settle()
        .is("parked");
    assert_eq!(story.now().slot().unwrap().as_str(), "P1");
}

#[test]
fn a_slot_stays_taken_until_whoever_fetches_has_joined() {
    let story = talking().does(ADA, park(1)).settle();
    let parked = story.call;
    let story = story.another();
    let other = story.call;
    let story = story
        .of(parked)
        .does(GRACE, Intent::Retrieve)
        .is("connecting");
    let story = story
        .of(other)
        .cannot(BOB, park(1), "P1 is taken by Caller 1.");
    story
        .of(parked)
        .settle()
        .is("talking")
        .with(&[GRACE])
        .of(other)
        .does(BOB, park(1));
}

#[test]
fn what_is_forgotten_comes_back() {
    // Parked: to whoever parked it, then the desk's second destination, then the queue.
    let story = talking()
        .does(ADA, park(1))
        .settle()
        .pass(90_000)
        .rings_for(&[ADA], "park-expired");
    let story = story
        .pass(15_000)
        .rings_for(&[BOB], "returned")
        .pass(20_000)
        .is("queued");
    assert!(story.held());
    // Held: the same, and who held it from inside the room is rung like anybody else.
    let story = talking()
        .does(ADA, Intent::Hold)
        .settle()
        .pass(120_000)
        .rings_for(&[ADA], "returned");
    assert!(!story.now().leg(1).unwrap().alive());
    // Who is on another call is shown a card, and the next is rung at once.
    let story = talking().does(ADA, park(1)).settle();
    let parked = story.call;
    let story = story
        .another()
        .does(ADA, Intent::Answer)
        .settle()
        .of(parked)
        .pass(90_000);
    story
        .rings_for(&[BOB, ADA], "returned")
        .pass(20_000)
        .is("queued");
}

/// How a transfer comes to nothing.
type Happens = Box<dyn Fn() -> Story>;

#[test]
fn a_transfer_that_is_not_taken_returns() {
    let mut cases: Vec<(&str, Happens)> = Vec::new();
    cases.push((
        "declined",
        Box::new(|| {
            talking()
                .does(ADA, send(GRACE))
                .settle()
                .does(GRACE, Intent::Decline { busy: false })
        }),
    ));
    cases.push((
        "unanswered",
        Box::new(|| talking().does(ADA, send(GRACE)).settle().pass(20_000)),
    ));
    cases.push((
        "the page vanishes",
        Box::new(|| {
            talking()
                .does(ADA, send(GRACE))
                .settle()
                .page(GRACE, PhonePage::Unreachable)
        }),
    ));
    cases.push((
        "engaged",
        Box::new(|| {
            let mut story = talking().does(ADA, send_out()).settle();
            let sid = story.sid(2);
            story.world.hang_up(&sid, Some(NoWhy::Busy));
            story.settle()
        }),
    ));
    cases.push((
        "refused by the carrier",
        Box::new(|| {
            let story = talking().does(ADA, send_out());
            let fact = cordboard_core::machine::Fact::Over {
                leg: 2,
                sid: None,
                outcome: Some(NoWhy::Failed),
            };
            let mut story = story;
            story
                .world
                .outbox
                .retain(|(_, e)| !matches!(e, Effect::Invite { .. }));
            story.hears(&fact)
        }),
    ));
    cases.push((
        "never made",
        Box::new(|| {
            let story = talking().does(ADA, send(MARY));
            story
                .performs(|e| matches!(e, Effect::Dial { .. }), Luck::Lost)
                .settle()
                .pass(16_000)
        }),
    ));
    for (name, case) in cases {
        let story = case().settle();
        println!("{name}");
        story
            .rings_for(&[ADA], "returned")
            .does(ADA, Intent::Answer)
            .settle()
            .is("talking")
            .with(&[ADA]);
    }
}

#[test]
fn a_transfer_that_is_taken_ends_with_the_target() {
    let story = talking().does(ADA, send(GRACE)).is("transferring").settle();
    story
        .does(GRACE, Intent::Answer)
        .settle()
        .is("talking")
        .with(&[GRACE]);
    // A telephone of ours presses the key; an outside party is let in at once, and the room ends with it.
    let story = talking()
        .does(ADA, send(MARY))
        .settle()
        .picks_up(2)
        .settle()
        .is("transferring");
    story.presses(2).settle().is("talking").with(&[MARY]);
    let story = talking()
        .does(ADA, send_out())
        .settle()
        .picks_up(2)
        .settle()
        .is("talking")
        .with(&[]);
    assert!(story.wire(2).ends_room);
    story
        .cannot(
            ADA,
            send(GRACE),
            "Caller 1 is talking to an outside number.",
        )
        .hangs_up(2)
        .settle()
        .ended(EndWhy::HungUp)
        .nobody_left();
}

#[test]
fn a_telephone_loses_its_flag_before_it_is_sent_away() {
    let story = queued()
        .does(GRACE, send(MARY))
        .settle()
        .picks_up(1)
        .presses(1)
        .settle()
        .is("talking")
        .with(&[MARY]);
    assert!(story.wire(1).ends_room);
    let story = story.does(BOB, send(GRACE)).settle().is("transferring");
    assert!(story.held(), "the caller is still there");
    story
        .does(GRACE, Intent::Answer)
        .settle()
        .is("talking")
        .with(&[GRACE]);
}

#[test]
fn taking_back_and_accepting_are_one_race() {
    let story = talking()
        .does(ADA, send(GRACE))
        .settle()
        .does(GRACE, Intent::Answer);
    story
        .cannot(ADA, Intent::TakeBack, "Grace has just taken Caller 1.")
        .settle()
        .is("talking")
        .with(&[GRACE]);
    let story = talking()
        .does(ADA, send(GRACE))
        .settle()
        .does(ADA, Intent::TakeBack);
    story
        .cannot(GRACE, Intent::Answer, "Ada has just taken Caller 1.")
        .settle()
        .is("talking")
        .with(&[ADA]);
}

#[test]
fn taking_back_before_the_hold_keeps_the_leg() {
    let story = talking()
        .does(ADA, send(GRACE))
        .does(ADA, Intent::TakeBack)
        .settle()
        .is("talking")
        .with(&[ADA]);
    assert_eq!(
        story.now().legs.len(),
        2,
        "nobody was dialled or connected anew"
    );
    assert!(!story.held());
}

#[test]
fn taking_back_stops_the_telephone_that_rings() {
    let story = talking()
        .does(ADA, send_out())
        .settle()
        .does(ADA, Intent::TakeBack)
        .settle()
        .is("talking")
        .with(&[ADA]);
    assert_eq!(story.wire(2).state, crate::carrier::Line::Over);
    // Also one that was not dialled yet.
    let story = talking().does(ADA, send(MARY)).does(ADA, Intent::TakeBack);
    assert_eq!(story.asked(|e| matches!(e, Effect::Dial { .. })), 0);
    story.comes_to_rest().is("talking").with(&[ADA]);
}

#[test]
fn somebody_elses_call_goes_back_to_them() {
    let story = talking().does(BOB, send(GRACE)).settle().is("transferring");
    story
        .cannot(
            ADA,
            Intent::TakeBack,
            "Bob moved this call, and only they can take it back.",
        )
        .does(BOB, Intent::TakeBack)
        .rings_for(&[ADA], "returned")
        .pass(15_000)
        .rings_for(&[BOB], "returned");
    // Unanswered, it returns to whoever moved it.
    talking()
        .does(BOB, send(GRACE))
        .settle()
        .pass(20_000)
        .rings_for(&[BOB], "returned");
    // At once, nothing has happened to them.
    talking()
        .does(BOB, send(GRACE))
        .does(BOB, Intent::TakeBack)
        .settle()
        .is("talking")
        .with(&[ADA]);
}

#[test]
fn a_waiting_call_goes_back_to_where_it_waited() {
    queued()
        .does(ADA, send(GRACE))
        .settle()
        .does(ADA, Intent::TakeBack)
        .is("queued");
    queued()
        .does(ADA, park(1))
        .does(ADA, Intent::TakeBack)
        .is("queued");
    // Its slot was taken meanwhile: another one.
    let story = queued().does(ADA, park(1)).does(ADA, send(GRACE)).settle();
    let first = story.call;
    let story = story
        .another()
        .does(BOB, park(1))
        .of(first)
        .does(ADA, Intent::TakeBack)
        .is("parked");
    assert_eq!(story.now().slot().unwrap().as_str(), "P2");
}

#[test]
fn nothing_goes_round_in_a_circle() {
    let to = |n| Intent::Transfer {
        to: Target::Number(phone(n)),
    };
    talking()
        .cannot(
            ADA,
            to(1),
            "That is the caller's own number. It is engaged.",
        )
        .cannot(
            ADA,
            to(9_000),
            "That is the number they rang. The call would only come back.",
        )
        .cannot(
            ADA,
            send(ADA),
            "You cannot send a call to yourself. Answer or resume it.",
        )
        .cannot(BOB, send(ADA), "Ada has Caller 1 already.");
}

#[test]
fn a_call_has_a_bounded_number_of_legs() {
    let mut story = queued();
    for _ in 0..600 {
        if story.world.act(ADA, story.call, &send_out()).is_err() {
            break;
        }
        let mut next = story.does(ADA, Intent::TakeBack);
        next.world.outbox.clear();
        next.world.inbox.clear();
        story = next;
    }
    story.cannot(
        ADA,
        send_out(),
        "This call has been moved too often. Talk to the caller, or ring them back.",
    );
}

#[test]
fn every_command_ends_once_and_as_it_should() {
    let last = |world: &World| world.commands.values().next_back().cloned().flatten();
    let ends = |story: Story| story.world.commands.into_values().collect::<Vec<_>>();
    // Done means confirmed.
    let story = talking().does(ADA, Intent::Hold);
    assert_eq!(last(&story.world), None);
    assert_eq!(
        ends(story.settle()),
        [Some(Finish::Done), Some(Finish::Done)]
    );
    // A decline is done when it is said, whoever answers next.
    let story = ringing(&[ADA, GRACE])
        .does(ADA, Intent::Decline { busy: true })
        .does(GRACE, Intent::Answer)
        .settle();
    assert_eq!(ends(story), [Some(Finish::Done), Some(Finish::Done)]);
    // Nobody can say: the carrier never answers.
    let mut story = talking().does(ADA, Intent::Hold);
    for _ in 0..40 {
        story.world.outbox.clear();
        story.world.inbox.clear();
        story.world.now = story.world.now.plus(500);
        story = story.hears(&cordboard_core::machine::Fact::Clock);
    }
    assert_eq!(ends(story), [Some(Finish::Done), Some(Finish::Unknown)]);
    // It will not come true: the caller goes first.
    let story = queued().does(ADA, Intent::Answer).hangs_up(0).settle();
    assert!(matches!(
        story.now().place,
        Place::Ended {
            why: EndWhy::Abandoned
        }
    ));
    assert_eq!(
        ends(story),
        [Some(Finish::Failed("The caller hung up.".to_owned()))]
    );
}

#[test]
fn a_wait_goes_on_from_ringing_to_the_queue_and_begins_anew_after_a_talk() {
    let waits = |story: &Story| Card::of(story.now()).waits_since();
    let story = ringing(&[GRACE]);
    let arrived = story.now().arrived;
    let story = story.pass(25_000).is("queued");
    assert_eq!(waits(&story), arrived, "their place is kept");
    let story = story
        .does(ADA, Intent::Answer)
        .settle()
        .does(ADA, send(GRACE))
        .settle()
        .pass(25_000)
        .rings_for(&[ADA], "returned");
    assert_eq!(Some(waits(&story)), story.now().talks()[0].to);
    assert!(waits(&story) > arrived);
}
