//! Calls for help: what is done for them beside the door, because they wait for nothing.
//!
//! A person's page dials by itself and the carrier's request is answered from the request alone; the row on the
//! board follows when the store answers. Whether those who answer would see an address is asked of the carrier
//! beforehand, at start and every hour, and told to whoever is about to dial.
//!
//! Nothing here may make a call for help wait, or refuse one that could be made.
//!
//! Read next: `exchange.rs` ([`crate::exchange::Exchange::help`]), and the fifth record in `docs/adr`.

use cordboard_core::{
    ids::{CallSid, Emergency, Phone, UserId},
    machine::PhonePage,
    wire::{Command, EmergencyAddress, Order},
};

use crate::{
    app::App,
    error::ApiError,
    exchange::{Exchange, Session},
    twilio::rest::{Answer, Rest},
};

/// How often the carrier is asked about the address, once it has answered.
const AGAIN_MS: i64 = 3_600_000;

/// How often, until it has.
const RETRY_MS: i64 = 30_000;

/// What a command says, if it is a call for help: the person's page is told to dial at once, past the store and
/// the limits. None for any other command. Sent twice, it dials twice: an id that was seen would have to be
/// stored.
pub fn dial(app: &App, session: &Session, command: &Command) -> Option<Result<String, ApiError>> {
    let Order::Dial { to } = &command.order else {
        return None;
    };
    let number = Emergency::recognise(to.as_str())?;
    let live = app.exchange.live();
    let said = if command.dry_run && live.page(session.user) == PhonePage::Ready {
        format!("dial {number} from your phone page at once.")
    } else if !command.dry_run && live.emergency(session.user, number, app.exchange.clock().now()) {
        format!("Your phone page is dialling {number} now. Talk to them there.")
    } else {
        return Some(Err(ApiError::Refused(format!(
            "Your phone page is not connected. Dial {number} from a telephone now."
        ))));
    };
    Some(Ok(match live.emergency_address().warning() {
        Some(warning) => format!("{said} {warning}"),
        None => said,
    }))
}

/// Puts on the board that somebody's page has dialled for help, as soon as the store answers.
pub fn write_down(app: &App, user: UserId, sid: CallSid, number: Emergency) {
    let app = app.clone();
    tokio::spawn(async move {
        while let Err(cause) = app.exchange.help(user, &sid, number).await {
            tracing::error!(%user, %cause, "an emergency call is not on the board yet");
            tokio::select! {
                () = app.stop.cancelled() => return,
                () = app.exchange.clock().sleep(1_000) => {}
            }
        }
    });
}

/// Keeps what is known of the number's address up to date, for ever. Somebody may register it at any time.
pub async fn watch_address(exchange: Exchange, rest: Rest) {
    loop {
        let pause = match rest.numbers().await {
            Answer::Done(numbers) => {
                let house = exchange.house();
                let ours = house.caller_id();
                let registered = numbers
                    .iter()
                    .any(|n| Some(&n.phone) == ours && n.has_emergency_address());
                let state = if registered {
                    EmergencyAddress::Registered
                } else {
                    EmergencyAddress::Missing
                };
                if exchange.live().tell_emergency_address(state) && !registered {
                    tracing::warn!(
                        number = ours.map_or("none", Phone::as_str),
                        "no emergency address is registered for the number we dial from: a call for help goes \
                         through, but may reach the wrong place and costs extra. Register one at the carrier."
                    );
                }
                AGAIN_MS
            }
            other => {
                tracing::warn!(answer = ?other, "whether an emergency address is registered could not be read");
                RETRY_MS
            }
        };
        exchange.clock().sleep(pause).await;
    }
}
