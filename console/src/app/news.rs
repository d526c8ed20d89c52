//! What is worth telling of a change that somebody else brought about: who took a call, what came back, what
//! is over.
//!
//! An operator who looks away for ten seconds asks two things: where has that call gone, and why is it here
//! again. The answer is read off a card before and after, and told in a sentence that stays in the log.

use cordboard_core::{
    board::{At, Card},
    call::EndWhy,
    ids::UserId,
};

use super::Model;

impl Model {
    /// What to tell of a call that was `before` (none: it is new) and is `after`.
    pub(super) fn news(&self, before: Option<&Card>, after: &Card) -> Option<String> {
        let who = after.title();
        let Some(before) = before else {
            if after.emergency() {
                let caller = after.with.first().map(|user| self.name(*user));
                return caller
                    .map(|name| format!("{name} is calling {}.", String::from(after.to.clone())));
            }
            return matches!(after.place.at, At::Queued { .. } | At::Ringing { .. })
                .then(|| format!("{who} rings."));
        };
        let (was, is) = (before.lies(), after.lies());
        if std::mem::discriminant(was) == std::mem::discriminant(is) {
            return None;
        }
        Some(match (was, is) {
            (At::Transferring { to, .. }, At::Talking { users }) => {
                let to = to.parse::<UserId>().ok().filter(|u| users.contains(u));
                let name = to.or_else(|| users.first().copied());
                match name {
                    Some(user) if self.is_me(user) => return None,
                    Some(user) => format!("{} has taken {who}.", self.name(user)),
                    None => format!("{who} talks to the outside number."),
                }
            }
            (At::Transferring { to, from, .. }, At::Queued { .. } | At::Ringing { .. }) => {
                let to = to
                    .parse::<UserId>()
                    .map_or_else(|_| to.clone(), |user| self.name(user).to_string());
                let whom = if self.is_me(*from) {
                    "you".to_owned()
                } else {
                    self.name(*from).to_string()
                };
                format!("{who} came back to {whom}: {to} did not take the call.")
            }
            (
                At::Parked { slot, .. } | At::Parking { slot, .. },
                At::Queued { .. } | At::Ringing { .. },
            ) => {
                format!("{who} rings back from {slot}: nobody fetched the call in time.")
            }
            (At::Held { .. } | At::Holding { .. }, At::Queued { .. } | At::Ringing { .. }) => {
                format!("{who} rings back: the call was on hold too long.")
            }
            (At::Parked { .. } | At::Parking { .. }, At::Parked { .. } | At::Parking { .. }) => {
                return None;
            }
            (_, At::Parked { slot, by, .. } | At::Parking { slot, by, .. }) if !self.is_me(*by) => {
                format!("{} parked {who} in {slot}.", self.name(*by))
            }
            (At::Queued { .. } | At::Ringing { .. }, At::Talking { users }) => {
                match users.iter().find(|u| !self.is_me(**u)) {
                    Some(user) => format!("{} has answered {who}.", self.name(*user)),
                    None => return None,
                }
            }
            (At::Parked { slot, .. } | At::Parking { slot, .. }, At::Ended { .. }) => {
                format!("{who} hung up while parked in {slot}.")
            }
            (_, At::Ended { why }) => match why {
                EndWhy::Abandoned => format!("{who} hung up before anybody answered."),
                EndWhy::CallerLeft => format!("{who} hung up."),
                EndWhy::HungUp => format!("The call with {who} is over."),
                EndWhy::NoAnswer => format!("{who} did not answer."),
                EndWhy::Busy => format!("{who} is engaged."),
                EndWhy::Failed => format!("The call with {who} could not be set up, or was lost."),
            },
            _ => return None,
        })
    }
}
