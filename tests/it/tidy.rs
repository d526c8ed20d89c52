//! The rules this repository holds itself to, as tests: which crate and which module may know which, where
//! words and numbers of the outside live, and what a tracked file may not contain.
//!
//! Rules are data ([`RULES`], [`CRATES`]); a rule about files that do not exist yet holds by itself. What the
//! compiler or clippy can check is not repeated here. To change a rule, change the row and say why in the
//! commit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use Part::{Code, TestCode, Whole};

/// Which part of a file a rule reads.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// Rust without comments and without its tests.
    Code,
    /// Only tests: files in a `tests` folder, `tests.rs`, and `mod tests` at a module's end; without comments.
    TestCode,
    /// Every line as it stands.
    Whole,
}

/// `files` must not contain `forbidden`, `because` of the sentence. `*` in a glob also crosses folders.
struct Rule {
    files: &'static [&'static str],
    except: &'static [&'static str],
    part: Part,
    forbidden: &'static [&'static str],
    because: &'static str,
}

const RULES: &[Rule] = &[
    // The domain.
    Rule {
        files: &["core/src/*.rs"],
        except: &[],
        part: Code,
        forbidden: &["async fn", "std::io", "tokio::", "::now()", "rand::"],
        because: "the call machine is pure: no clock, no I/O, no async, no dice; they come in as data",
    },
    // The server's modules.
    Rule {
        files: &["server/src/exchange*.rs"],
        except: &[],
        part: Code,
        forbidden: &["crate::twilio", "super::twilio", "reqwest"],
        because: "effects leave the exchange through the outbox, never straight to the carrier",
    },
    Rule {
        files: &["server/src/exchange*.rs"],
        except: &[],
        part: Code,
        forbidden: &[
            "crate::http",
            "crate::ws",
            "crate::dispatch",
            "crate::reconcile",
            "axum::",
        ],
        because: "the exchange is the door; those who come through it know it, not the other way round",
    },
    Rule {
        files: &["server/src/store*.rs"],
        except: &[],
        part: Code,
        forbidden: &[
            "crate::live",
            "crate::twilio",
            "crate::http",
            "crate::ws",
            "crate::exchange",
            "crate::dispatch",
        ],
        because: "the store keeps what it is given and knows nobody above it",
    },
    Rule {
        files: &["server/src/live*.rs"],
        except: &[],
        part: Code,
        forbidden: &[
            "crate::twilio",
            "crate::http",
            "crate::ws",
            "crate::exchange",
            "crate::store",
        ],
        because: "live only carries what was committed",
    },
    Rule {
        files: &["server/src/twilio*.rs"],
        except: &[],
        part: Code,
        forbidden: &[
            "crate::store",
            "crate::live",
            "crate::ws",
            "crate::dispatch",
            "crate::reconcile",
        ],
        because: "the carrier's corner translates words; it neither stores nor publishes",
    },
    Rule {
        files: &["server/src/ws*.rs"],
        except: &[],
        part: Code,
        forbidden: &["crate::twilio", "crate::dispatch"],
        because: "sockets decide nothing and never speak to the carrier",
    },
    Rule {
        files: &["server/src/*.rs"],
        except: &["server/src/store*.rs"],
        part: Code,
        forbidden: &[
            "sqlx::query",
            "\"SELECT ",
            "\"UPDATE ",
            "INSERT INTO ",
            "DELETE FROM ",
            "CREATE TABLE ",
        ],
        because: "all SQL lives in the store, where the conformance suite runs it on both databases",
    },
    Rule {
        files: &["core/src/*.rs", "server/src/*.rs", "console/src/*.rs"],
        except: &["server/src/twilio*.rs"],
        part: Code,
        forbidden: &[
            "TwiML",
            "X-Twilio",
            "x-twilio",
            "<Response>",
            "StatusCallback",
            "\"CallSid",
            "\"ConferenceSid",
        ],
        because: "only server/src/twilio* spells Twilio's words",
    },
    Rule {
        files: &["server/src/*.rs"],
        // `rest` reads the carrier's answers; it does not pick ours.
        except: &["server/src/error.rs", "server/src/twilio/rest*.rs"],
        part: Code,
        // The names of 4xx and 5xx; a success is told where it happens.
        forbidden: &[
            "StatusCode::BAD_",
            "StatusCode::CONFLICT",
            "StatusCode::FORBIDDEN",
            "StatusCode::GONE",
            "StatusCode::INTERNAL_",
            "StatusCode::METHOD_",
            "StatusCode::NOT_A",
            "StatusCode::NOT_F",
            "StatusCode::NOT_I",
            "StatusCode::PAYLOAD_",
            "StatusCode::PRECONDITION_",
            "StatusCode::REQUEST_",
            "StatusCode::SERVICE_",
            "StatusCode::TOO_",
            "StatusCode::UN",
            "StatusCode::from_u16",
        ],
        because: "only server/src/error.rs picks a refusal's status code, so that one refusal has one code everywhere",
    },
    // The console's modules.
    Rule {
        files: &["console/src/*.rs"],
        except: &["console/src/main.rs", "console/src/demo*.rs"],
        part: Code,
        forbidden: &["cordboard_server"],
        because: "the console speaks the wire; only main and demo may know the server",
    },
    Rule {
        files: &["console/src/*.rs"],
        except: &[
            "console/src/main.rs",
            "console/src/demo*.rs",
            "console/src/softphone.rs",
        ],
        part: Code,
        forbidden: &["cordboard_twin"],
        because: "the console knows no carrier; only the demo and its pretend softphones may know the twin",
    },
    Rule {
        files: &[
            "console/src/app*.rs",
            "console/src/door*.rs",
            "console/src/field.rs",
            "console/src/form*.rs",
            "console/src/settings*.rs",
        ],
        // It runs the door, as run.rs does the board.
        except: &["console/src/door/run.rs"],
        part: Code,
        forbidden: &[
            "crate::view",
            "crate::net",
            "crate::run",
            "crossterm",
            "tokio::",
            "std::fs",
            "::now()",
        ],
        because: "update is pure: messages in, commands out",
    },
    Rule {
        files: &["console/src/view*.rs"],
        except: &[],
        part: Code,
        forbidden: &[
            "crate::net",
            "crate::run",
            "crossterm::event",
            "tokio::",
            "::now()",
        ],
        because: "view only draws the model it is given",
    },
    // Tests.
    Rule {
        files: &["*.rs"],
        // The harness polls; its waits have names and limits. Measurements rest between samples, and are no
        // tests.
        except: &["tests/src/*.rs", "tests/examples/*.rs"],
        part: TestCode,
        forbidden: &["sleep(", "sleep_until("],
        because: "no test sleeps: wait for what you mean, under a name, with a limit",
    },
    Rule {
        files: &["*.rs"],
        except: &[],
        part: Whole,
        forbidden: &["#[ignore]"],
        because: "a test is switched off only with a reason: #[ignore = \"…\"]",
    },
    // Every file.
    Rule {
        files: &["*.rs", "*.ts", "*.toml", "*.sql"],
        except: &[],
        part: Whole,
        forbidden: &["TODO", "FIXME"],
        because: "what is left to do is an issue, or is written down as a limit",
    },
    Rule {
        files: &["*"],
        except: &["Cargo.lock"],
        part: Whole,
        forbidden: &["artifactory", "jfrog", "replace-with"],
        because: "the public registries are the only ones a clone may need",
    },
];

