//! TLS: both protocols, a certificate that changes while the server runs, and the settings that stop the start.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tt_core::Provider::OpenAi;
use tt_testkit::certificates::{Authority, Issued};
use tt_testkit::client::{Protocol, RawConnection, Trust};
use tt_testkit::process::Launch;
use tt_testkit::world::eventually;
use tt_testkit::{Behaviour, Client, World};

use crate::expect::error;
use crate::setup::{program, tls_setup};
use crate::start::{one_line, refused};

pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// The files that `TLS_CERT` and `TLS_KEY` name.
pub(crate) struct Files {
    dir: TempDir,
}

impl Files {
    pub(crate) fn of(issued: &Issued) -> Self {
        let files = Self { dir: tempfile::tempdir().unwrap() };
        files.write(issued);
        files
    }

    fn write(&self, issued: &Issued) {
        fs::write(self.cert(), &issued.chain).unwrap();
        fs::write(self.key(), &issued.key).unwrap();
        fs::set_permissions(self.key(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn cert(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    fn paths(&self) -> (String, String) {
        (self.cert().display().to_string(), self.key().display().to_string())
    }
}

/// An authority, the files of a certificate of its own for this machine, and a world that shows it.
pub(crate) async fn world_with_tls(protocol: Protocol, settings: &[(&str, &str)]) -> (Authority, Files, World) {
    let authority = Authority::new();
    let files = Files::of(&authority.issue(&["127.0.0.1"]));
    let trust = Trust::of(&authority, protocol);
    let setup = tls_setup().envs(settings).tls((&files.cert(), &files.key()), trust);
    let world = setup.start().await;
    (authority, files, world)
}

/// The certificate that a new connection is shown.
async fn shown(world: &World, authority: &Authority) -> Vec<u8> {
    let trust = Trust::of(authority, Protocol::Http1);
    let stream = trust.connect(world.program().address()).await.unwrap();
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn both_protocols_carry_calls_and_streams() {
    for protocol in PROTOCOLS {
        let (authority, _files, world) = world_with_tls(protocol, &[]).await;
        let agreed = Trust::of(&authority, protocol).connect(world.program().address()).await.unwrap();
        let name = if protocol == Protocol::Http2 { &b"h2"[..] } else { b"http/1.1" };
        assert_eq!(agreed.get_ref().1.alpn_protocol(), Some(name));
        let user = world.user().await;
        user.alias("fast", OpenAi, "gpt-4o").await;
        world.mock.on("gpt-4o", Behaviour::ok().chunks(200));
        let answer = user.ask("fast", "hello").await.expect(200);
        let row = user.log(answer.header("x-request-id").unwrap()).await;
        assert_eq!((&row["status"], &row["output_tokens"]), (&json!(200), &json!(200)), "{row}");
        let mut stream = user.ask_stream("fast", "hello").await;
        let id = stream.header("x-request-id").unwrap().to_owned();
        let events = stream.rest().await;
        assert!(events.len() > 200 && events.last().unwrap().is_done(), "{} events", events.len());
        assert_eq!(user.log(&id).await["usage_source"], "provider");
        error(&world.client().get("/manage/logs").send().await, 401, "missing_credentials");
        error(&world.client().get("/nothing").send().await, 404, "route_not_found");
        let head = world.client().call(http::Method::HEAD, "/health").send().await.expect(200);
        assert!(head.body.is_empty(), "{}", head.text());
        // A body that is larger than any window, and an answer of the same size.
        let large = "x ".repeat(500_000);
        let read = user.ask("fast", &large).await.expect(200);
        assert_eq!(user.log(read.header("x-request-id").unwrap()).await["status"], 200);
    }
}

#[tokio::test]
async fn a_client_that_speaks_no_tls_is_told() {
    let (_authority, _files, world) = world_with_tls(Protocol::Http2, &[]).await;
    let mut plain = RawConnection::open(world.program().address()).await;
    plain.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (answer, closed) = plain.read_to_end(Duration::from_secs(10)).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https") && closed, "{answer}");
    world.client().get("/health").send().await.expect(200);
}

#[tokio::test]
async fn a_certificate_is_replaced_under_load_and_no_request_fails() {
    for protocol in PROTOCOLS {
        let (authority, files, world) = world_with_tls(protocol, &[]).await;
        let user = world.user().await;
        user.alias("fast", OpenAi, "gpt-4o").await;
        world.mock.on("gpt-4o", Behaviour::ok().chunks(100).drip(Duration::from_millis(20)));
        let mut long = user.ask_stream("fast", "hello").await;
        long.next().await.unwrap();
        let before = shown(&world, &authority).await;
        let stop = std::sync::atomic::AtomicBool::new(false);
        let trust = Trust::of(&authority, protocol);
        let load = async {
            let mut asked = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                // A new connection each time, and one that is kept.
                Client::secure(world.program().url(), &trust).get("/health").send().await.expect(200);
                user.session.get("/auth/me").send().await.expect(200);
                asked += 1;
            }
            asked
        };
        let changes = async {
            let mut last = before.clone();
            for _ in 0..5 {
                files.write(&authority.issue(&["127.0.0.1"]));
                world.program().signal("HUP");
                eventually("the new certificate is shown", async || shown(&world, &authority).await != last).await;
                last = shown(&world, &authority).await;
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        };
        let (asked, ()) = tokio::join!(load, changes);
        assert!(asked > 0);
        assert!(long.rest().await.last().unwrap().is_done(), "a stream was cut by the change");
    }
}

#[tokio::test]
async fn a_new_file_that_is_no_good_changes_nothing_and_is_told() {
    let (authority, files, mut world) = world_with_tls(Protocol::Http1, &[]).await;
    let (good, other) = (shown(&world, &authority).await, authority.issue(&["127.0.0.1"]));
    let key = fs::read_to_string(files.key()).unwrap();
    let faults = [
        (Issued { chain: "nonsense".to_owned(), key: key.clone() }, "TLS_CERT: ", "no certificate"),
        (Issued { chain: other.chain.clone(), key: key.clone() }, "TLS_KEY: ", "not that of the certificate"),
        (authority.expired(&["127.0.0.1"]), "TLS_CERT: ", "has expired"),
        (Issued { key: "nonsense".to_owned(), ..other.clone() }, "TLS_KEY: ", "no private key"),
    ];
    for (bad, name, why) in faults {
        files.write(&bad);
        world.program().signal("HUP");
        eventually(why, async || {
            let log = world.program().stderr();
            log.lines().any(|line| {
                line.contains("ERROR") && line.contains("stays as it was") && line.contains(name) && line.contains(why)
            })
        })
        .await;
        assert_eq!(shown(&world, &authority).await, good, "{why}");
        world.client().get("/health").send().await.expect(200);
    }
    files.write(&other);
    world.program().signal("HUP");
    eventually("the good one is shown", async || shown(&world, &authority).await != good).await;
    world.stop();
}

/// A launch with these files.
fn with(files: &Files) -> Launch {
    let (cert, key) = files.paths();
    program().env("TLS_CERT", cert).env("TLS_KEY", key)
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_start_with_a_line_for_each_file() {
    let authority = Authority::new();
    let (good, other) = (authority.issue(&["127.0.0.1"]), authority.issue(&["127.0.0.1"]));
    let files = Files::of(&good);
    let (cert, key) = files.paths();
    one_line(program().env("TLS_CERT", cert.as_str()), &["TLS_KEY: must be set with TLS_CERT"]);
    one_line(program().env("TLS_KEY", key.as_str()), &["TLS_CERT: must be set with TLS_KEY"]);
    one_line(
        with(&files).env("TLS_CERT", "/nonexistent/cert.pem"),
        &["TLS_CERT: /nonexistent/cert.pem cannot be read"],
    );
    one_line(with(&files).env("TLS_KEY", "/nonexistent/key.pem"), &["TLS_KEY: /nonexistent/key.pem cannot be read"]);
    one_line(with(&files).env("TLS_KEY", cert.as_str()), &["TLS_KEY: ", "there is no private key"]);
    let bad = [
        (Issued { key: other.key, ..good.clone() }, "TLS_KEY: ", "not that of the certificate"),
        (authority.expired(&["127.0.0.1"]), "TLS_CERT: ", "has expired"),
        (authority.not_yet_valid(&["127.0.0.1"]), "TLS_CERT: ", "not valid yet"),
    ];
    for (issued, name, why) in bad {
        let files = Files::of(&issued);
        one_line(with(&files), &[name, why]);
        // Another command does not need it.
        assert!(with(&files).argument("migrate").output().status.success());
    }
    let both = Issued { chain: String::new(), key: String::new() };
    let lines = refused(with(&Files::of(&both)));
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for name in ["TLS_CERT: ", "TLS_KEY: "] {
        assert_eq!(lines.iter().filter(|line| line.contains(name)).count(), 1, "{lines:#?}");
    }
}

#[tokio::test]
async fn the_healthcheck_speaks_tls() {
    let authority = Authority::new();
    let files = Files::of(&authority.issue(&["proxy.example.org"]));
    let running = with(&files).trust(Trust::of(&authority, Protocol::Http1)).start();
    let port = running.address().rsplit_once(':').unwrap().1.to_owned();
    let check = |launch: Launch| launch.argument("healthcheck").env("PORT", port.as_str()).output();
    let well = check(with(&files));
    assert!(well.status.success(), "{}", String::from_utf8_lossy(&well.stderr));
    assert!(!check(program()).status.success(), "without TLS it is no answer");
    // A file that is broken meanwhile ends no server that runs.
    fs::write(files.cert(), "nonsense").unwrap();
    assert!(check(with(&files)).status.success());
    drop(running);
    assert!(!check(with(&files)).status.success());
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_cut_and_counts_as_a_connection() {
    let settings = [("MAX_CONNECTIONS", "20"), ("CLIENT_HEADER_TIMEOUT", "3s")];
    for protocol in PROTOCOLS {
        let (authority, _files, world) = world_with_tls(protocol, &settings).await;
        let begun = Instant::now();
        let mut silent = Vec::new();
        for number in 0..20 {
            let mut raw = RawConnection::open(world.program().address()).await;
            // Half of them begin a handshake that they do not go on with.
            if number % 2 == 0 {
                raw.write([22, 3, 1, 2, 0, 1]).await;
            }
            silent.push(raw);
        }
        let new_client = || Client::secure(world.program().url(), &Trust::of(&authority, protocol));
        error(&new_client().get("/health/ready").send().await, 503, "overloaded");
        assert_eq!(new_client().get("/health").send().await.expect(200).text(), "OK");
        for raw in &mut silent {
            let (_, closed) = raw.read_to_end(Duration::from_secs(20)).await;
            assert!(closed, "a silent handshake is waited for");
        }
        assert!(begun.elapsed() >= Duration::from_secs(2), "cut after {:?}", begun.elapsed());
        eventually("there is room again", async || {
            new_client().get("/health/ready").try_send().await.is_ok_and(|answer| answer.status == 200)
        })
        .await;
    }
}

#[tokio::test]
async fn no_text_of_the_key_is_logged() {
    let (_authority, files, mut world) = world_with_tls(Protocol::Http2, &[("RUST_LOG", "trace")]).await;
    world.client().get("/health").send().await.expect(200);
    let key = fs::read_to_string(files.key()).unwrap();
    let line = key.lines().nth(1).unwrap().to_owned();
    fs::write(files.key(), key.replace("MI", "MX")).unwrap();
    world.program().signal("HUP");
    eventually("it is told", async || world.program().stderr().contains("stays as it was")).await;
    assert!(!world.stop().contains(&line));
}
