//! What the REST API was asked and what it answered: a bounded ring for `GET /control/requests`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::clock::rfc3339;
use crate::form::Form;
use crate::world::new_sid;

/// Requests remembered.
const REMEMBERED: usize = 20_000;
/// Bytes remembered of one request, its path and as many of its parameters as fit: whoever asks decides how long
/// they are, and needs no password to be remembered.
const BYTES: usize = 8 * 1024;
/// What a parameter takes besides its letters.
const PARAMETER: usize = 64;

#[derive(Debug)]
struct Row {
    at: i64,
    method: String,
    path: String,
    params: Form,
    status: u16,
    code: Option<u32>,
    fault: Option<&'static str>,
}

#[derive(Debug)]
pub(crate) struct RestLog(Mutex<Rows>);

#[derive(Debug)]
struct Rows {
    rows: VecDeque<Row>,
    /// A stream of their own, so that no poll changes the ids of the calls made after it.
    ids: StdRng,
}

impl RestLog {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Rows {
            rows: VecDeque::new(),
            ids: StdRng::seed_from_u64(seed ^ 0x5251_4944),
        }))
    }

    /// Remembers a request and hands back its id, `RQ…`.
    #[expect(
        clippy::too_many_arguments,
        reason = "one row of a log, written in one place"
    )]
    pub(crate) fn add(
        &self,
        at: i64,
        method: &str,
        path: &str,
        params: Form,
        status: u16,
        code: Option<u32>,
        fault: Option<&'static str>,
    ) -> String {
        let mut left = BYTES;
        let path = clip(path.to_owned(), &mut left);
        let params = clip_form(params, left);
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if log.rows.len() >= REMEMBERED {
            log.rows.pop_front();
        }
        log.rows.push_back(Row {
            at,
            method: method.to_owned(),
            path,
            params,
            status,
            code,
            fault,
        });
        new_sid("RQ", &mut log.ids)
    }

    /// Oldest first.
    pub(crate) fn body(&self) -> Vec<Value> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.rows
            .iter()
            .map(|r| {
                let mut params = serde_json::Map::new();
                for (key, value) in &r.params.0 {
                    match params.get_mut(key) {
                        None => drop(params.insert(key.clone(), json!(value))),
                        Some(Value::Array(many)) => many.push(json!(value)),
                        Some(one) => *one = json!([one.take(), value]),
                    }
                }
                let mut body =
                    json!({ "at": rfc3339(r.at), "method": r.method, "path": r.path, "params": params, "status": r.status });
                if let Some(code) = r.code {
                    body["code"] = json!(code);
                }
                if let Some(fault) = r.fault {
                    body["fault"] = json!(fault);
                }
                body
            })
            .collect()
    }
}

fn clip_form(form: Form, mut left: usize) -> Form {
    let mut kept = Form::new();
    for (key, value) in form.0 {
        if left < PARAMETER {
            break;
        }
        left -= PARAMETER;
        kept.push(clip(key, &mut left), clip(value, &mut left));
    }
    kept
}

fn clip(mut text: String, left: &mut usize) -> String {
    text.truncate(text.floor_char_boundary(*left));
    text.shrink_to_fit();
    *left -= text.len();
    text
}
