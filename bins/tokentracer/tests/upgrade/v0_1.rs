//! Version 0.1: before the log had `client`, `session` and notes, and when web searches were a class of tokens.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tt_core::Provider;
use tt_testkit::{Client, MockUpstream, Program};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v0.1-data");

/// The journal of the dead process is stored within this time.
const REPLAYED: Duration = Duration::from_secs(30);

/// Today's program on a copy of the directory.
struct Upgraded {
    program: Program,
    session: Client,
    expected: Value,
    _mock: MockUpstream,
    _data: TempDir,
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            // Git keeps no such modes.
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

impl Upgraded {
    async fn start() -> Self {
        let expected = std::fs::read_to_string(format!("{FIXTURE}/expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let data = tempfile::tempdir().unwrap();
        copy(&Path::new(FIXTURE).join("data"), data.path());
        let mock = MockUpstream::start();
        let launch = Program::launch(env!("CARGO_BIN_EXE_tokentracer"))
            .data_dir(data.path())
            .env("RUST_LOG", "warn")
            // The rows are of the day on which the directory was made.
            .env("LOG_RETENTION_DAYS", "0")
            .env("OPENAI_BASE_URL", mock.base_url(Provider::OpenAi))
            .env("ANTHROPIC_BASE_URL", mock.base_url(Provider::Anthropic))
            .env("GEMINI_BASE_URL", mock.base_url(Provider::Gemini));
        let program = tokio::task::spawn_blocking(move || launch.start()).await.unwrap();
        let credentials = json!({"email": expected["email"], "password": expected["password"]});
        let login = program.client().post("/auth/login").json(&credentials).send().await.expect(200).json();
        let session = program.client().bearer(login["token"].as_str().unwrap());
        Self { program, session, expected, _mock: mock, _data: data }
    }

    async fn get(&self, path: &str) -> Value {
        self.session.get(path).send().await.expect(200).json()
    }

    /// All rows, by request id; the requests of the journal are among them once they are stored.
    async fn rows(&self) -> Vec<Value> {
        let Value::Array(rows) = self.get("/manage/logs?limit=500").await["data"].take() else { panic!("no rows") };
        rows
    }

    /// The rows once the journal of the dead process is stored.
    async fn all_rows(&self) -> Vec<Value> {
        let until = Instant::now() + REPLAYED;
        let all = self.list("logs").len() + self.list("undrained").len() + self.list("open").len();
        loop {
            let rows = self.rows().await;
            if rows.len() >= all {
                assert_eq!(rows.len(), all);
                return rows;
            }
            assert!(Instant::now() < until, "{} rows of {all}: {}", rows.len(), self.program.stderr());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn list(&self, name: &str) -> &[Value] {
        self.expected[name].as_array().unwrap()
    }

    fn text(&self, name: &str) -> &str {
        self.expected[name].as_str().unwrap()
    }
}

fn named<'a>(rows: &'a [Value], id: &Value) -> &'a Value {
    rows.iter().find(|row| row["request_id"] == *id).unwrap_or_else(|| panic!("no row of {id}"))
}

/// Every field that `was` has is in `is` with the same value, and so are those of its attempts. There may be more fields.
#[track_caller]
fn still(is: &Value, was: &Value) {
    for (field, value) in was.as_object().unwrap() {
        if field == "attempt_list" {
            let (attempts, were) = (is[field].as_array().unwrap(), value.as_array().unwrap());
            assert_eq!(attempts.len(), were.len(), "{was}");
            attempts.iter().zip(were).for_each(|(attempt, was)| still(attempt, was));
        } else {
            assert_eq!(is[field], *value, "{field} of {was}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_what_they_were_sent_through_are_as_before() {
    let upgraded = Upgraded::start().await;
    let rows = upgraded.all_rows().await;
    for was in upgraded.list("logs") {
        let row = named(&rows, &was["request_id"]);
        still(row, was);
        assert_eq!(row["dialect"], "openai_chat");
        for new in ["client", "session", "agent", "trace_id"] {
            assert_eq!(row.get(new), Some(&Value::Null), "{new}");
        }
    }
    for was in upgraded.list("details") {
        let detail = upgraded.get(&format!("/manage/logs/{}", was["request_id"].as_str().unwrap())).await;
        still(&detail, was);
        assert_eq!(detail["notes"], json!([]));
    }
    assert_eq!(upgraded.get("/manage/aliases").await, upgraded.expected["aliases"]);
    let mut providers = upgraded.get("/manage/providers").await;
    for provider in providers.as_array_mut().unwrap() {
        assert_eq!(provider.as_object_mut().unwrap().remove("targets"), Some(json!([])), "none has failed");
    }
    assert_eq!(providers, upgraded.expected["providers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_holds_is_stored_once() {
    let upgraded = Upgraded::start().await;
    let rows = upgraded.all_rows().await;
    for was in upgraded.list("undrained") {
        let row = named(&rows, &was["request_id"]);
        assert_eq!(row["status"], was["status"]);
        assert_eq!(row["outcome"], if was["status"] == 200 { "ok" } else { "error" });
        if let Some(cost) = was["cost_usd"].as_str() {
            assert_eq!(row["cost_usd"], serde_json::from_str::<Value>(cost).unwrap(), "{row}");
        }
        if !was["usage"].is_null() {
            assert_eq!(row["input_tokens"], was["usage"]["prompt_tokens"]);
            assert_eq!(row["output_tokens"], was["usage"]["completion_tokens"]);
        }
    }
    // Two searches and a hundred tokens: what the version before told its client, searches included.
    let searched = rows.iter().filter(|row| row["alias"] == "sonnet").collect::<Vec<_>>();
    assert_eq!(searched.iter().map(|row| &row["cost_usd"]).collect::<Vec<_>>(), [0.021_126_5, 0.021_126_5]);
    let mut interrupted: Vec<&str> = rows
        .iter()
        .filter(|row| row["outcome"] == "interrupted")
        .map(|row| {
            assert_eq!((&row["status"], &row["usage_source"]), (&Value::Null, &json!("unknown")), "{row}");
            row["alias"].as_str().unwrap()
        })
        .collect();
    interrupted.sort_unstable();
    let mut open: Vec<&str> = upgraded.list("open").iter().map(|alias| alias.as_str().unwrap()).collect();
    open.sort_unstable();
    assert_eq!(interrupted, open);
    let gaps = upgraded.get("/manage/ledger/gaps").await;
    assert_eq!((gaps["interrupted"].as_array().map(Vec::len), &gaps["open"]), (Some(4), &json!(0)));
    assert_eq!(gaps["unpriced"], upgraded.expected["gaps"]["unpriced"]);
    let log = upgraded.program.stderr();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sums_are_those_of_before_and_of_the_journal() {
    let upgraded = Upgraded::start().await;
    let rows = upgraded.all_rows().await;
    let range = format!("from={}&to={}", upgraded.text("from"), upgraded.text("to"));
    let by = "provider,alias,model,route,status,api_key";
    let now = upgraded.get(&format!("/manage/usage?{range}&group_by={by}")).await;
    let late: Vec<&Value> = upgraded.list("undrained").iter().chain(upgraded.list("open")).collect();
    let late_aliases: Vec<&Value> = rows
        .iter()
        .filter(|row| !upgraded.list("logs").iter().any(|was| was["request_id"] == row["request_id"]))
        .map(|row| &row["alias"])
        .collect();
    assert_eq!(late.len(), late_aliases.len());
    let (mut same, groups) = (0, now.as_array().unwrap());
    for was in upgraded.expected["usage"][by].as_array().unwrap() {
        let is =
            groups.iter().find(|is| by.split(',').all(|name| is[name] == was[name])).unwrap_or_else(|| panic!("{was}"));
        if !late_aliases.contains(&&was["alias"]) {
            still(is, was);
            same += 1;
        }
    }
    assert!(same > 5, "{same}");
    let whole = upgraded.get(&format!("/manage/usage?{range}&group_by=")).await;
    let sum = |field: &str| rows.iter().map(|row| row[field].as_u64().unwrap()).sum::<u64>();
    let whole = &whole[0];
    assert_eq!(whole["requests"], rows.len());
    for field in ["input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens"] {
        assert_eq!(whole[field], sum(field), "{field}");
    }
    let by_tag = upgraded.get(&format!("/manage/usage?{range}&group_by=tag:team")).await;
    let teams: Vec<(&Value, &Value)> =
        by_tag.as_array().unwrap().iter().map(|group| (&group["tag:team"], &group["requests"])).collect();
    assert_eq!(teams[..3], [(&json!("ads"), &json!(1)), (&json!("late"), &json!(1)), (&json!("search"), &json!(1))]);
    let spent = |budgets: &Value| budgets["spent_usd"].as_f64().unwrap();
    let (before, after) = (spent(&upgraded.expected["budgets"]), spent(&upgraded.get("/manage/budgets").await));
    // The requests of the journal are counted, with at least the cost of the searched answer.
    assert!(after > before + 0.02 && after < 25.0, "{before} {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_aliases_serve_new_requests_that_say_who_asks() {
    let upgraded = Upgraded::start().await;
    let call = async |key: &str, model: &str| {
        let body = json!({"model": model, "max_tokens": 50, "user": "u-1", "messages": [{"role": "user", "content": "Hello again."}]});
        let call = upgraded.program.client().bearer(upgraded.text(key)).post("/v1/chat/completions").json(&body);
        let call = call
            .header("user-agent", "OpenAI/Python 2.54.0")
            .header("x-tokentracer-session", "session-1")
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        call.send().await.expect(200).header("x-request-id").unwrap().to_owned()
    };
    let id = call("api_key", "flash").await;
    call("limited_key", "mini").await;
    let until = Instant::now() + REPLAYED;
    let detail = loop {
        let answer = upgraded.session.get(&format!("/manage/logs/{id}")).send().await;
        if answer.status == 200 {
            break answer.json();
        }
        assert!(Instant::now() < until, "no row of {id}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let said = json!({
        "alias": "flash", "outcome": "ok", "dialect": "openai_chat", "client": "openai-python", "session": "session-1",
        "agent": null, "trace_id": "0af7651916cd43dd8448eb211c80319c",
    });
    still(&detail, &said);
    assert_eq!(
        (&detail["notes"][0]["param"], &detail["notes"][0]["what"]),
        (&json!("user"), &json!("dropped")),
        "{detail}"
    );
}
