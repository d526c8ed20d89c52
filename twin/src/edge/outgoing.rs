//! A client calls: its token names an application, and that application's TwiML says what becomes of the call.

use std::collections::BTreeMap;

use crate::token::{Identity, Unfit};
use crate::world::call::{Direction, NewCall};
use crate::world::{Program, Source, Subscription, World};

/// The longest that a client's parameters may be together.
const LONGEST: usize = 4096;

/// Makes the call of a client whose token was good, and what it shall run. Whoever has made everything ready starts
/// that.
pub(crate) fn dial_in(
    w: &mut World,
    identity: &Identity,
    params: &BTreeMap<String, String>,
) -> Result<(String, Program), Unfit> {
    let unfit = |code, why: &str| Unfit {
        code,
        why: why.to_owned(),
    };
    let length: usize = params.iter().map(|(k, v)| k.len() + v.len()).sum();
    if length > LONGEST {
        return Err(unfit(31103, "the parameters are too long"));
    }
    let app_sid = identity.application_sid.as_deref();
    let app_sid =
        app_sid.ok_or_else(|| unfit(20106, "the access token has no grant for outgoing calls"))?;
    let app = w.account.application(app_sid).map(|a| a.voice.clone());
    let app = app.ok_or_else(|| unfit(31001, "there is no application of that sid"))?;
    let source = app
        .voice()
        .ok_or_else(|| unfit(31002, "the application has no VoiceUrl"))?;
    let callbacks = app.status().map(|target| Subscription {
        target,
        events: vec![String::from("completed")],
    });
    let sid = w.create_quiet_call(NewCall {
        from: format!("client:{}", identity.name),
        to: params.get("To").cloned().unwrap_or_default(),
        direction: Direction::Inbound,
        who: identity.name.clone(),
        parent: None,
        callbacks: callbacks.into_iter().collect(),
        fallback: app.fallback(),
    });
    if let Some(call) = w.call_mut(&sid) {
        call.app_sid.clone_from(&identity.application_sid);
        let extra = params.iter().map(|(k, v)| (k.clone(), v.clone()));
        call.extra.0.extend(extra);
    }
    let source = Source::Url(source);
    Ok((sid, Program::Incoming { source }))
}
