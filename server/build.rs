//! Looks at what is built into the server besides its own source: the migrations, and the phone page.
//!
//! Compiles the crate again when a migration is added: `sqlx::migrate!` builds the folder in, and on a stable
//! compiler nothing else would notice a new file in it.
//!
//! The phone page is what `web-phone` has been built into. A clone without Node has none, and compiles all the same:
//! with a page that says so (`src/http/pages.rs`). Here the list of its files is written, with a mark for each that is
//! another when its content is.

use std::{
    collections::hash_map::DefaultHasher,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    hash::{Hash as _, Hasher as _},
    path::Path,
};

const BUILT: &str = "../web-phone/dist";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../migrations");
    println!("cargo:rerun-if-changed={BUILT}");
    let mut files: Vec<_> = fs::read_dir(BUILT)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let mut list = String::from("&[\n");
    for path in files {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if name.starts_with('.') || path.extension().is_some_and(|ending| ending == "gz") {
            continue;
        }
        let full = path.canonicalize()?;
        let mut mark = DefaultHasher::new();
        fs::read(&full)?.hash(&mut mark);
        // As the text of a string, whatever is in it.
        let full = full.to_str().ok_or("the path is not UTF-8")?;
        let packed = format!("{full}.gz");
        let packed = if Path::new(&packed).is_file() {
            format!("Some(include_bytes!({packed:?}))")
        } else {
            "None".to_owned()
        };
        writeln!(
            list,
            "    Asset {{ name: {name:?}, mark: \"\\\"{:016x}\\\"\", plain: include_bytes!({full:?}), packed: {packed} }},",
            mark.finish()
        )?;
    }
    list.push(']');
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("phone_page.rs"), list)?;
    Ok(())
}
