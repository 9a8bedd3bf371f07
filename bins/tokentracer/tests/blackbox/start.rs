//! Starts that must fail, each with one clear line for each fault and a status that is not zero.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use std::time::{Duration, Instant};

use tt_testkit::process::Launch;
use tt_testkit::world::Backend;

use crate::setup::{backend, program, world};

/// It ended by itself, without success and in time, saying nothing on standard output; the lines it complained in.
#[track_caller]
pub(crate) fn refused(launch: Launch) -> Vec<String> {
    let began = Instant::now();
    let Output { status, stdout, stderr } = launch.output();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(!status.success() && status.code().is_some(), "{status}: {stderr}");
    assert!(stdout.is_empty(), "it said {stdout:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "it took {:?}", began.elapsed());
    let lines: Vec<String> = stderr.lines().map(str::to_owned).collect();
    assert!(!stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"), "{stderr}");
    lines
}

/// The only line, which holds these words.
#[track_caller]
pub(crate) fn one_line(launch: Launch, words: &[&str]) {
    let lines = refused(launch);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for word in words {
        assert!(lines[0].contains(word), "{word} is not in {:?}", lines[0]);
    }
}

#[test]
fn an_occupied_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    one_line(program().env("PORT", port.as_str()), &[&port, "127.0.0.1"]);
}

#[test]
fn a_data_directory_that_cannot_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below")] {
        one_line(program().data_dir(&path), &["DATA_DIR", path.to_str().unwrap()]);
    }
}

#[test]
fn a_database_file_that_is_none_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokentracer.db");
    std::fs::write(&file, "this is no database, but it is long enough to be looked at\n".repeat(100)).unwrap();
    one_line(program().data_dir(dir.path()), &["store"]);
    one_line(program().env("DATABASE_URL", "sqlite:///proc/nothing/here.db"), &["store"]);
}

#[test]
fn damaged_secrets_are_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = dir.path().join("secrets");
    std::fs::write(&secrets, "nonsense").unwrap();
    std::fs::set_permissions(&secrets, Permissions::from_mode(0o600)).unwrap();
    one_line(program().data_dir(dir.path()), &["secrets", "JWT_SECRET"]);
    assert_eq!(std::fs::read_to_string(&secrets).unwrap(), "nonsense");
}

#[test]
fn secrets_that_everybody_can_read_stop_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = dir.path().join("secrets");
    drop(program().data_dir(dir.path()).start());
    std::fs::set_permissions(&secrets, Permissions::from_mode(0o644)).unwrap();
    one_line(program().data_dir(dir.path()), &["DATA_DIR", secrets.to_str().unwrap(), "chmod 600"]);
    std::fs::set_permissions(&secrets, Permissions::from_mode(0o600)).unwrap();
    drop(program().data_dir(dir.path()).start());
}

#[test]
fn every_bad_setting_has_a_line_of_its_own() {
    let bad = [
        ("PORT", "70000"),
        ("HOST", "everywhere"),
        ("RATE_LIMIT_MINUTE", "-1"),
        ("RATE_LIMIT_DAILY", "many"),
        ("OPENAI_BASE_URL", "ftp://example.org"),
        ("ANTHROPIC_BASE_URL", "example.org"),
        ("GEMINI_BASE_URL", "https://user:password@example.org"),
        ("ALLOW_PRIVATE_UPSTREAMS", "perhaps"),
        ("SIGNUP", "maybe"),
        ("MAX_BODY_BYTES", "0"),
        ("MAX_BUFFERED_BYTES", "1GB"),
        ("MAX_CONNECTIONS", "none"),
        ("MAX_WORKER_LAG", "200"),
        ("UPSTREAM_CONNECT_TIMEOUT", "5"),
        ("UPSTREAM_FIRST_BYTE_TIMEOUT", "soon"),
        ("UPSTREAM_TOTAL_TIMEOUT", "0s"),
        ("UPSTREAM_IDLE_TIMEOUT", "-5s"),
        ("CLIENT_HEADER_TIMEOUT", "10"),
        ("CLIENT_BODY_IDLE_TIMEOUT", "x"),
        ("TRUSTED_PROXIES", "10.0.0.0/99"),
        ("DIRECTORY_MAX_STALE", "15"),
        ("LOG_RETENTION_DAYS", "-1"),
        ("MAX_RETRIES", "11"),
        ("CLIENT_IDLE_TIMEOUT", "75"),
        ("CLIENT_WRITE_TIMEOUT", "0s"),
        ("SHUTDOWN_GRACE", "never"),
        ("SHUTDOWN_DELAY", "-1s"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "tt_http=loud"),
        ("JWT_SECRET", "too short to keep"),
        ("ENCRYPTION_KEY", "too short to keep"),
        ("DATABASE_URL", "mysql://user:hunter2@example.org/x"),
    ];
    for (name, value) in bad {
        let lines = refused(program().env(name, value));
        assert_eq!(lines.iter().filter(|line| line.contains(name)).count(), 1, "{name}: {lines:#?}");
        assert!(lines.len() == 1 || name == "DATABASE_URL", "{name}: {lines:#?}");
    }
    let all = bad.iter().fold(program(), |launch, (name, value)| launch.env(name, *value));
    let lines = refused(all);
    for (name, _) in bad {
        assert_eq!(lines.iter().filter(|line| line.contains(&format!("{name}:"))).count(), 1, "{name}: {lines:#?}");
    }
    let text = lines.join("\n");
    assert!(!text.contains("hunter2") && !text.contains("too short to keep"), "a secret was shown: {text}");
}

