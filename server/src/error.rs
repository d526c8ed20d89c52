//! Errors become HTTP here, and nowhere else.
//!
//! Inside, use the precise error of the module; a handler returns [`ApiError`], whose sentence is for the
//! person at the other end and whose cause is for the log. The body is a problem (RFC 9457): the code for programs,
//! the sentence for people, and what is wrong with which field.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use cordboard_core::{
    api::{FieldError, Problem},
    machine::RefusalCode,
};

tokio::task_local! {
    /// The id of the request that is being answered, for whoever looks for it in the log.
    pub static REQUEST: String;
}

/// What a request is refused with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Not signed in, or with a token that no longer holds.
    #[error("{0}")]
    NotSignedIn(String),
    /// Signed in, and not allowed.
    #[error("{0}")]
    NotAllowed(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The request cannot be read.
    #[error("{0}")]
    BadInput(String),
    /// It can be read, and some of what it says is wrong.
    #[error("{}", sentence(.0))]
    Invalid(Vec<FieldError>),
    /// The machine said no: the sentence is its.
    #[error("{0}")]
    Refused(String),
    /// The machine said no, because of the phone page of whoever asks.
    #[error("{0}")]
    NoPage(String),
    /// Somebody was first: with a call.
    #[error("{0}")]
    Moved(String),
    /// Somebody was first: with a person or a part of the house.
    #[error("{0}")]
    Changed(String),
    /// It was accepted and did not come true.
    #[error("{0}")]
    Failed(String),
    /// The same command id, with another content.
    #[error("This command id was used before for something else. Use a new one.")]
    OtherContent,
    /// A signature that is not the carrier's.
    #[error("The signature does not belong to this request.")]
    Forged,
    /// Too many at once.
    #[error("Too many requests. Try again in a moment.")]
    TooMany,
    /// Too many for now.
    #[error("Too many tries. Wait {0} s.")]
    Wait(u32),
    /// The page has not been let in yet (RFC 8628, 3.5).
    #[error("Nobody has let this page in yet. Confirm it in the console.")]
    AuthorizationPending,
    /// It asks too often (RFC 8628, 3.5).
    #[error("Ask less often.")]
    SlowDown,
    /// Its code is over (RFC 8628, 3.5).
    #[error("This code is over. Ask the console for another.")]
    ExpiredToken,
    /// The console has refused it (RFC 8628, 3.5).
    #[error("The console has refused this page.")]
    AccessDenied,
    /// There is an administrator.
    #[error("This server is set up already. Ask its administrator for an invitation.")]
    SetUp,
    /// There is no such path.
    #[error("There is nothing at this address. GET /api/openapi.json says what there is.")]
    NoRoute,
    /// There is, and it cannot be asked that way.
    #[error("This address does not take that method. GET /api/openapi.json says which it takes.")]
    NoMethod,
    /// We have broken down over it. The cause is in the log.
    #[error("The server has made a mistake over this. Its log says more, under this request's id.")]
    Broken,
    /// It took too long.
    #[error("This took too long and was given up. Look whether it was done before you try again.")]
    TimedOut,
    /// The body is too large.
    #[error("This is more than a request may bring. Send less.")]
    TooLarge,
    /// Our store or something else of ours fails. The cause is in the log.
    #[error("The server cannot do this right now. Nothing was changed. Try again in a moment.")]
    Unavailable,
    /// The store took it and did not say whether it is kept.
    #[error("Whether this was done is not known yet. Look at the board before you try again.")]
    Uncertain,
}

impl ApiError {
    /// A short word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotSignedIn(_) => "not-signed-in",
            Self::NotAllowed(_) => "not-allowed",
            Self::NotFound(_) => "not-found",
            Self::BadInput(_) => "bad-input",
            Self::Invalid(_) => "invalid",
            Self::Refused(_) => RefusalCode::Refused.word(),
            Self::NoPage(_) => RefusalCode::NoPage.word(),
            Self::Moved(_) => "moved",
            Self::Changed(_) => "changed",
            Self::Failed(_) => "failed",
            Self::OtherContent => "other-content",
            Self::Forged => "forged",
            Self::TooMany | Self::Wait(_) => "too-many",
            Self::AuthorizationPending => "authorization-pending",
            Self::SlowDown => "slow-down",
            Self::ExpiredToken => "expired-token",
            Self::AccessDenied => "access-denied",
            Self::SetUp => "setup-closed",
            Self::NoRoute => "no-route",
            Self::NoMethod => "no-method",
            Self::Broken => "broken",
            Self::TimedOut => "timed-out",
            Self::TooLarge => "too-large",
            Self::Unavailable => "unavailable",
            Self::Uncertain => "unknown",
        }
    }

    /// The HTTP status it becomes.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotSignedIn(_) => StatusCode::UNAUTHORIZED,
            Self::NotAllowed(_) | Self::Forged | Self::AccessDenied | Self::SetUp => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound(_) | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadInput(_) | Self::AuthorizationPending | Self::SlowDown => {
                StatusCode::BAD_REQUEST
            }
            // The RFC's 400 is for servers that also answer other things there; this says more.
            Self::ExpiredToken => StatusCode::GONE,
            Self::Refused(_)
            | Self::NoPage(_)
            | Self::Moved(_)
            | Self::Failed(_)
            | Self::Changed(_) => StatusCode::CONFLICT,
            Self::OtherContent | Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany | Self::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable | Self::Uncertain => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// After how many seconds it is worth another try, if that is known.
    const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Wait(seconds) => Some(*seconds),
            Self::TooMany | Self::Unavailable => Some(1),
            _ => None,
        }
    }

    /// As it travels.
    pub fn problem(&self) -> Problem {
        let status = self.status();
        Problem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            code: self.code().to_owned(),
            request_id: REQUEST.try_with(Clone::clone).ok(),
            errors: match self {
                Self::Invalid(errors) => errors.clone(),
                _ => Vec::new(),
            },
        }
    }
}

/// One wrong field speaks for itself; of more, it is said how many.
fn sentence(errors: &[FieldError]) -> String {
    match errors {
        [one] => one.why.clone(),
        many => format!("{} fields are not right.", many.len()),
    }
}

impl From<Vec<FieldError>> for ApiError {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::Invalid(errors)
    }
}

impl From<crate::throttle::Wait> for ApiError {
    fn from(wait: crate::throttle::Wait) -> Self {
        Self::Wait(wait.seconds)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if matches!(self, Self::NotSignedIn(_)) {
            // RFC 6750, 3: a 401 names the scheme.
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl From<crate::store::StoreError> for ApiError {
    fn from(cause: crate::store::StoreError) -> Self {
        tracing::error!(%cause, "the store failed");
        match cause {
            crate::store::StoreError::Uncertain(_) => Self::Uncertain,
            _ => Self::Unavailable,
        }
    }
}

impl From<crate::store::NotArranged> for ApiError {
    fn from(why: crate::store::NotArranged) -> Self {
        use crate::store::NotArranged;
        match why {
            NotArranged::Stale => Self::Changed(
                "Somebody has changed this meanwhile. Look at it again before you change it."
                    .to_owned(),
            ),
            NotArranged::Taken { field, whose } => Self::Invalid(vec![FieldError {
                field: field.to_owned(),
                why: format!("This is {whose}'s already."),
            }]),
            NotArranged::Needed(why) => Self::Refused(why),
            NotArranged::Spent => {
                Self::NotFound("This code is not valid, or not any more.".to_owned())
            }
            NotArranged::Admin => Self::Refused(
                "They are the last administrator. Make somebody else one first.".to_owned(),
            ),
            NotArranged::Store(cause) => cause.into(),
        }
    }
}