/// Each crate and the crates of this workspace it may depend on, also for its tests.
const CRATES: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("media", &[]),
    ("server", &["cordboard-core"]),
    ("twin", &["cordboard-media"]),
    (
        "console",
        &["cordboard-core", "cordboard-server", "cordboard-twin"],
    ),
    (
        "tests",
        &[
            "cordboard",
            "cordboard-core",
            // What a browser's microphone hears is a file of its kind.
            "cordboard-media",
            "cordboard-server",
            "cordboard-twin",
        ],
    ),
    ("xtask", &[]),
];

/// What the domain may never link, whatever it is used for.
const NOT_IN_CORE: &[&str] = &[
    "tokio", "rand", "reqwest", "sqlx", "axum", "tracing", "rustix",
];

/// Folders of one machine. A path counts only where it begins, so that a URL's path does not.
const LOCAL: &[&str] = &["home", "root", "Users", "work", "mnt"];

/// The longest a Rust file may be.
const CEILING: usize = 1000;

#[test]
fn modules_keep_to_their_rules() {
    let mut broken = String::new();
    for (path, text) in tracked() {
        for rule in RULES {
            for found in violations(rule, &path, &text) {
                let _ = writeln!(broken, "{found}");
            }
        }
    }
    assert!(broken.is_empty(), "\n{broken}");
}

