//! One database for one test.
//!
//! Every test runs in a process of its own and must not see another's rows. On SQLite that is a file in a
//! temporary folder. On PostgreSQL it is a database copied from one template, on the one server that
//! `TEST_DATABASE_URL` names; `make test` starts that server. The template holds the migrated, empty schema, is
//! made by whichever test comes first, and is named after the migrations' checksums, so that a long-lived
//! server never serves a stale one.
//!
//! Without `TEST_DATABASE_URL` there is no PostgreSQL and the helpers answer `None`: the caller returns early.
//! With it, a server that cannot be used is a failure and never a skip.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Once;

use cordboard_core::wire::Delta;
use cordboard_server::store::Store;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use url::Url;

/// Two tests that find no template at the same time take turns on this advisory lock. Any fixed number serves.
const TEMPLATE_LOCK: i64 = 0x0063_6f72_6462_6f61;

/// Which of the two databases a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file of its own.
    Sqlite,
    /// A database of its own on the shared server.
    Postgres,
}

/// A database that one test owns. Dropping it removes it, also when the test has failed.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    home: Home,
}

#[derive(Debug)]
enum Home {
    Folder(TempDir),
    Server { admin: String, name: String },
    Gone,
}

impl TestDatabase {
    /// What `DATABASE_URL` would say: `sqlite:…` or `postgres:…`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Which database this is, for the sentence a failing test prints.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.url.starts_with("sqlite:") {
            Kind::Sqlite
        } else {
            Kind::Postgres
        }
    }

    /// Sets something of the house, as an administrator would before the doors open.
    ///
    /// # Panics
    /// If it cannot be written.
    pub async fn set(&self, key: &str, value: &str) {
        let store = Store::open(&self.url)
            .await
            .expect("the database can be opened");
        store
            .set_setting(key, value)
            .await
            .expect("a setting can be written");
        store.close().await;
    }

    /// Everything that consoles were ever told, in order.
    ///
    /// # Panics
    /// If it cannot be read.
    pub async fn told(&self) -> Vec<Delta> {
        let store = Store::open(&self.url)
            .await
            .expect("the database can be opened");
        let (epoch, _) = store.board_position().await.expect("there is a board");
        let told = store.changes_since(&epoch, 0, 100_000).await;
        store.close().await;
        told.expect("changes can be read")
            .expect("nothing was pruned")
    }

    /// Removes the database now and waits until it is gone. Connections that are still open are cut.
    ///
    /// Dropping does the same, but blocks its thread meanwhile.
    ///
    /// # Panics
    /// If it cannot be removed.
    pub async fn close(mut self) {
        match std::mem::replace(&mut self.home, Home::Gone) {
            Home::Folder(folder) => folder.close().expect("a test may remove its own folder"),
            Home::Server { admin, name } => drop_database(&admin, &name).await,
            Home::Gone => {}
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Home::Server { admin, name } = std::mem::replace(&mut self.home, Home::Gone) else {
            return;
        };
        // A runtime cannot be entered twice on one thread, and a test drops this inside its own.
        let worker = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime of one thread can be built")
                .block_on(drop_database(&admin, &name));
        });
        // During a panic the test's own message matters more than a database left behind.
        let dropped = worker.join().is_ok();
        assert!(
            dropped || std::thread::panicking(),
            "the test's database could not be dropped; the reason is above"
        );
    }
}

/// A migrated, empty PostgreSQL database, or `None` (said once) where there is no server.
///
/// # Panics
/// If `TEST_DATABASE_URL` is set and the server cannot be used.
pub async fn fresh_database() -> Option<TestDatabase> {
    let admin = server()?;
    let migrator = migrations().await;
    let template = template(&admin, &migrator).await;
    Some(create(&admin, Some(&template)).await)
}

/// A PostgreSQL database without even a schema, for tests of the migrations themselves.
///
/// # Panics
/// If `TEST_DATABASE_URL` is set and the server cannot be used.
pub async fn empty_database() -> Option<TestDatabase> {
    let admin = server()?;
    Some(create(&admin, None).await)
}

/// An SQLite file that does not exist yet, in a folder of its own. Opening it migrates it.
///
/// # Panics
/// If no temporary folder can be made.
#[must_use]
pub fn sqlite_file() -> TestDatabase {
    let folder = tempfile::Builder::new()
        .prefix("cordboard-test-")
        .tempdir()
        .expect("a test may make a temporary folder");
    let url = format!(
        "sqlite:{}?mode=rwc",
        folder.path().join("cordboard.db").display()
    );
    TestDatabase {
        url,
        home: Home::Folder(folder),
    }
}

