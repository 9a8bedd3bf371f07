//! A store on a database of its own, and the rows that tests begin with.

use tt_core::caller::RequestLimits;
use tt_core::plan::Route;
use tt_core::record::{
    self, Attempt, AttemptEnded, AttemptStarted, Intent, Note, Operation, Outcome, PlannedStep, Settled, Settlement,
};
use tt_core::routing::TargetModel;
use tt_core::trace::ParentSpan;
use tt_core::usage::Reported;
use tt_core::{
    AliasName, ApiKeyId, Dialect, Email, KeyHash, ModelName, NanoUsd, Provider, ProviderKeyId, RequestId, Scope,
    SealId, Sealed, Tags, Timestamp, Usage, UsageSource, UserId,
};
use tt_store::{Author, NewAlias, NewApiKey, NewProviderKey, Store, StoreConfig};
use tt_testkit::database::TestDb;

/// 2026-11-23T12:00:00Z, a full hour.
pub(crate) const NOON: i64 = 1_795_435_200_000;
pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOON + millis)
}

/// A change that the operator makes at a time.
pub(crate) fn by(at: Timestamp) -> Author {
    Author::operator(at)
}

/// A store whose database is deleted with it.
pub(crate) struct Fixture {
    store: Store,
    db: TestDb,
}

impl std::ops::Deref for Fixture {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Fixture {
    pub(crate) async fn sqlite() -> Self {
        Self::migrated(TestDb::sqlite()).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::migrated(TestDb::postgres().await).await
    }

    async fn migrated(db: TestDb) -> Self {
        let fixture = Self { store: open(&db), db };
        fixture.store.migrate().await.unwrap();
        fixture
    }

    /// Another process's store on the same database.
    pub(crate) fn another(&self) -> Store {
        open(&self.db)
    }

    pub(crate) fn url(&self) -> &str {
        self.db.url()
    }

    pub(crate) async fn sign_up(&self, name: &str) -> UserId {
        let email = Email::parse(&format!("{name}@example.org")).unwrap();
        self.create_user(email, "$argon2id$x".into(), by(at(0))).await.unwrap()
    }

    pub(crate) async fn provider_key(&self, user: UserId, provider: Provider, seal: &str) -> ProviderKeyId {
        self.create_provider_key(user, new_provider_key(provider, seal), by(at(0))).await.unwrap().key.id
    }
}

/// Opens the store without making the tables.
pub(crate) fn open(db: &TestDb) -> Store {
    Store::open(StoreConfig { pool_size: 4, ..StoreConfig::new(db.url().into(), tokio::runtime::Handle::current()) })
        .unwrap()
}

pub(crate) fn alias_name(text: &str) -> AliasName {
    AliasName::try_from(text.to_owned()).unwrap()
}

pub(crate) fn model(text: &str) -> ModelName {
    ModelName::try_from(text.to_owned()).unwrap()
}

pub(crate) fn new_provider_key(provider: Provider, seal: &str) -> NewProviderKey {
    NewProviderKey {
        provider,
        label: None,
        base_url: None,
        seal_id: SealId(seal.to_owned()),
        sealed: Sealed(format!("v1.k.{seal}")),
    }
}

pub(crate) fn new_api_key(hash: u8) -> NewApiKey {
    NewApiKey {
        key_hash: KeyHash([hash; 32]),
        name: None,
        prefix: format!("tt-{hash}"),
        scopes: vec![Scope::Proxy],
        allowed_aliases: None,
        limits: RequestLimits::default(),
        budget: None,
        expires_at: None,
    }
}

pub(crate) fn new_alias(name: &str, key: ProviderKeyId) -> NewAlias {
    NewAlias {
        name: alias_name(name),
        target_model: TargetModel::Named(model("gpt-4o")),
        provider_key_id: key,
        fallback_alias_id: None,
        use_light_model: false,
        light_model_threshold: 100,
        light_model: None,
    }
}

/// A request id of that millisecond; `n` tells those of one millisecond apart.
pub(crate) fn request_id(millis: i64, n: u8) -> RequestId {
    let millis = u64::try_from(NOON + millis).unwrap();
    RequestId(uuid::Builder::from_unix_timestamp_millis(millis, &[n; 10]).into_uuid())
}

/// A request to vary.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) user: UserId,
    pub(crate) millis: i64,
    pub(crate) n: u8,
    pub(crate) key: Option<ApiKeyId>,
    pub(crate) alias: &'static str,
    pub(crate) status: Option<u16>,
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<&'static str>,
    pub(crate) tags: String,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) client: Option<&'static str>,
    pub(crate) session: &'static str,
    pub(crate) latency_ms: u64,
    pub(crate) first_token_ms: Option<u64>,
}

