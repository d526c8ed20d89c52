//! People: coming in, staying signed in, and what each may have changed; over HTTP and sockets, on both databases.
//!
//! Read next: `people/kit.rs` (a client), `people/table.rs` (who may what), `people/tokens.rs` (what thieves find).

/// Each case as a test of its own on each database.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                Box::pin(super::$case(cordboard_tests::backends::sqlite_file())).await;
            }
        )+}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(database) = cordboard_tests::backends::fresh_database().await else { return };
                Box::pin(super::$case(database)).await;
            }
        )+}
    };
}

mod joining;
pub(crate) mod kit;
pub(crate) mod paired;
pub(crate) mod pairing;
mod table;
mod tokens;
mod verbs;