/// One of each kind there is: what a test of the one SQL body loops over.
pub async fn every_database() -> Vec<TestDatabase> {
    let mut all = vec![sqlite_file()];
    all.extend(fresh_database().await);
    all
}

#[expect(
    clippy::print_stderr,
    reason = "a skip must be seen by whoever runs one test by hand"
)]
fn server() -> Option<String> {
    static SAID: Once = Once::new();
    let url = std::env::var("TEST_DATABASE_URL")
        .ok()
        .filter(|url| !url.is_empty());
    if url.is_none() {
        SAID.call_once(|| {
            eprintln!(
                "!! SKIPPED PostgreSQL: TEST_DATABASE_URL is not set (`make test` sets it). NOT TESTED: this on PostgreSQL."
            );
        });
    }
    url
}

async fn migrations() -> Migrator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    Migrator::new(folder)
        .await
        .expect("the folder `migrations` holds what the server applies")
}

/// The name of the template for these migrations, made now if it is not there.
async fn template(admin: &str, migrator: &Migrator) -> String {
    let mut name = String::from("cordboard_template_");
    for byte in fingerprint(migrator) {
        let _ = write!(name, "{byte:02x}");
    }
    let mut connection = connect(admin).await;
    if !exists(&mut connection, &name).await {
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(TEMPLATE_LOCK)
            .execute(&mut connection)
            .await
            .expect("the template's lock can be waited for");
        // Whoever held the lock before may have made it.
        if !exists(&mut connection, &name).await {
            // Made under another name and renamed when complete: a test killed half-way leaves no half
            // template.
            let draft = unique("draft");
            run(&mut connection, format!("CREATE DATABASE {draft}")).await;
            let mut inside = connect(&with_database(admin, &draft)).await;
            migrator
                .run(&mut inside)
                .await
                .expect("the migrations apply to an empty PostgreSQL");
            inside
                .close()
                .await
                .expect("a template's own connection closes");
            run(
                &mut connection,
                format!("ALTER DATABASE {draft} RENAME TO {name}"),
            )
            .await;
        }
    }
    // Closing gives the lock back.
    connection.close().await.expect("an idle connection closes");
    name
}

/// Eight bytes that change whenever a migration is added or edited. Not secret, so FNV-1a will do.
fn fingerprint(migrator: &Migrator) -> [u8; 8] {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in migrator.iter().flat_map(|one| one.checksum.iter()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash.to_be_bytes()
}

/// A name that no other run on a shared server has.
#[expect(
    clippy::disallowed_methods,
    reason = "names of databases must differ from run to run; no outcome depends on them"
)]
fn unique(what: &str) -> String {
    format!("cordboard_{what}_{:016x}", rand::random::<u64>())
}

async fn create(admin: &str, template: Option<&str>) -> TestDatabase {
    let name = unique("test");
    let from = template.unwrap_or("template0");
    let mut connection = connect(admin).await;
    run(
        &mut connection,
        format!("CREATE DATABASE {name} TEMPLATE {from}"),
    )
    .await;
    connection.close().await.expect("an idle connection closes");
    TestDatabase {
        url: with_database(admin, &name),
        home: Home::Server {
            admin: admin.to_owned(),
            name,
        },
    }
}

async fn drop_database(admin: &str, name: &str) {
    let mut connection = connect(admin).await;
    run(
        &mut connection,
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
    )
    .await;
}

async fn connect(url: &str) -> PgConnection {
    match PgConnection::connect(url).await {
        Ok(connection) => connection,
        Err(error) => panic!("TEST_DATABASE_URL leads to no usable PostgreSQL: {error}"),
    }
}

/// Runs a statement whose names are all ours: hexadecimal digits after a fixed prefix.
async fn run(connection: &mut PgConnection, statement: String) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(statement.clone()))
        .execute(connection)
        .await
    {
        panic!("`{statement}` failed: {error}");
    }
}

async fn exists(connection: &mut PgConnection, name: &str) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(connection)
        .await
        .expect("the list of databases can be read")
}

/// The same server, another database.
fn with_database(admin: &str, name: &str) -> String {
    let mut url = Url::parse(admin).expect("TEST_DATABASE_URL is a URL");
    url.set_path(name);
    url.into()
}
