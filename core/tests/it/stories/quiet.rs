//! Who does not want to be rung, and who has signed off.

use cordboard_core::{
    board::{Board, Drop, DropTarget, Presence},
    call::{RingWhy, Stop},
    ids::UserId,
    machine::{Effect, Finish, Intent, PhonePage},
    policy::{Actor, Role},
};

use super::{ADA, BOB, GRACE, MARY, Story, park, queued, ringing, send, talking};
use crate::{
    board::snapshot,
    world::{World, phone},
};

const DIALS: fn(&Effect) -> bool = |e| matches!(e, Effect::Dial { .. });

/// A caller for whom these people should be rung, of whom some have said something before. Everybody has a page.
fn rung_after(said: &[(UserId, Presence)], users: &[UserId]) -> Story {
    let mut world = World::new();
    world.people.get_mut(&MARY).expect("Mary").page = PhonePage::Ready;
    for (user, presence) in said {
        world.say(*user, *presence);
    }
    let call = world.arrive(&[Stop::Ring {
        users: users.to_vec(),
        why: RingWhy::New,
        ms: 20_000,
    }]);
    Story { world, call }.settle()
}

#[test]
fn only_who_is_signed_off_or_says_so_is_not_rung_at_their_page() {
    for (presence, quiet) in [
        (Presence::Available, false),
        (Presence::Away, false),
        (Presence::Busy, false),
        (Presence::Dnd, true),
        (Presence::Offline, true),
    ] {
        let story = rung_after(&[(ADA, presence)], &[ADA, GRACE]);
        let rung: &[UserId] = if quiet { &[GRACE] } else { &[ADA, GRACE] };
        story.rings_for(rung, "new");
        // Where it would ring for nobody, it goes to the next stop at once.
        let story = rung_after(&[(ADA, presence)], &[ADA]);
        story.is(if quiet { "queued" } else { "ringing" });
    }
}

#[test]
fn the_telephone_of_who_is_not_rung_at_their_page_rings() {
    for presence in [Presence::Dnd, Presence::Offline] {
        let story = rung_after(&[(MARY, presence)], &[MARY]).rings_for(&[MARY], "new");
        story
            .picks_up(1)
            .presses(1)
            .settle()
            .is("talking")
            .with(&[MARY]);
        let mut story = talking().says(MARY, presence);
        story.world.people.get_mut(&MARY).unwrap().page = PhonePage::Ready;
        story
            .does(ADA, send(MARY))
            .settle()
            .picks_up(2)
            .presses(2)
            .settle()
            .is("talking")
            .with(&[MARY]);
    }
}

#[test]
fn nothing_is_sent_to_who_can_be_rung_nowhere() {
    let no = "Grace takes no calls at the moment, and has no fallback number.";
    for presence in [Presence::Dnd, Presence::Offline] {
        for page in [PhonePage::Ready, PhonePage::Unreachable, PhonePage::Unknown] {
            let story = talking().says(GRACE, presence).page(GRACE, page);
            let story = story.cannot(ADA, send(GRACE), no).is("talking");
            // Until they say otherwise.
            let story = story
                .page(GRACE, PhonePage::Ready)
                .says(GRACE, Presence::Available);
            story.does(ADA, send(GRACE)).is("transferring");
        }
    }
}

#[test]
fn who_wants_to_be_left_alone_works_as_before() {
    // They take what they want, and what rings already rings on.
    let story = queued()
        .says(ADA, Presence::Dnd)
        .does(ADA, Intent::Answer)
        .settle()
        .is("talking");
    story
        .does(ADA, Intent::Hold)
        .settle()
        .is("held")
        .does(ADA, Intent::Resume);
    ringing(&[ADA])
        .says(ADA, Presence::Dnd)
        .rings_for(&[ADA], "new")
        .does(ADA, Intent::Answer)
        .settle()
        .is("talking")
        .with(&[ADA]);
    // What comes back looks for the next.
    talking()
        .does(ADA, park(1))
        .settle()
        .says(ADA, Presence::Dnd)
        .pass(90_000)
        .rings_for(&[BOB], "returned");
}

