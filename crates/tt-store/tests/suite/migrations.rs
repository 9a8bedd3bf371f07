//! Migrations: any number of processes at once, and never an older program on a newer database.

use std::collections::BTreeSet;
use std::path::Path;

use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use tt_store::{Store, StoreError};
use tt_testkit::database::TestDb;

use crate::fixture::{Fixture, open};

on_both!(migrating_again_does_nothing, a_newer_database_is_refused, an_installation_has_a_name_of_its_own);

async fn migrating_again_does_nothing(f: &Fixture) {
    f.sign_up("ann").await;
    assert_eq!(f.another().migrate().await.unwrap(), 0);
    assert_eq!(f.users(None, 9).await.unwrap().len(), 1);
}

async fn an_installation_has_a_name_of_its_own(f: &Fixture) {
    let name = f.installation().await.unwrap();
    assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    f.another().migrate().await.unwrap();
    assert_eq!(f.another().installation().await.unwrap(), name, "all processes on it have the same");
    let elsewhere = if f.is_sqlite() { Fixture::sqlite().await } else { Fixture::postgres().await };
    assert_ne!(elsewhere.installation().await.unwrap(), name);
}

async fn a_newer_database_is_refused(f: &Fixture) {
    execute(f.url(), "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')").await;
    let refused = f.another().migrate().await;
    assert!(matches!(&refused, Err(StoreError::SchemaNewer(version)) if version == "99990101000000"), "{refused:?}");
    execute(f.url(), "DELETE FROM __diesel_schema_migrations WHERE version = '99990101000000'").await;
    assert_eq!(f.another().migrate().await.unwrap(), 0, "the lock was given back");
}

/// Runs `statement` past the store.
pub(crate) async fn execute(url: &str, statement: &str) {
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            type Conn = diesel_async::sync_connection_wrapper::SyncConnectionWrapper<diesel::SqliteConnection>;
            Conn::establish(path).await.unwrap().batch_execute(statement).await.unwrap();
        }
        None => diesel_async::AsyncPgConnection::establish(url).await.unwrap().batch_execute(statement).await.unwrap(),
    }
}

async fn four_at_once(db: &TestDb) {
    let stores: [Store; 4] = std::array::from_fn(|_| open(db));
    let mut tasks = tokio::task::JoinSet::new();
    for store in stores {
        tasks.spawn(async move { store.migrate().await.unwrap() });
    }
    let ran: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(ran, versions("sqlite").len(), "each migration ran once");
    open(db).users(None, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn four_sqlite_starts_migrate_once() {
    four_at_once(&TestDb::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_postgres_starts_migrate_once() {
    four_at_once(&TestDb::postgres().await).await;
}

/// The size of a page stands in the file's header, in bytes 16 and 17 (<https://www.sqlite.org/fileformat2.html#page_size>).
#[tokio::test(flavor = "multi_thread")]
async fn a_new_sqlite_file_has_pages_of_8_kib() {
    let f = Fixture::sqlite().await;
    let header = std::fs::read(f.url().trim_start_matches("sqlite://")).unwrap();
    assert_eq!(header[16..18], [0x20, 0x00]);
}

fn versions(database: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(database);
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn both_databases_have_the_same_migrations() {
    assert_eq!(versions("sqlite"), versions("postgres"));
    assert!(!versions("sqlite").is_empty());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_sqlite_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let f = Fixture::sqlite().await;
    f.sign_up("ann").await;
    let path = f.url().strip_prefix("sqlite://").unwrap();
    for file in [path.to_owned(), format!("{path}-wal"), format!("{path}-shm")] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
}
