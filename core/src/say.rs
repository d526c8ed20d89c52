//! The refusals that the machine and the board both speak, so that a preview and an answer use the same words.
//!
//! Each is a sentence that says what stands in the way, and where there is one, what to do. `who` is the other
//! party ([`crate::call::Caller::title`]), `name` is one of us. Nothing here decides anything.

pub(crate) const OVER: &str = "That call is over.";
pub(crate) const NOBODY: &str = "Nobody works here under that name.";
pub(crate) const NO_PAGE: &str =
    "Your phone page is not connected, so the call has nowhere to go. Open it, and try again.";
pub(crate) const ON_EMERGENCY: &str = "You are on an emergency call. Stay on it.";
pub(crate) const ON_THE_WAY: &str = "Another call is just being connected to you. Wait a moment.";
pub(crate) const DIALLING: &str = "You are dialling. Hang up first.";
pub(crate) const TOO_OFTEN: &str =
    "This call has been moved too often. Talk to the caller, or ring them back.";
pub(crate) const SLOTS_GONE: &str = "Its slot was taken meanwhile, and every other one too.";
pub(crate) const OWN_NUMBER: &str = "That is the caller's own number. It is engaged.";
pub(crate) const LOOP: &str = "That is the number they rang. The call would only come back.";

pub(crate) fn connecting(who: &str) -> String {
    format!("{who} is being connected to you. Wait a moment.")
}

pub(crate) fn taken(name: &str, who: &str) -> String {
    format!("{name} has just taken {who}.")
}

pub(crate) fn holds(name: &str, who: &str) -> String {
    format!("{name} holds {who}.")
}

pub(crate) fn you_talk(who: &str) -> String {
    format!("You are talking to {who}.")
}

pub(crate) fn talks(name: &str, who: &str) -> String {
    format!("{name} is talking to {who}.")
}

pub(crate) fn outside(who: &str) -> String {
    format!("{who} is talking to an outside number.")
}

pub(crate) fn not_answered(who: &str) -> String {
    format!("{who} has not answered yet.")
}

pub(crate) fn sending(name: &str, who: &str) -> String {
    format!("{name} is sending {who} on.")
}

pub(crate) fn you_send(who: &str) -> String {
    format!("You are sending {who} on. Take it back first.")
}

pub(crate) fn no_slot(slot: &str) -> String {
    format!("There is no slot {slot}.")
}

pub(crate) fn slot_taken(slot: &str, who: &str) -> String {
    format!("{slot} is taken by {who}.")
}

pub(crate) fn parked_already(who: &str, slot: &str) -> String {
    format!("{who} is parked in {slot} already.")
}

pub(crate) fn has_already(name: &str, who: &str) -> String {
    format!("{name} has {who} already.")
}

pub(crate) fn unreachable(name: &str) -> String {
    format!("{name} cannot be reached: no phone page, no fallback number.")
}

/// What becomes of a call that was to ring for `name` again and does not.
pub(crate) fn rings_elsewhere(name: &str, instead: &str) -> String {
    format!("{name} cannot be rung at the moment, so {instead}.")
}

pub(crate) fn takes_no_calls(name: &str) -> String {
    format!("{name} takes no calls at the moment, and has no fallback number.")
}

pub(crate) fn nobody_knows(name: &str) -> String {
    format!("Nobody knows whether {name}'s phone is there. Try again in a moment.")
}