#[test]
fn crates_keep_to_their_arrows() {
    let mut broken = String::new();
    for (folder, allowed) in CRATES {
        for dependency in dependencies(folder) {
            let ours = dependency.starts_with("cordboard") || dependency == "xtask";
            if ours && !allowed.contains(&dependency.as_str()) {
                let _ = writeln!(
                    broken,
                    "{folder}/Cargo.toml must not depend on {dependency}"
                );
            }
            if *folder == "core" && NOT_IN_CORE.contains(&dependency.as_str()) {
                let _ = writeln!(
                    broken,
                    "core/Cargo.toml must stay pure, without {dependency}"
                );
            }
        }
    }
    let root = manifest(Path::new("Cargo.toml"));
    for member in root["workspace"]["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        if !CRATES.iter().any(|(folder, _)| *folder == member) {
            let _ = writeln!(
                broken,
                "{member} is in the workspace and has no row in CRATES"
            );
        }
    }
    assert!(broken.is_empty(), "\n{broken}");
}

#[test]
fn every_dependency_comes_from_the_workspace_table() {
    let mut broken = String::new();
    for (folder, _) in CRATES {
        for (table, entries) in dependency_tables(&manifest(&Path::new(folder).join("Cargo.toml")))
        {
            for (name, value) in entries {
                let inherited = value.as_table().is_some_and(|entry| {
                    entry.get("workspace") == Some(&toml::Value::Boolean(true))
                });
                if !inherited {
                    let _ = writeln!(
                        broken,
                        "{folder}/Cargo.toml [{table}] {name}: write `{name}.workspace = true`, so that one feature set is built"
                    );
                }
            }
        }
    }
    assert!(broken.is_empty(), "\n{broken}");
}

#[test]
fn the_lock_file_knows_only_the_public_index() {
    const INDEX: &str = "registry+https://github.com/rust-lang/crates.io-index";
    let lock = manifest(Path::new("Cargo.lock"));
    let strangers: Vec<String> = lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|package| {
            let source = package.get("source")?.as_str()?;
            (source != INDEX).then(|| format!("{} from {source}", package["name"]))
        })
        .collect();
    assert!(strangers.is_empty(), "{strangers:#?}");
}

#[test]
fn node_lock_files_name_no_other_registry() {
    let mut broken = String::new();
    for (path, text) in tracked() {
        if !path.ends_with("package-lock.json") {
            continue;
        }
        for line in text.lines() {
            if let Some((_, from)) = line.split_once("\"resolved\": \"")
                && !from.starts_with("https://registry.npmjs.org/")
                && from.contains("://")
            {
                let _ = writeln!(broken, "{path}: {}", line.trim());
            }
        }
    }
    assert!(broken.is_empty(), "\n{broken}");
}

