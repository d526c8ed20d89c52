//! The way of a call to one of our numbers: a few stops, one after the other, the last of them a queue.
//!
//! It is changed as a whole and saved as a whole: half a way would lose callers. What may be in it the server says;
//! that it ends in a queue is held here, so that there is no wrong way to be drawn.

use cordboard_core::{
    api::{NumberEdit, RouteStop},
    ids::{Phone, Rev},
};

use super::{Around, data::Data};
use crate::app::{Mood, Sentence};

/// How many stops a way has at most.
pub const MOST: usize = 8;

/// The way of one number, being changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The number.
    pub number: Phone,
    /// The revision this was made on; 0: a new number.
    pub rev: Rev,
    /// The stops.
    pub stops: Vec<RouteStop>,
    /// Where the keyboard is.
    pub at: usize,
    /// What is said below them.
    pub notice: Option<(Mood, Sentence)>,
    /// Whether leaving without saving is being asked about.
    pub asking: bool,
    /// Whether the server is being asked to keep it.
    pub busy: bool,
    was: Vec<RouteStop>,
}

impl Route {
    /// The way of that number as it is.
    pub fn new(number: Phone, rev: Rev, stops: Vec<RouteStop>) -> Self {
        Self {
            number,
            rev,
            was: if rev == 0 { Vec::new() } else { stops.clone() },
            stops,
            at: 0,
            notice: None,
            asking: false,
            busy: false,
        }
    }

    /// Whether leaving loses something.
    pub fn changed(&self) -> bool {
        self.stops != self.was
    }

    /// Whether that stop is the last, the queue.
    pub fn last(&self, n: usize) -> bool {
        n + 1 >= self.stops.len()
    }

    /// Puts a stop before the one the keyboard is at, or in its place.
    pub fn put(&mut self, stop: RouteStop, instead: Option<usize>) {
        self.notice = None;
        if let Some(n) = instead {
            if let Some(place) = self.stops.get_mut(n) {
                *place = stop;
            }
            return;
        }
        let at = self.at.min(self.stops.len().saturating_sub(1));
        self.stops.insert(at, stop);
        self.at = at;
    }

    /// Takes the stop at the keyboard out. The queue at the end stays.
    pub fn remove(&mut self) {
        if !self.last(self.at) {
            self.stops.remove(self.at);
            self.notice = None;
        }
    }

    /// Moves the stop at the keyboard one place up or down. The queue stays at the end.
    pub fn shift(&mut self, down: bool) {
        let to = if down {
            self.at + 1
        } else {
            self.at.wrapping_sub(1)
        };
        if !self.last(self.at) && to < self.stops.len() && !self.last(to) {
            self.stops.swap(self.at, to);
            self.at = to;
            self.notice = None;
        }
    }

    /// The keyboard goes up or down.
    pub fn step(&mut self, by: isize) {
        let last = self.stops.len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(by).min(last);
    }

    /// What is sent.
    pub fn edit(&self) -> NumberEdit {
        NumberEdit {
            rev: self.rev,
            route: self.stops.clone(),
        }
    }
}

/// A stop in a few words.
pub fn sentence(stop: &RouteStop, data: &Data, around: &Around<'_>) -> String {
    match stop {
        RouteStop::People { users, seconds } => {
            let names: Vec<String> = users
                .iter()
                .take(4)
                .map(|u| data.name(around.board, *u))
                .collect();
            let more = users.len().saturating_sub(names.len());
            let names = if names.is_empty() {
                "nobody".to_owned()
            } else {
                names.join(", ")
            };
            if more > 0 {
                format!("{names} and {more} more, {seconds} s")
            } else {
                format!("{names}, {seconds} s")
            }
        }
        RouteStop::Group { group, seconds } => {
            format!("group {}, {seconds} s", data.group(around.board, group))
        }
        RouteStop::Queue { queue } => format!("queue {}", data.queue(around.board, queue)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cordboard_core::ids::UserId;

    fn people(n: u32) -> RouteStop {
        RouteStop::People {
            users: vec![UserId(n)],
            seconds: 20,
        }
    }

    #[test]
    fn the_queue_stays_at_the_end_whatever_is_done() {
        let queue = RouteStop::Queue {
            queue: "desk".parse().unwrap(),
        };
        let mut route = Route::new("+14155550100".parse().unwrap(), 3, vec![queue.clone()]);
        assert!(!route.changed());
        route.remove();
        route.put(people(1), None);
        route.put(people(2), None);
        route.shift(true);
        assert_eq!(route.stops, [people(1), people(2), queue.clone()]);
        route.shift(true);
        route.step(9);
        route.shift(false);
        route.remove();
        assert_eq!(route.stops, [people(1), people(2), queue]);
        assert!(route.changed());
    }
}
