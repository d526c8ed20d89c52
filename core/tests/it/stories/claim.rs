//! Accepting a call: who gets it, what if they do not come, and going from one call to another.

use cordboard_core::{
    call::{EndWhy, Place},
    machine::{ARRIVING_MS, Effect, Fact, Intent, PhonePage},
};

use super::{ADA, BOB, GRACE, MARY, park, queued, ringing, send, talking};
use crate::world::phone;

#[test]
fn an_answer_is_a_claim_until_the_join() {
    let story = queued().does(ADA, Intent::Answer).is("connecting");
    assert!(
        matches!(story.now().place, Place::Queued { .. }),
        "its place in the queue is kept"
    );
    let story = story
        .cannot(
            ADA,
            Intent::Answer,
            "Caller 1 is being connected to you. Wait a moment.",
        )
        .cannot(GRACE, Intent::Answer, "Ada has just taken Caller 1.")
        .cannot(GRACE, send(BOB), "Ada has just taken Caller 1.")
        .settle()
        .is("talking")
        .with(&[ADA]);
    assert!(!story.held());
    story
        .cannot(GRACE, Intent::Answer, "Ada is talking to Caller 1.")
        .cannot(ADA, Intent::Answer, "You are talking to Caller 1.");
}

#[test]
fn a_claim_without_a_join_lapses_and_the_others_may() {
    let mut story = ringing(&[ADA, GRACE]).does(ADA, Intent::Answer);
    // The page never connects.
    story.world.people.get_mut(&ADA).unwrap().page = PhonePage::Unknown;
    let story = story.pass(4_000).rings_for(&[GRACE], "new");
    let Place::Ringing { deadline, .. } = story.now().place else {
        panic!("{:?}", story.now().place)
    };
    assert!(
        deadline.since(story.world.now) >= 15_000,
        "the deadline was paused, and resumes with at least 15 s"
    );
    story
        .does(GRACE, Intent::Answer)
        .settle()
        .is("talking")
        .with(&[GRACE]);
}

#[test]
fn whoever_may_be_talking_is_not_hung_up_because_the_news_of_it_is_lost() {
    let mut story = queued().does(ADA, Intent::Answer);
    let answered = story.world.now;
    // Ada's page is in the room. The news of it is lost, and the carrier answers no question.
    story.world.connect(ADA);
    story.world.inbox.clear();
    for second in [2_000, 4_000, 8_000] {
        story.world.now = answered.plus(second);
        story
            .world
            .report(story.call, &Fact::Clock, story.world.now);
        story.world.outbox.clear();
        story = story.is("connecting");
    }
    let reading = story.world.read(story.call);
    let story = story.hears(&Fact::Read(reading)).is("talking").with(&[ADA]);
    assert_eq!(story.now().talks().len(), 1);
}

#[test]
fn who_asked_for_the_document_and_does_not_come_loses_the_claim_when_the_carrier_says_so() {
    let mut story = ringing(&[ADA, GRACE]).does(ADA, Intent::Answer);
    story.world.connect(ADA);
    story.world.inbox.clear();
    let page = story.sid(1);
    story.world.wires.get_mut(&page).unwrap().room = None;
    // Soon after, she may still be on the way; later she is not.
    let reading = story.world.read(story.call);
    let mut story = story.hears(&Fact::Read(reading)).is("connecting");
    story.world.now = story.world.now.plus(4_000);
    let reading = story.world.read(story.call);
    story.hears(&Fact::Read(reading)).rings_for(&[GRACE], "new");
}

#[test]
fn a_telephone_that_heard_the_question_for_long_is_given_its_time_from_the_key_on() {
    // Mary listens for six seconds before she presses the key.
    let mut story = ringing(&[MARY]).picks_up(1).settle();
    story.world.now = story.world.now.plus(6_000);
    story = story.presses(1).is("connecting");
    // The question to the carrier was sent just after the key, and before she was in the room.
    let telephone = story.sid(1);
    story.world.inbox.clear();
    let room = story.world.wires.get_mut(&telephone).unwrap().room.take();
    let reading = story.world.read(story.call);
    story.world.wires.get_mut(&telephone).unwrap().room = room;
    let story = story.hears(&Fact::Read(reading)).is("connecting");
    assert!(story.now().leg(1).unwrap().leave.is_none());
}