#[test]
fn no_file_is_too_long_and_every_module_says_what_it_is_for() {
    let mut broken = String::new();
    for (path, text) in tracked() {
        if !is_rust(&path) {
            continue;
        }
        let lines = text.lines().count();
        if lines > CEILING {
            let _ = writeln!(
                broken,
                "{path} has {lines} lines; {CEILING} is the most. Which half has its own name?"
            );
        }
        if !text.starts_with("//!") {
            let _ = writeln!(
                broken,
                "{path} must begin with //!: what it is for, what it must not do, what to read next"
            );
        }
    }
    assert!(broken.is_empty(), "\n{broken}");
}

#[test]
fn no_file_names_a_folder_of_somebodys_machine() {
    let mut broken = String::new();
    for (path, text) in tracked() {
        for (number, line) in text.lines().enumerate() {
            if let Some(folder) = local_path(line) {
                let _ = writeln!(
                    broken,
                    "{path}:{}: /{folder}/… exists on one machine only",
                    number + 1
                );
            }
        }
    }
    assert!(broken.is_empty(), "\n{broken}");
}

#[test]
fn landed_migrations_never_change() {
    const LIST: &str = "tests/fixtures/migrations.sha256";
    let listed: BTreeMap<String, String> = fs::read_to_string(root().join(LIST))
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (hash, name) = line
                .split_once("  ")
                .unwrap_or_else(|| panic!("{LIST}: `{line}` is not a line of sha256sum"));
            (name.to_owned(), hash.to_owned())
        })
        .collect();
    let mut broken = String::new();
    for (name, hash) in &listed {
        match fs::read(root().join(name)) {
            Err(error) => {
                let _ = writeln!(broken, "{name} has landed and is gone: {error}");
            }
            Ok(bytes) if sha256(&bytes) != *hash => {
                let _ = writeln!(
                    broken,
                    "{name} has landed and must not change: databases have applied it. Add a new one"
                );
            }
            Ok(_) => {}
        }
    }
    let newest = listed.keys().next_back();
    for (path, _) in tracked() {
        if matches("migrations/*.sql", &path)
            && !listed.contains_key(&path)
            && newest.is_some_and(|newest| path < *newest)
        {
            let _ = writeln!(
                broken,
                "{path} sorts before a landed migration: databases that are past it would refuse it"
            );
        }
    }
    assert!(broken.is_empty(), "\n{broken}");
}

#[test]
fn the_rules_can_be_broken() {
    // Planted offences: a rule that cannot fail holds nothing.
    let rule = |because: &str| {
        RULES
            .iter()
            .find(|rule| rule.because.contains(because))
            .unwrap_or_else(|| panic!("no rule says {because:?}"))
    };
    let sql = rule("all SQL");
    let planted = "fn f() {\n    let q = \"SELECT 1\"; // \"SELECT 2\"\n}\n// \"SELECT 3\"\n#[cfg(test)]\nmod tests {\n    const Q: &str = \"SELECT 4\";\n}\n";
    assert_eq!(
        violations(sql, "server/src/http/calls.rs", planted).len(),
        1
    );
    assert_eq!(
        violations(sql, "server/src/store/calls.rs", planted).len(),
        0
    );
    assert_eq!(
        violations(sql, "server/src/http/tests.rs", planted).len(),
        0
    );
    assert_eq!(violations(sql, "twin/src/rest.rs", planted).len(), 0);

    let sleep = rule("no test sleeps");
    let planted = "fn f() { sleep(1); }\n#[cfg(test)]\nmod tests {\n    fn g() { sleep(2); }\n}\n";
    assert_eq!(violations(sleep, "twin/src/world.rs", planted).len(), 1);
    assert_eq!(violations(sleep, "twin/tests/rest.rs", planted).len(), 2);
    assert_eq!(violations(sleep, "tests/src/wait.rs", planted).len(), 0);

    let elsewhere = format!("at {}home/ada/cordboard", "/");
    assert_eq!(local_path(&elsewhere), Some("home"));
    assert_eq!(local_path("https://example.org/home/page"), None);
    assert_eq!(sha256(b"abc")[..8], *"ba7816bf");
}

