//! Throw-away databases: an empty one for each test, deleted with its guard. A database is a URL here; the module does
//! not know what tests put there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_postgres::NoTls;
use tt_core::Causes;

use crate::certificates::Issued;

/// Names the server that PostgreSQL tests make their databases on; set by `cargo xtask test`.
pub const POSTGRES_URL: &str = "TT_TEST_POSTGRES_URL";

/// An empty database, deleted when this is dropped, after a panic too.
#[derive(Debug)]
pub struct TestDb {
    url: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sqlite { _dir: tempfile::TempDir },
    Postgres { server: String, name: String },
}

impl TestDb {
    /// The path of an SQLite file that does not exist yet, in a directory of its own.
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary directory: {e}"));
        let url = format!("sqlite://{}", dir.path().join("test.db").display());
        Self { url, kind: Kind::Sqlite { _dir: dir } }
    }

    /// A new PostgreSQL database.
    ///
    /// # Panics
    /// If [`POSTGRES_URL`] is not set. `cargo xtask test` starts a server and sets it.
    pub async fn postgres() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test's server is named by its runner")]
        let Ok(server) = std::env::var(POSTGRES_URL) else {
            panic!("{POSTGRES_URL} is not set: run the tests with `cargo xtask test`, which starts PostgreSQL");
        };
        let name = unique_name();
        run(&server, &format!("CREATE DATABASE {name}")).await.unwrap_or_else(|e| panic!("{POSTGRES_URL}: {e}"));
        Self { url: in_database(&server, &name), kind: Kind::Postgres { server, name } }
    }

    /// Runs a statement on a PostgreSQL database.
    ///
    /// # Panics
    /// If it fails.
    pub async fn run(&self, statement: &str) {
        run(&self.url, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Has the PostgreSQL server offer TLS with this certificate from now on, to connections that ask for it. The server is
    /// that of all tests of a run: one test may do this.
    ///
    /// # Panics
    /// If the server cannot be told to, because this user is no superuser of it.
    pub async fn offer_tls(&self, issued: &Issued) {
        // The server writes the files itself, since it may run as another user. It takes no key that others can read.
        for (name, text) in [("tt_test.crt", &issued.chain), ("tt_test.key", &issued.key)] {
            let lines = format!("unnest(string_to_array('{}', chr(10)))", text.trim_end());
            self.run(&format!("COPY (SELECT {lines}) TO PROGRAM 'umask 077; cat > {name}'")).await;
        }
        self.run("ALTER SYSTEM SET ssl_cert_file = 'tt_test.crt'").await;
        self.run("ALTER SYSTEM SET ssl_key_file = 'tt_test.key'").await;
        self.set_tls("on").await;
    }

    /// Has the PostgreSQL server offer no TLS any more.
    ///
    /// # Panics
    /// As [`Self::offer_tls`].
    pub async fn offer_no_tls(&self) {
        self.set_tls("off").await;
    }

    /// Reads the server's settings again, and waits until new connections have them.
    async fn set_tls(&self, state: &str) {
        let before = self.value("SELECT pg_conf_load_time()").await;
        self.run(&format!("ALTER SYSTEM SET ssl = {state}")).await;
        self.run("SELECT pg_reload_conf()").await;
        while self.value("SELECT pg_conf_load_time()").await == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The only value that a query gives, asked on a connection of its own.
    async fn value(&self, query: &str) -> Option<String> {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls)
            .await
            .unwrap_or_else(|error| panic!("{query}: {}", Causes(&error)));
        let work = async {
            let rows = client.simple_query(query).await;
            drop(client);
            rows
        };
        let (rows, _) = tokio::join!(work, connection);
        let rows = rows.unwrap_or_else(|error| panic!("{query}: {}", Causes(&error)));
        rows.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    }

    /// Its address: `sqlite://…` or `postgres://…`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let Kind::Postgres { server, name } = &self.kind else { return };
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // A thread with a runtime of its own: this may be dropped on a runtime or off one.
        std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(run(server, &drop)).map_err(std::io::Error::other)
            });
            if let Ok(Err(e)) = done.join() {
                eprintln!("the test database {name} was left behind: {e}");
            }
        });
    }
}

async fn run(server: &str, statement: &str) -> Result<(), String> {
    let (client, connection) = tokio_postgres::connect(server, NoTls).await.map_err(|e| Causes(&e).to_string())?;
    let work = async {
        let result = client.batch_execute(statement).await;
        drop(client);
        result
    };
    let (result, _) = tokio::join!(work, connection);
    result.map_err(|e| Causes(&e).to_string())
}

/// A name that no other process or test uses, now or after a crash.
fn unique_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    format!("tt_test_{}_{nanos}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The server's URL with another database.
fn in_database(server: &str, name: &str) -> String {
    let (address, query) = server.split_once('?').map_or((server, None), |(address, query)| (address, Some(query)));
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", address));
    let host = rest.split('/').next().unwrap_or_default();
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    format!("{scheme}://{host}/{name}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_the_url_is_replaced() {
        for (server, url) in [
            ("postgres://tt@127.0.0.1:5/postgres", "postgres://tt@127.0.0.1:5/x"),
            ("postgres://tt:p@h", "postgres://tt:p@h/x"),
            ("postgresql://h/d?connect_timeout=1", "postgresql://h/x?connect_timeout=1"),
        ] {
            assert_eq!(in_database(server, "x"), url);
        }
    }

    #[test]
    fn an_sqlite_database_goes_with_its_guard() {
        let db = TestDb::sqlite();
        let path = db.url().strip_prefix("sqlite://").map(std::path::PathBuf::from).unwrap();
        std::fs::write(&path, "x").unwrap();
        drop(db);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_postgres_database_goes_with_its_guard() {
        let db = TestDb::postgres().await;
        let url = db.url().to_owned();
        assert_eq!(run(&url, "SELECT 1").await, Ok(()));
        drop(db);
        assert!(run(&url, "SELECT 1").await.is_err());
    }
}
