//! TLS to PostgreSQL: who is taken for the server.

use tokio::runtime::Handle;
use tt_core::Causes;
use tt_store::{Store, StoreConfig};
use tt_testkit::certificates::Authority;
use tt_testkit::database::TestDb;

/// Connects with these parameters; the error with its causes where that fails.
async fn connect(url: &str, parameters: &str) -> Result<(), String> {
    let store = Store::open(StoreConfig::new(format!("{url}?{parameters}").into(), Handle::current()));
    let store = store.map_err(|error| Causes(&error).to_string())?;
    store.ping().await.map_err(|error| Causes(&error).to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_taken_for_itself_by_its_authority_and_its_name() {
    let db = TestDb::postgres().await;
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = (Authority::new(), Authority::new());
    let file = |name: &str, authority: &Authority| {
        let path = dir.path().join(name);
        std::fs::write(&path, authority.pem()).unwrap();
        path.display().to_string()
    };
    let (right_file, wrong_file) = (file("right.pem", &right), file("wrong.pem", &wrong));

    // The server's certificate is for its name, and not for its address.
    db.offer_tls(&right.issue(&["localhost"])).await;
    let by_address = db.url().to_owned();
    let by_name = by_address.replace("127.0.0.1", "localhost");
    assert_ne!(by_name, by_address, "the test server is reached by its address");
    let with = |mode: &str, roots: &str| format!("sslmode={mode}&sslrootcert={roots}");

    let ok = [
        (&by_name, with("verify-full", &right_file)),
        (&by_address, with("verify-ca", &right_file)),
        (&by_address, with("require", &right_file)),
        (&by_address, "sslmode=require".to_owned()),
        (&by_address, "sslmode=prefer".to_owned()),
        (&by_address, "sslmode=disable".to_owned()),
    ];
    for (url, parameters) in ok {
        assert_eq!(connect(url, &parameters).await, Ok(()), "{parameters}");
    }
    let refused = [
        (&by_address, with("verify-full", &right_file)),
        (&by_name, with("verify-full", &wrong_file)),
        (&by_name, with("verify-ca", &wrong_file)),
        (&by_name, with("require", &wrong_file)),
        (&by_name, "sslmode=verify-full".to_owned()),
        (&by_name, "sslmode=verify-ca".to_owned()),
    ];
    for (url, parameters) in refused {
        let error = connect(url, &parameters).await.unwrap_err();
        assert!(error.contains("invalid peer certificate"), "{parameters}: {error}");
    }

    db.offer_tls(&right.expired(&["localhost"])).await;
    let error = connect(&by_name, &with("verify-ca", &right_file)).await.unwrap_err();
    assert!(error.to_lowercase().contains("expired"), "{error}");

    db.offer_no_tls().await;
    let error = connect(&by_name, &with("verify-full", &right_file)).await.unwrap_err();
    assert!(error.contains("TLS"), "{error}");
    assert_eq!(connect(&by_name, "sslmode=prefer").await, Ok(()));
}