/// Each offence as `path:line: what is there; because`.
fn violations(rule: &Rule, path: &str, text: &str) -> Vec<String> {
    let applies = rule.files.iter().any(|glob| matches(glob, path))
        && !rule.except.iter().any(|glob| matches(glob, path))
        && path != "tests/it/tidy.rs";
    if !applies {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in lines_of(rule.part, path, text) {
        for word in rule.forbidden {
            if line.contains(word) {
                found.push(format!("{path}:{number}: `{word}`: {}", rule.because));
            }
        }
    }
    found
}

/// The numbered lines of one part of a file.
fn lines_of(part: Part, path: &str, text: &str) -> Vec<(usize, String)> {
    let all = || {
        text.lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    };
    if part == Whole {
        return all()
            .map(|(number, line)| (number, line.to_owned()))
            .collect();
    }
    let all_tests =
        path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
    let tests_begin = if all_tests {
        0
    } else {
        // By habit a module's tests are its last item.
        let lines: Vec<&str> = text.lines().collect();
        lines
            .windows(2)
            .position(|pair| {
                pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
            })
            .unwrap_or(usize::MAX)
    };
    all()
        .filter(|(number, _)| (*number > tests_begin) == (part == TestCode))
        .map(|(number, line)| (number, without_comment(line).to_owned()))
        .collect()
}

/// The line without its comment. A `//` inside a string survives unless it stands between spaces.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.split_once(" // ").map_or(line, |(code, _)| code)
}

/// The folder of one machine that a line names, if any.
fn local_path(line: &str) -> Option<&'static str> {
    LOCAL.iter().copied().find(|folder| {
        let path = format!("/{folder}/");
        line.match_indices(&path).any(|(at, _)| {
            !line[..at]
                .ends_with(|before: char| before.is_alphanumeric() || "_.-/*}".contains(before))
        })
    })
}

/// Whether a path matches a glob, in which `*` stands for anything, slashes too.
fn matches(glob: &str, path: &str) -> bool {
    match glob.split_once('*') {
        None => glob == path,
        Some((before, after)) => path.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))
        }),
    }
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|end| end == "rs")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every tracked text file that is there, by its path from the root.
fn tracked() -> Vec<(String, String)> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git lists the tracked files");
    assert!(
        output.status.success(),
        "`git ls-files` failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let files: Vec<(String, String)> = String::from_utf8(output.stdout)
        .expect("tracked paths are UTF-8")
        .split_terminator('\0')
        // Bytes that are no text (an image, say) are nobody's rule.
        .filter_map(|path| Some((path.to_owned(), fs::read_to_string(root().join(path)).ok()?)))
        .collect();
    assert!(
        files.len() > 10,
        "only {} tracked files were read",
        files.len()
    );
    files
}

fn manifest(path: &Path) -> toml::Table {
    let text = fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
    text.parse()
        .unwrap_or_else(|error| panic!("{} is no TOML: {error}", path.display()))
}

/// A crate's dependency tables by name: plain, for tests, for build scripts, and per target.
fn dependency_tables(manifest: &toml::Table) -> Vec<(String, toml::Table)> {
    let here = |at: &str, table: &toml::Table| {
        ["dependencies", "dev-dependencies", "build-dependencies"]
            .iter()
            .filter_map(|name| Some((format!("{at}{name}"), table.get(*name)?.as_table()?.clone())))
            .collect::<Vec<_>>()
    };
    let mut all = here("", manifest);
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        for (target, table) in targets {
            if let Some(table) = table.as_table() {
                all.extend(here(&format!("target.{target}."), table));
            }
        }
    }
    all
}

fn dependencies(folder: &str) -> Vec<String> {
    dependency_tables(&manifest(&Path::new(folder).join("Cargo.toml")))
        .into_iter()
        .flat_map(|(_, table)| table.into_iter().map(|(name, _)| name))
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
