//! Forms, and the door: what `cordboard` shows to somebody who is not signed in yet.
//!
//! `hand.rs` works a form as a person does; `forms.rs` has the form's stories and pictures. `visitor.rs` is somebody
//! at the door; `visits.rs` what they do, `pictures.rs` what they see, `running.rs` the real loop and real sockets,
//! against the made-up server of the `door` example. `anything.rs` has what must hold whatever is done.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: what cannot go on has failed"
)]

#[path = "../../examples/door/server.rs"]
mod server;

mod anything;
mod forms;
mod hand;
mod pictures;
mod running;
mod visitor;
mod visits;