/// A call that was somebody else's goes back to them when it is taken back. Where it cannot, whoever takes it back is
/// told so, before and after.
#[test]
fn a_call_taken_back_for_who_is_left_alone_says_where_it_goes_instead() {
    let taken = |presence| {
        let sent = talking()
            .says(ADA, presence)
            .does(GRACE, send(MARY))
            .settle();
        let board = Board::new(snapshot(&sent.world, 1));
        let me = Actor::of(GRACE, Role::Operator);
        let Drop::Do(_, would) = board.drop_on(me, sent.call, &DropTarget::Me) else {
            panic!("Grace may take it back");
        };
        let story = sent.does(GRACE, Intent::TakeBack).settle();
        let came_of_it = story.world.commands.values().next_back().cloned().flatten();
        (would, came_of_it.expect("it has ended"), story)
    };
    let (would, came_of_it, story) = taken(Presence::Available);
    assert_eq!(would, "take Caller 1 back");
    assert_eq!(came_of_it, Finish::Done);
    story.rings_for(&[ADA], "returned");

    let no = "Ada cannot be rung at the moment, so it rings for you.";
    for presence in [Presence::Dnd, Presence::Offline] {
        let (would, came_of_it, story) = taken(presence);
        assert_eq!(
            would,
            "take Caller 1 back, to ring for you: Ada cannot be rung at the moment"
        );
        assert_eq!(came_of_it, Finish::Failed(no.to_owned()));
        story.rings_for(&[GRACE], "returned");
    }
}

#[test]
fn a_page_that_is_loaded_anew_gets_its_caller_back() {
    for presence in [Presence::Dnd, Presence::Offline] {
        let story = || {
            let story = talking().says(ADA, presence).hangs_up(1).settle();
            story.rings_for(&[ADA], "reconnect")
        };
        story()
            .does(ADA, Intent::Answer)
            .settle()
            .is("talking")
            .with(&[ADA]);
        // If they are not there to take it, it looks for the others as ever.
        story().pass(15_000).rings_for(&[BOB], "returned");
    }
}

#[test]
fn what_rings_for_who_signs_off_goes_on() {
    // To their telephone.
    let story = rung_after(&[], &[MARY]).rings_for(&[MARY], "new");
    assert_eq!(story.now().legs.len(), 1, "no telephone rings yet");
    let story = story
        .says(MARY, Presence::Offline)
        .rings_for(&[MARY], "new");
    assert_eq!(story.asked(DIALS), 1);
    story
        .settle()
        .picks_up(1)
        .presses(1)
        .settle()
        .is("talking")
        .with(&[MARY]);
    // To the others, and without them to the next stop.
    let story = ringing(&[ADA, GRACE])
        .says(ADA, Presence::Offline)
        .rings_for(&[GRACE], "new");
    story.says(GRACE, Presence::Offline).is("queued");
    // Back to who sent it; and from there on, when they sign off as well.
    let story = talking()
        .does(ADA, send(GRACE))
        .settle()
        .says(GRACE, Presence::Offline)
        .rings_for(&[ADA], "returned");
    story
        .says(ADA, Presence::Offline)
        .rings_for(&[BOB], "returned")
        .comes_to_rest();
}

#[test]
fn a_returning_call_does_not_follow_who_signs_off_to_their_telephone() {
    let mut story = queued();
    story.world.people.get_mut(&MARY).unwrap().page = PhonePage::Ready;
    let story = story
        .does(MARY, park(1))
        .settle()
        .pass(90_000)
        .rings_for(&[MARY], "park-expired")
        .says(MARY, Presence::Offline)
        .rings_for(&[BOB], "returned");
    assert_eq!(story.asked(DIALS), 0);
}

#[test]
fn what_they_have_in_hand_stays_theirs() {
    // Also a telephone that rings: that is where they can be found.
    let cases: [fn() -> Story; 9] = [
        talking,
        || queued().does(ADA, Intent::Answer),
        || talking().does(ADA, Intent::Hold),
        || talking().does(ADA, Intent::Hold).settle(),
        || talking().does(ADA, park(1)).settle(),
        || talking().does(ADA, send(GRACE)).settle(),
        || {
            let mut story = queued();
            let out = story.world.dial(ADA, phone(9_200)).expect("Ada may dial");
            story.of(out).settle()
        },
        || ringing(&[MARY]),
        || ringing(&[MARY]).picks_up(1).presses(1).settle(),
    ];
    for case in cases {
        let (story, before) = (case(), case().now().clone());
        let story = story
            .says(ADA, Presence::Offline)
            .says(MARY, Presence::Offline);
        assert_eq!(*story.now(), before);
        story.comes_to_rest();
    }
}

#[test]
fn who_signs_off_on_the_way_to_a_call_arrives() {
    let story = ringing(&[ADA])
        .does(ADA, Intent::Answer)
        .says(ADA, Presence::Offline)
        .is("connecting");
    story.settle().is("talking").with(&[ADA]);
    // And if they do not, it does not ring for them again.
    let mut story = ringing(&[ADA]).does(ADA, Intent::Answer);
    story.world.people.get_mut(&ADA).unwrap().page = PhonePage::Unknown;
    story
        .says(ADA, Presence::Offline)
        .is("connecting")
        .pass(4_000)
        .is("queued");
}
