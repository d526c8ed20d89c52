//! Errors become HTTP here, and nowhere else.
//!
//! Inside, use the precise error of the module; a handler returns [`ApiError`], whose sentence is for the
//! person at the other end and whose cause is for the log. The body is `{"error":{"code","why"}}`: the code for
//! programs, the sentence for people.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

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
    /// The request is malformed.
    #[error("{0}")]
    BadInput(String),
    /// The machine said no: the sentence is its.
    #[error("{0}")]
    Refused(String),
    /// Somebody was first.
    #[error("{0}")]
    Moved(String),
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
            Self::Refused(_) => "refused",
            Self::Moved(_) => "moved",
            Self::Failed(_) => "failed",
            Self::OtherContent => "other-content",
            Self::Forged => "forged",
            Self::TooMany => "too-many",
            Self::Unavailable => "unavailable",
            Self::Uncertain => "unknown",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::NotSignedIn(_) => StatusCode::UNAUTHORIZED,
            Self::NotAllowed(_) | Self::Forged => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadInput(_) => StatusCode::BAD_REQUEST,
            Self::Refused(_) | Self::Moved(_) | Self::Failed(_) => StatusCode::CONFLICT,
            Self::OtherContent => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::Uncertain => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

#[derive(Serialize)]
struct Body {
    error: Problem,
}

#[derive(Serialize)]
struct Problem {
    code: &'static str,
    why: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body {
            error: Problem {
                code: self.code(),
                why: self.to_string(),
            },
        };
        (self.status(), Json(body)).into_response()
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
