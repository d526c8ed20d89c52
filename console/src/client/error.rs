//! Why there is no answer, or not the one that was hoped for; and how that is read off what the server sent.
//!
//! Every error is a sentence that a person can act on, in words that cannot move a cursor. It must not decide an
//! exit code: the command line does.
//!
//! Read next: `client/http.rs`.

use std::time::Duration;

use cordboard_core::{
    api::{FieldError, Problem},
    ids::SafeText,
};
use url::Url;

use super::{address, store::StoreError};
use crate::cli::show::plain;

/// Why there is no answer, or not the one that was hoped for. Each is a sentence a person can act on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing was changed: the server was not reached, or it says it can't work now.
    #[error("The server at {} cannot be reached: {why}.", address(url))]
    Unreachable {
        /// Where.
        url: Url,
        /// What happened instead.
        why: String,
    },
    /// The request was sent, and the answer was lost. It may have been carried out.
    #[error("It was sent, but no answer came: {why}. Look what became of it before you try again.")]
    Lost {
        /// What happened instead.
        why: String,
    },
    /// The server said no.
    #[error("{why}")]
    Refused {
        /// The status.
        status: u16,
        /// A short word for programs.
        code: String,
        /// A sentence for people.
        why: String,
        /// What is wrong, field by field.
        errors: Vec<FieldError>,
        /// When it may be tried again, where the server has said so.
        retry_after: Option<Duration>,
    },
    /// The answer can't be read: another version, or no Cordboard.
    #[error(
        "The server at {} answered something this program does not understand ({what}). Are they of the same version?",
        address(url)
    )]
    Garbled {
        /// Where.
        url: Url,
        /// What was wrong with it.
        what: String,
    },
    /// What lets us in could not be read from this machine's file, or not be written into it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The code of a change that was made on an old state of the thing.
pub const CHANGED: &str = "changed";

impl ClientError {
    /// A refusal with nothing beside it.
    pub fn refused(status: u16, code: &str, why: impl Into<String>) -> Self {
        Self::Refused {
            status,
            code: code.to_owned(),
            why: why.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// Whether the server does not know who is asking.
    pub fn signed_out(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }

    /// Whether the server does not allow it, whoever asks.
    pub fn forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 403, .. })
    }

    /// The sign-in there has come to its end.
    pub(super) fn ended(url: &Url) -> Self {
        let at = address(url);
        let why = format!(
            "You are not signed in at {at} any more. Sign in again: cordboard login --url {at}."
        );
        Self::refused(401, "not-signed-in", why)
    }
}

/// What an answer that is not a good one means. `once`: the request must not be sent a second time unseen, so it
/// matters whether it may have been carried out.
pub(crate) fn refusal(
    base: &Url,
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
    once: bool,
) -> ClientError {
    let said = serde_json::from_slice::<Problem>(body).ok();
    let lost = |why: String| ClientError::Lost { why };
    let unreachable = |why: String| ClientError::Unreachable {
        url: base.clone(),
        why,
    };
    match (status, said) {
        // A gateway in between: whether the request went through is not known.
        (502 | 504, _) if once => lost(format!("a gateway answered {status}")),
        (502..=504, Some(said)) => {
            unreachable(sentence(&said.detail).trim_end_matches('.').to_owned())
        }
        (502..=504, None) => unreachable(format!("it answered {status}")),
        (500..=599, _) if once => lost(format!("the server answered {status}")),
        (_, Some(said)) => ClientError::Refused {
            status,
            code: SafeText::from(&*said.code).to_string(),
            why: sentence(&said.detail),
            errors: said.errors.iter().map(clean).collect(),
            retry_after,
        },
        (401, None) => ClientError::refused(
            401,
            "not-signed-in",
            "You are not signed in. Run cordboard login.",
        ),
        (429, None) => ClientError::Refused {
            retry_after,
            status,
            code: "too-many".to_owned(),
            why: "That was too often. Wait a while before you try again.".to_owned(),
            errors: Vec::new(),
        },
        (_, None) => ClientError::Garbled {
            url: base.clone(),
            what: format!("status {status}"),
        },
    }
}

fn clean(error: &FieldError) -> FieldError {
    FieldError {
        field: SafeText::from(&*error.field).to_string(),
        why: sentence(&error.why),
    }
}

/// What the server says in a sentence, without anything that moves a cursor. Longer than a name, shorter than a
/// page.
pub(super) fn sentence(text: &str) -> String {
    let short: String = text.chars().take(300).collect();
    plain(&short)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The innermost cause: "connection refused" says more than "error sending request".
pub(super) fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    SafeText::from(&*cause.to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn url() -> Url {
        "http://127.0.0.1:1/".parse().unwrap()
    }

    fn problem(status: u16, code: &str, detail: &str) -> Vec<u8> {
        json!({ "type": "about:blank", "title": "No", "status": status, "detail": detail, "code": code,
                "errors": [{ "field": "person.\u{1b}email", "why": "Is \u{9b}2Jtaken." }] })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_problem_is_read_whole_and_loses_what_moves_a_cursor() {
        let body = problem(422, "bad-input", "Two\u{1b}[2J\nfields\u{202e} are wrong.");
        let wait = Some(Duration::from_secs(7));
        let ClientError::Refused {
            status,
            code,
            why,
            errors,
            retry_after,
        } = refusal(&url(), 422, wait, &body, true)
        else {
            panic!("it was refused");
        };
        assert_eq!((status, &*code, retry_after), (422, "bad-input", wait));
        assert_eq!(why, "Two [2J fields are wrong.");
        assert_eq!(errors[0].why, "Is 2Jtaken.");
        assert!(!errors[0].field.contains('\u{1b}'), "{errors:?}");
    }

    #[test]
    fn whether_it_may_have_been_done_is_told_apart() {
        let read = |status, body: &[u8], once| refusal(&url(), status, None, body, once);
        let busy = problem(503, "unavailable", "The database is not there.");
        for once in [true, false] {
            // The server itself says that it did nothing.
            assert!(matches!(
                read(503, &busy, once),
                ClientError::Unreachable { .. }
            ));
            assert!(read(401, b"", once).signed_out());
            assert!(matches!(
                read(418, b"tea", once),
                ClientError::Garbled { .. }
            ));
        }
        for status in [500, 502, 504] {
            assert!(
                matches!(read(status, b"", true), ClientError::Lost { .. }),
                "{status}"
            );
            assert!(
                !matches!(read(status, b"", false), ClientError::Lost { .. }),
                "{status}"
            );
        }
    }
}