#[test]
fn a_setting_that_is_not_built_yet_stops_the_start() {
    let names = ["OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY"];
    for name in names {
        one_line(program().env(name, "/nonexistent/value"), &[&format!("{name}:")]);
    }
    one_line(
        program().argument("--otel-exporter-otlp-certificate").argument("a value"),
        &["OTEL_EXPORTER_OTLP_CERTIFICATE:"],
    );
    let all = names.iter().fold(program(), |launch, name| launch.env(name, "a value"));
    assert_eq!(refused(all).len(), names.len());
    // An empty value is none.
    let empty = names.iter().fold(program(), |launch, name| launch.env(name, ""));
    drop(empty.start());
}

#[test]
fn an_unknown_flag_and_an_unknown_command_are_refused() {
    for arguments in [&["--colour", "red"][..], &["dance"], &["serve", "--port"]] {
        let launch = arguments.iter().fold(program(), |launch, argument| launch.argument(argument));
        assert!(!refused(launch).is_empty());
    }
}

#[test]
fn a_flag_goes_before_the_environment() {
    one_line(program().env("SIGNUP", "open").argument("--signup").argument("ajar"), &["SIGNUP", "ajar"]);
    one_line(program().argument("serve").argument("--max-retries").argument("99"), &["MAX_RETRIES", "99"]);
}

#[test]
fn postgresql_that_does_not_answer_is_told_without_its_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://tt:hunter2@127.0.0.1:{free}/tokentracer");
    let secret = "thirty-two bytes of text, or more";
    let launch = || program().env("DATABASE_URL", url.as_str()).env("JWT_SECRET", secret).env("ENCRYPTION_KEY", secret);
    let lines = refused(launch());
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("store") && !lines[0].contains("hunter2"), "{lines:#?}");
    one_line(launch().argument("migrate"), &["store"]);
}

#[test]
fn postgresql_that_takes_connections_and_says_nothing_does_not_hold_the_start_for_ever() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://tt:hunter2@{}/tokentracer", silent.local_addr().unwrap());
    let secret = "thirty-two bytes of text, or more";
    let launch = program().env("DATABASE_URL", url).env("JWT_SECRET", secret).env("ENCRYPTION_KEY", secret);
    one_line(launch, &["store"]);
}

#[test]
fn postgresql_needs_secrets_that_all_processes_share() {
    let lines = refused(program().env("DATABASE_URL", "postgres://tt:hunter2@127.0.0.1:1/x"));
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains("JWT_SECRET"))
            && lines.iter().any(|line| line.contains("ENCRYPTION_KEY"))
    );
    assert!(lines.iter().all(|line| !line.contains("hunter2")));
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    if backend() != Backend::Sqlite {
        return;
    }
    let world = world().await;
    let path = world.program().data_dir().to_str().unwrap().to_owned();
    one_line(world.launch(), &["DATA_DIR", &path]);
    world.client().get("/health").send().await.expect(200);
}

#[tokio::test]
async fn a_second_server_on_the_same_database_is_refused_whatever_its_data_directory() {
    if backend() != Backend::Sqlite {
        return;
    }
    let world = world().await;
    let database = world.program().data_dir().join("tokentracer.db");
    let url = format!("sqlite://{}", database.display());
    let other = tempfile::tempdir().unwrap();
    let launch = || program().data_dir(other.path()).env("DATABASE_URL", url.as_str());
    one_line(launch(), &["DATABASE_URL", "another tokentracer", database.to_str().unwrap()]);
    // Commands work beside it, as they do on its data directory.
    assert!(launch().argument("users").argument("list").output().status.success());
}

#[test]
fn help_names_every_setting() {
    let output = program().argument("--help").output();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for name in [
        "DATABASE_URL",
        "JWT_SECRET",
        "ENCRYPTION_KEY",
        "DATA_DIR",
        "HOST",
        "PORT",
        "RATE_LIMIT_MINUTE",
        "RATE_LIMIT_DAILY",
        "OPENAI_BASE_URL",
        "ANTHROPIC_BASE_URL",
        "GEMINI_BASE_URL",
        "ALLOW_PRIVATE_UPSTREAMS",
        "SIGNUP",
        "MAX_BODY_BYTES",
        "UPSTREAM_CONNECT_TIMEOUT",
        "UPSTREAM_FIRST_BYTE_TIMEOUT",
        "UPSTREAM_TOTAL_TIMEOUT",
        "UPSTREAM_IDLE_TIMEOUT",
        "CLIENT_HEADER_TIMEOUT",
        "CLIENT_BODY_IDLE_TIMEOUT",
        "CLIENT_IDLE_TIMEOUT",
        "CLIENT_WRITE_TIMEOUT",
        "MAX_BUFFERED_BYTES",
        "MAX_CONNECTIONS",
        "MAX_WORKER_LAG",
        "TRUSTED_PROXIES",
        "LOG_RETENTION_DAYS",
        "DIRECTORY_MAX_STALE",
        "MAX_RETRIES",
        "SHUTDOWN_GRACE",
        "SHUTDOWN_DELAY",
        "LOG_FORMAT",
        "RUST_LOG",
    ] {
        assert!(text.contains(name), "{name} is not in --help");
    }
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let secret = "a secret of more than thirty-two bytes";
    let output = program().env("JWT_SECRET", secret).env("ENCRYPTION_KEY", secret).argument("--help").output();
    assert!(!String::from_utf8(output.stdout).unwrap().contains(secret));
}

#[tokio::test]
async fn healthcheck_tells_by_its_status() {
    let world = world().await;
    let port = world.program().address().rsplit(':').next().unwrap().to_owned();
    let check = |port: &str| program().argument("healthcheck").env("PORT", port).output();
    let output = check(&port);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(!check(&free.to_string()).status.success());
}