#[test]
fn whoever_comes_too_late_is_hung_up_and_the_winner_stays() {
    let mut story = queued().does(ADA, Intent::Answer);
    // Ada's page is in the room, but the news of it is slow, and nobody could look.
    story.world.connect(ADA);
    let late: Vec<_> = story.world.inbox.drain(..).collect();
    story.world.outbox.clear();
    story.world.now = story.world.now.plus(ARRIVING_MS);
    let mut story = story
        .hears(&Fact::Clock)
        .is("queued")
        .does(GRACE, Intent::Answer);
    story.world.connect(GRACE);
    let in_time: Vec<_> = story.world.inbox.drain(..).collect();
    for (id, fact, at) in in_time.into_iter().chain(late) {
        story.world.report(id, &fact, at);
    }
    story
        .settle()
        .is("talking")
        .with(&[GRACE])
        .comes_to_rest()
        .is("talking")
        .with(&[GRACE]);
}

#[test]
fn the_key_is_the_accept_and_the_loser_is_hung_up() {
    let story = ringing(&[GRACE, MARY])
        .picks_up(1)
        .does(GRACE, Intent::Answer)
        .presses(1);
    let story = story.settle().is("talking").with(&[GRACE]);
    assert!(
        story.now().leg(1).unwrap().joined.is_none(),
        "her telephone never entered the room"
    );
    let story = ringing(&[GRACE, MARY])
        .picks_up(1)
        .settle()
        .presses(1)
        .settle()
        .is("talking")
        .with(&[MARY]);
    story.cannot(GRACE, Intent::Answer, "Mary is talking to Caller 1.");
}

#[test]
fn a_key_gives_nobody_a_second_seat() {
    // Mary's telephone is asked for the second caller while she talks to the first from her page.
    let mut story = ringing(&[MARY]).picks_up(1);
    let ringing = story.call;
    story.world.people.get_mut(&MARY).unwrap().page = PhonePage::Ready;
    let story = story
        .another()
        .does(MARY, Intent::Answer)
        .settle()
        .is("talking")
        .with(&[MARY]);
    let story = story.of(ringing).presses(1).settle();
    assert!(!story.now().seats().any(|(user, _)| user == MARY));
    story.comes_to_rest();
}

#[test]
fn telephones_are_tried_two_at_a_time_and_none_while_somebody_comes() {
    let dials = |e: &Effect| matches!(e, Effect::Dial { .. });
    let mut world = crate::world::World::new();
    for user in [ADA, GRACE, BOB] {
        let person = world.people.get_mut(&user).unwrap();
        (person.page, person.fallback) = (PhonePage::Unreachable, Some(phone(9_000 + user.0)));
    }
    let stop = cordboard_core::call::Stop::Ring {
        users: vec![ADA, GRACE, BOB, MARY],
        why: cordboard_core::call::RingWhy::New,
        ms: 60_000,
    };
    let call = world.arrive(&[stop]);
    let story = super::Story { world, call };
    assert_eq!(story.asked(dials), 2);
    let story = story.settle().picks_up(1).presses(1).hangs_up(2);
    let mut story = story;
    // Grace's telephone is over; Ada has pressed her key and is on the way.
    for (id, fact, at) in story
        .world
        .inbox
        .drain(..)
        .filter(|(_, f, _)| !matches!(f, Fact::Joined { .. }))
        .collect::<Vec<_>>()
    {
        story.world.report(id, &fact, at);
    }
    assert_eq!(story.asked(dials), 0, "{:?}", story.world.outbox);
}

#[test]
fn the_place_is_kept_while_somebody_is_on_the_way() {
    // The last who was rung cannot be reached, while Ada is coming: nothing moves under her.
    let story = ringing(&[MARY]).does(ADA, Intent::Answer).hangs_up(1);
    let mut story = story;
    for (id, fact, at) in story.world.inbox.drain(..).collect::<Vec<_>>() {
        story.world.report(id, &fact, at);
    }
    assert!(
        matches!(story.now().place, Place::Ringing { .. }),
        "{:?}",
        story.now().place
    );
    let mut gone = story;
    // If she does not come, there is nobody left to ring.
    gone.world.people.get_mut(&ADA).unwrap().page = PhonePage::Unknown;
    gone.pass(4_000).is("queued");
}

