//! How fast the call machine is, and how big what it stores:
//! `cargo run --release -p cordboard-core --example steps`.
//!
//! One typical call, over and over: it arrives, Ada answers, holds, resumes and sends it to Grace, who answers;
//! the caller hangs up. Only the steps are timed, not the store, the wire or the carrier.

use std::{collections::BTreeMap, io::Write, time::Duration};

use cordboard_core::{
    board::Card,
    call::{Call, Caller},
    ids::{CallId, CallSid, ConferenceSid, Timestamp, UserId},
    machine::{Aspect, By, Context, Fact, Intent, PhonePage, Reach, Step, Target},
};

const ADA: UserId = UserId(1);
const GRACE: UserId = UserId(2);
const CALLS: u32 = 20_000;

enum Act {
    Does(UserId, Intent),
    Hears(Fact),
}

/// What happens to a call after it has arrived.
fn script(sids: &[CallSid], room: &ConferenceSid) -> Vec<Act> {
    let joins = |leg: u16| {
        let sid = sids[usize::from(leg)].clone();
        [
            Act::Hears(Fact::Fetched {
                leg,
                sid: sid.clone(),
            }),
            Act::Hears(Fact::Joined {
                leg,
                sid,
                room: room.clone(),
            }),
        ]
    };
    let leaves = |leg: u16| {
        let sid = sids[usize::from(leg)].clone();
        [
            Act::Hears(Fact::Left {
                leg,
                sid: sid.clone(),
                room: room.clone(),
                hung_up: false,
            }),
            Act::Hears(Fact::Over {
                leg,
                sid: Some(sid),
                outcome: None,
            }),
        ]
    };
    let confirmed = |wish| {
        Act::Hears(Fact::Confirmed {
            leg: 0,
            what: Aspect::Hold,
            wish,
        })
    };
    let mut acts = Vec::new();
    acts.extend(joins(0));
    acts.push(Act::Does(ADA, Intent::Answer));
    acts.extend(joins(1));
    acts.push(Act::Hears(Fact::RoomStarted { room: room.clone() }));
    acts.extend([
        Act::Does(ADA, Intent::Hold),
        confirmed(1),
        Act::Does(ADA, Intent::Resume),
        confirmed(2),
    ]);
    acts.extend([
        Act::Does(
            ADA,
            Intent::Transfer {
                to: Target::User(GRACE),
            },
        ),
        confirmed(3),
    ]);
    acts.extend(leaves(1));
    acts.push(Act::Does(GRACE, Intent::Answer));
    acts.extend(joins(2));
    acts.push(confirmed(4));
    acts.extend(leaves(0));
    acts.extend(leaves(2));
    acts.push(Act::Hears(Fact::RoomEnded {
        room: room.clone(),
        by: None,
    }));
    acts
}

fn context(now: Timestamp) -> Context {
    let reach = |name: &str| Reach {
        name: name.into(),
        page: PhonePage::Ready,
        ..Reach::default()
    };
    Context {
        now,
        people: BTreeMap::from([(ADA, reach("Ada")), (GRACE, reach("Grace"))]),
        ..Context::default()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sids = (0..3)
        .map(|n| format!("CA{n:032x}").parse())
        .collect::<Result<Vec<CallSid>, _>>()?;
    let room: ConferenceSid = format!("CF{:032x}", 1).parse()?;
    let acts = script(&sids, &room);
    let start = Timestamp::from_millis(1_767_225_600_000);
    let (mut steps, mut stored, mut shown, mut largest) = (0_u32, 0, 0, 0);
    let spent = timed(|| {
        for n in 0..CALLS {
            let mut ctx = context(start);
            let caller = Caller {
                name: Some("Adele Goldstine".into()),
                number: "+14155550132".parse().ok(),
            };
            let to = "+14155559000".parse().map_err(|e| format!("{e}"))?;
            let mut call = Call::arrive(
                CallId::from_bits(u128::from(n)),
                sids[0].clone(),
                caller,
                to,
                &[],
                &ctx,
            )
            .call;
            for act in &acts {
                ctx.now = ctx.now.plus(1_000);
                let step: Step = match act {
                    Act::Hears(fact) => call.observe(fact, ctx.now, &ctx),
                    Act::Does(user, intent) => {
                        let by = By {
                            user: *user,
                            command: Some("k".into()),
                        };
                        call.command(&by, intent, &ctx).map_err(|e| e.to_string())?
                    }
                };
                call = step.call;
                steps += 1;
                if n == 0 {
                    let body = serde_json::to_string(&call)
                        .map_err(|e| e.to_string())?
                        .len();
                    stored += body;
                    largest = largest.max(body);
                    shown += serde_json::to_string(&Card::of(&call))
                        .map_err(|e| e.to_string())?
                        .len();
                }
            }
            if !call.ended() {
                return Err("the call did not end".to_owned());
            }
        }
        Ok(())
    })?;
    let each = acts.len();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{steps} steps of {CALLS} calls in {spent:.2?}: {:.0} steps/s",
        f64::from(steps) / spent.as_secs_f64()
    )?;
    writeln!(
        out,
        "stored form {} bytes on average, {largest} at most; card {} bytes on average",
        stored / each,
        shown / each
    )?;
    Ok(())
}

/// How long something took.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement needs a clock; the machine that is measured has none"
)]
fn timed(work: impl FnOnce() -> Result<(), String>) -> Result<Duration, String> {
    let start = std::time::Instant::now();
    work()?;
    Ok(start.elapsed())
}
