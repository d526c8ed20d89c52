//! What every handler can reach, and the few things that are neither HTTP nor sockets.

use std::{ops::Deref, sync::Arc};

use cordboard_core::{
    api::Fields,
    call::Place,
    ids::{CallId, Phone, Timestamp, UserId},
    machine::{Fact, Intent},
    wire::{Command, Order},
};
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    accounts::Accounts,
    error::ApiError,
    exchange::{Exchange, Report, Session},
    http::Requests,
    live::REVIEW_MS,
    office::Office,
    pairing::Pairings,
    twilio::{
        TwilioConfig, Urls,
        rest::{Answer, Rest},
        signature::Verifier,
    },
};

/// How often a call that a page has left is looked at, if it moves each time.
const LOOKS: usize = 4;

/// The running server, for its handlers. Clones share it.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
}

/// What it is made of.
pub struct Parts {
    /// The door.
    pub exchange: Exchange,
    /// Who is signed in.
    pub accounts: Accounts,
    /// Who may have what changed.
    pub office: Office,
    /// Phone pages that want to be let in.
    pub pairings: Pairings,
    /// How many requests everybody makes.
    pub requests: Requests,
    /// Proxies that are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The carrier's account.
    pub twilio: TwilioConfig,
    /// Asks the carrier.
    pub rest: Rest,
    /// Every URL we give to the carrier.
    pub urls: Urls,
    /// Tells the carrier's requests from others.
    pub verifier: Verifier,
    /// Where browsers and the carrier reach us.
    pub public_url: Url,
    /// Cancelled when the server is to stop.
    pub stop: CancellationToken,
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl App {
    /// Of these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    /// Makes the carrier bring us the calls to a number. `buy`: also one that the account does not have yet.
    pub async fn take_number(&self, number: &Phone, buy: bool) -> Result<(), ApiError> {
        fn done<T: std::fmt::Debug>(what: &str, answer: Answer<T>) -> Result<T, ApiError> {
            match answer {
                Answer::Done(value) => Ok(value),
                other => {
                    tracing::error!(what, answer = ?other, "the carrier was asked in vain");
                    let why = "The carrier did not do what it was asked. Nothing was changed here. The server's log says more.";
                    Err(ApiError::Refused(why.to_owned()))
                }
            }
        }
        let owned = done("listing numbers", self.rest.numbers().await)?;
        let owned = match owned.into_iter().find(|n| n.phone == *number) {
            Some(owned) => owned,
            None if buy => done("buying the number", self.rest.buy_number(number).await)?,
            None => {
                let mut fields = Fields::default();
                let why =
                    "Your account at the carrier does not have this number. Buy it there first.";
                fields.wrong("number", why);
                return Ok(fields.done(Some(()))?);
            }
        };
        done("pointing the number", self.rest.point_number(&owned).await)?;
        let app = self.rest.update_application(&self.twilio.app_sid).await;
        done("pointing the app", app)?;
        Ok(())
    }

    /// A person has hung up in their page. If they were the customer's only company, the call is over; a call
    /// they held stays held.
    pub async fn left(&self, session: &Session, id: CallId) {
        let user = session.user;
        // Again where it has moved between the look and the act: the carrier's news that their leg is gone, as
        // if they had vanished, may come in between.
        for _ in 0..LOOKS {
            let Ok(Some(call)) = self.exchange.call(id).await else {
                return;
            };
            let alone_with = matches!(call.place, Place::Talking | Place::Dialling { .. })
                && call.company().all(|l| l.user() == Some(user))
                && call.seats().any(|(u, _)| u == user);
            // Also where they are on the way back to it, as far as the carrier has said: they may be there already.
            let theirs = call.claim.as_ref().is_none_or(|c| c.user == user);
            let waited_for = theirs && call.reconnects(user);
            if !alone_with && !waited_for {
                return;
            }
            let command = Command {
                id: format!("phone-{:032x}", crate::auth::unguessable()),
                order: Order::Call {
                    call: id,
                    intent: Intent::Hangup,
                },
                // What was looked at above. Moved meanwhile, it may no longer be the call they have left.
                seen: Some(call.rev),
                dry_run: false,
            };
            match self.exchange.act(session, &command).await {
                Err(ApiError::Moved(_)) => {}
                Err(why) => {
                    tracing::debug!(call.id = %id, %why, "a page left a call that could not be ended");
                    return;
                }
                Ok(_) => return,
            }
        }
    }

    /// Looks whose pages have fallen silent, and tells their calls, until the server stops.
    pub async fn watch_pages(self) {
        let clock = self.exchange.clock().clone();
        let mut now = clock.now();
        loop {
            let last = now;
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = clock.sleep(REVIEW_MS) => {}
            }
            now = clock.now();
            let found = self.exchange.live().review(last, now);
            let silent = found.unreachable.into_iter().map(|user| (user, false));
            let gone = found.gone.into_iter().map(|user| (user, true));
            for (user, gone) in silent.chain(gone) {
                tracing::warn!(%user, gone, "a phone page has fallen silent");
                // Beside the looks: a store that does not answer must not make the next one late.
                let app = self.clone();
                tokio::spawn(async move { app.page_gone(user, now, gone).await });
            }
        }
    }

    /// A page was signed out, so it does not come back: its person's calls need not wait until it has been silent.
    pub async fn page_signed_out(&self, user: UserId) {
        let now = self.exchange.clock().now();
        if self.exchange.live().page_left(user, now) {
            self.page_gone(user, now, true).await;
        }
    }

    /// Tells the calls of a page that is silent that it is gone. One that it is in is told only when it is for good.
    async fn page_gone(&self, user: UserId, now: Timestamp, for_good: bool) {
        for call in self.exchange.calls() {
            let talks = call.leg_of(user).is_some();
            if call.people().contains(&user) && (for_good || !talks) {
                let report = Report::of(Fact::PageGone { user }, now, "phone");
                if let Err(cause) = self.exchange.report(call.id, report).await {
                    tracing::error!(call.id = %call.id, %cause, "a silent page could not be reported");
                }
            }
        }
    }
}