#[test]
fn going_from_one_call_to_another_holds_the_first_and_moves_the_leg() {
    let redirects = |e: &Effect| matches!(e, Effect::Redirect { .. });
    let story = talking();
    let first = story.call;
    let story = story.another().does(ADA, Intent::Answer);
    assert_eq!(
        story.asked(redirects),
        0,
        "nobody leaves before the caller is held"
    );
    let story = story.settle().is("talking").with(&[ADA]);
    let second = story.call;
    let story = story.of(first).is("held");
    assert!(story.held());
    // And back.
    let story = story
        .does(ADA, Intent::Resume)
        .settle()
        .is("talking")
        .of(second)
        .is("held")
        .comes_to_rest();
    assert_eq!(
        story.of(first).kind(),
        "talking",
        "after two minutes the second one rang for her, and waits at the desk"
    );
}

#[test]
fn a_telephone_is_not_moved_but_hung_up_when_its_person_answers_at_the_page() {
    let mut story = ringing(&[MARY])
        .picks_up(1)
        .settle()
        .presses(1)
        .settle()
        .is("talking")
        .with(&[MARY]);
    story.world.people.get_mut(&MARY).unwrap().page = PhonePage::Ready;
    let first = story.call;
    let story = story
        .another()
        .does(MARY, Intent::Answer)
        .settle()
        .is("talking")
        .with(&[MARY]);
    let story = story.of(first).is("held");
    assert!(
        story.held(),
        "the caller of the telephone was not taken along"
    );
    assert!(!story.now().leg(1).unwrap().alive());
}

#[test]
fn some_calls_cannot_be_left() {
    let story = queued();
    let waiting = story.call;
    let mut story = story;
    let out = story.world.dial(ADA, phone(9_200)).unwrap();
    let story = story
        .of(waiting)
        .cannot(
            ADA,
            Intent::Answer,
            "Another call is just being connected to you. Wait a moment.",
        )
        .settle()
        .cannot(ADA, Intent::Answer, "You are dialling. Hang up first.");
    story
        .of(out)
        .does(ADA, Intent::Hangup)
        .settle()
        .nobody_left()
        .of(waiting)
        .does(ADA, Intent::Answer)
        .settle()
        .is("talking");
}

#[test]
fn an_outgoing_call_rings_once_its_dialler_is_there() {
    let invites = |e: &Effect| matches!(e, Effect::Invite { .. });
    let mut story = queued();
    let out = story.world.dial(ADA, phone(9_200)).unwrap();
    let story = story.of(out).is("connecting");
    assert_eq!(story.asked(invites), 0);
    let story = story.settle().is("dialling").cannot(
        GRACE,
        Intent::Answer,
        "+14155559200 has not answered yet.",
    );
    assert!(story.now().answered.is_none());
    let story = story.picks_up(0).settle().is("talking").with(&[ADA]);
    assert!(story.now().answered.is_some());
    story
        .hangs_up(0)
        .settle()
        .ended(EndWhy::CallerLeft)
        .nobody_left();
}

#[test]
fn an_outgoing_call_ends_as_its_number_does() {
    for (outcome, how) in [
        (Some(cordboard_core::call::NoWhy::Busy), EndWhy::Busy),
        (
            Some(cordboard_core::call::NoWhy::NoAnswer),
            EndWhy::NoAnswer,
        ),
        (Some(cordboard_core::call::NoWhy::Failed), EndWhy::Failed),
    ] {
        let mut story = queued();
        let out = story.world.dial(ADA, phone(9_200)).unwrap();
        let mut story = story.of(out).settle();
        let sid = story.sid(0);
        story.world.hang_up(&sid, outcome);
        story.settle().ended(how).nobody_left();
    }
    // And when nobody ever says how it ended: after 90 s.
    let mut story = queued();
    let out = story.world.dial(ADA, phone(9_200)).unwrap();
    story
        .of(out)
        .settle()
        .pass(90_000)
        .settle()
        .ended(EndWhy::NoAnswer)
        .nobody_left();
}

#[test]
fn without_a_page_there_is_nowhere_to_go() {
    let no_page =
        "Your phone page is not connected, so the call has nowhere to go. Open it, and try again.";
    let story = queued()
        .page(ADA, PhonePage::Unreachable)
        .cannot(ADA, Intent::Answer, no_page);
    story
        .does(GRACE, park(1))
        .settle()
        .cannot(ADA, Intent::Retrieve, no_page);
}
