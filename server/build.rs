//! Compiles the crate again when a migration is added: `sqlx::migrate!` builds the folder in, and on a stable
//! compiler nothing else would notice a new file in it.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