impl Request {
    /// An answered one with one attempt.
    pub(crate) fn new(user: UserId, millis: i64, n: u8) -> Self {
        Self {
            user,
            millis,
            n,
            key: None,
            alias: "main",
            status: Some(200),
            outcome: Outcome::Ok,
            error: None,
            tags: String::new(),
            client: Some("codex"),
            session: "session-1",
            latency_ms: 900,
            first_token_ms: Some(80),
            attempts: vec![attempt(
                Provider::OpenAi,
                Usage {
                    input: 10,
                    cache_read: 3,
                    cache_write_5m: 2,
                    output: 7,
                    reasoning: Some(4),
                    ..Usage::default()
                },
                Some(1_000),
            )],
        }
    }

    pub(crate) fn settlement(&self) -> Settlement {
        let id = request_id(self.millis, self.n);
        Settlement {
            intent: Intent {
                request_id: id,
                created_at: id.created_at().unwrap(),
                user_id: self.user,
                api_key_id: self.key,
                alias: self.alias.to_owned(),
                dialect: Dialect::AnthropicMessages,
                stream: true,
                route_reason: "alias main: target model".to_owned(),
                chain: vec![PlannedStep {
                    alias: self.alias.to_owned(),
                    route: Route::Primary,
                    provider: Provider::OpenAi,
                    model: "gpt-4o".to_owned(),
                    reason: "because".to_owned(),
                }],
                tags: Tags::parse(&self.tags).unwrap(),
                client: self.client.map(str::to_owned),
                session: Some(self.session.to_owned()),
                agent: Some("agent-1".to_owned()),
                trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
                parent_span: Some(ParentSpan { span_id: 7, sampled: true }),
                operation: Operation::Chat,
            },
            attempts: self.attempts.clone(),
            settled: Settled {
                status: self.status,
                outcome: self.outcome,
                error: self.error.map(str::to_owned),
                latency_ms: self.latency_ms,
                first_token_ms: self.first_token_ms,
            },
        }
    }
}

/// Attempts as the store reads them back: without the cost by class, of which it keeps the sums of a request only.
pub(crate) fn stored(mut attempts: Vec<Attempt>) -> Vec<Attempt> {
    attempts.iter_mut().filter_map(|attempt| attempt.ended.as_mut()).for_each(|ended| ended.cost_by_class = None);
    attempts
}

/// A billed attempt on `provider`; `cost` in nano-dollars.
pub(crate) fn attempt(provider: Provider, usage: Usage, cost: Option<i64>) -> Attempt {
    Attempt {
        started: AttemptStarted {
            alias: "main".to_owned(),
            route: Route::Primary,
            provider,
            provider_key_id: ProviderKeyId(1),
            model: format!("{provider}-model"),
            started_at: at(0),
            notes: vec![Note { param: "top_k".to_owned(), what: record::Change::Dropped, why: "a\0b".to_owned() }],
            held: None,
        },
        ended: Some(AttemptEnded {
            status: Some(200),
            error: None,
            source: UsageSource::Provider,
            usage: Reported { usage, raw: r#"{"x":"\u0000"}"#.to_owned(), ..Reported::default() },
            served_model: Some("gpt-4o-2024".to_owned()),
            cost: cost.map(NanoUsd),
            saved: Some(NanoUsd(5)),
            price_version: Some("v1".to_owned()),
            ..AttemptEnded::unbilled(None, "", 800)
        }),
    }
}
