//! The test databases themselves: a harness that leaks or shares rows would make every other test lie.

use cordboard_tests::backends::{self, Kind};
use sqlx::{Connection as _, PgConnection, Row as _};

async fn count(url: &str, query: &'static str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(query)
        .fetch_one(&mut connection)
        .await
        .unwrap()
        .get(0)
}

#[tokio::test]
async fn two_tests_never_see_each_others_rows() {
    let (Some(one), Some(two)) = (
        backends::fresh_database().await,
        backends::fresh_database().await,
    ) else {
        return;
    };
    assert_eq!(one.kind(), Kind::Postgres);
    assert_ne!(one.url(), two.url());
    let mut connection = PgConnection::connect(one.url()).await.unwrap();
    sqlx::query("CREATE TABLE mine (a BIGINT)")
        .execute(&mut connection)
        .await
        .unwrap();
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'";
    assert_eq!(count(one.url(), tables).await, 1);
    assert_eq!(count(two.url(), tables).await, 0);
}

#[tokio::test]
async fn a_fresh_database_is_migrated_and_an_empty_one_is_not() {
    let (Some(fresh), Some(empty)) = (
        backends::fresh_database().await,
        backends::empty_database().await,
    ) else {
        return;
    };
    let applied = "SELECT count(*) FROM pg_tables WHERE tablename = '_sqlx_migrations'";
    assert_eq!(count(fresh.url(), applied).await, 1);
    assert_eq!(count(empty.url(), applied).await, 0);
}

#[tokio::test]
async fn closing_and_dropping_both_remove_the_database_even_while_it_is_in_use() {
    let (Some(closed), Some(dropped), Some(watch)) = (
        backends::fresh_database().await,
        backends::fresh_database().await,
        backends::empty_database().await,
    ) else {
        return;
    };
    let names: Vec<String> = [&closed, &dropped]
        .map(|one| {
            let url = url::Url::parse(one.url()).unwrap();
            url.path().trim_start_matches('/').to_owned()
        })
        .to_vec();
    let _in_use = PgConnection::connect(dropped.url()).await.unwrap();
    closed.close().await;
    drop(dropped);
    let mut connection = PgConnection::connect(watch.url()).await.unwrap();
    let left: Vec<String> =
        sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname = ANY($1)")
            .bind(&names)
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[tokio::test]
async fn an_sqlite_file_is_made_by_opening_it_and_goes_with_its_folder() {
    let database = backends::sqlite_file();
    assert_eq!(database.kind(), Kind::Sqlite);
    let file = database
        .url()
        .trim_start_matches("sqlite:")
        .trim_end_matches("?mode=rwc")
        .to_owned();
    sqlx::SqliteConnection::connect(database.url())
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    assert!(std::path::Path::new(&file).is_file(), "{file}");
    drop(database);
    assert!(!std::path::Path::new(&file).exists(), "{file}");
}
