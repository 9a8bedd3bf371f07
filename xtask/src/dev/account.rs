//! The developer's account: a user, provider keys, demo aliases and an API key, made once and used again.
//!
//! The password, the keys and the ids are kept in `<data dir>/dev-credentials`, readable by its owner only. Everything
//! is looked up before it is made, so that a run makes only the missing things: after a changed key, a switch between
//! mock and real providers, or a deleted database.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::providers::ProviderKey;
use crate::http::Server;

const FILE: &str = "dev-credentials";
const EMAIL: &str = "dev@example.com";

/// An account that is ready for use.
#[derive(Debug)]
pub(crate) struct Account {
    password: String,
    pub(super) api_key: String,
    aliases: Vec<String>,
}

/// The content of the file.
#[derive(Debug, Default)]
struct Saved {
    fields: Map<String, Value>,
}

impl Account {
    /// Makes the parts of the account that are missing.
    pub(crate) fn ready(server: &Server, data: &Path, keys: &[ProviderKey]) -> Result<Self, String> {
        let path = data.join(FILE);
        let mut saved = Saved::load(&path)?;
        let password = match saved.text("password") {
            Some(password) => password,
            None => {
                let password = random_hex(16)?;
                saved.set("email", EMAIL);
                saved.set("password", &password);
                // The file is written before the user is made: with a lost password the account would be locked.
                saved.store(&path)?;
                password
            }
        };
        let session = sign_in(server, &password, &path)?;
        let ids = store_keys(server, &session, keys, &mut saved)?;
        let aliases = make_aliases(server, &session, keys, &ids)?;
        let api_key = api_key(server, &session, &mut saved)?;
        saved.store(&path)?;
        Ok(Self { password, api_key, aliases })
    }

    /// The email and the password.
    pub(crate) fn credentials(&self) -> (&str, &str) {
        (EMAIL, &self.password)
    }

    /// Signs in; returns the session token.
    pub(crate) fn sign_in(&self, server: &Server) -> Result<String, String> {
        let session =
            server.post("/auth/login", None, &json!({"email": EMAIL, "password": self.password}))?.ok("sign in")?;
        token_of(&session)
    }

    /// The text that tells the developer the address, the key and a call that works.
    pub(crate) fn welcome(&self, address: &str, mock: bool, data: &Path) -> String {
        let Self { password, api_key, aliases } = self;
        let provider = if mock {
            "\nNo provider key is set: a mock answers in place of OpenAI, Anthropic and Gemini. Set OPENAI_API_KEY,\n\
             ANTHROPIC_API_KEY or GEMINI_API_KEY (here or in .env) for real models.\n"
        } else {
            ""
        };
        let aliases = aliases.join(", ");
        format!(
            "
TokenTracer is ready at http://{address}

  dashboard   http://{address}/dashboard
  sign-in     {EMAIL} / {password}
  API key     {api_key}
  models      {aliases}
  data        {}
{provider}
curl http://{address}/v1/chat/completions -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\
  -d '{{\"model\":\"demo\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'

curl -N http://{address}/v1/chat/completions -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\
  -d '{{\"model\":\"demo\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'

curl 'http://{address}/manage/usage?group_by=provider,alias' -H 'Authorization: Bearer {api_key}'

Ctrl-C ends it; the data stays.
",
            data.display()
        )
    }
}

/// Signs in, and up where there is no such user yet; returns the session token.
fn sign_in(server: &Server, password: &str, path: &Path) -> Result<String, String> {
    let who = json!({"email": EMAIL, "password": password});
    let first = server.post("/auth/login", None, &who)?;
    let session = if first.status == 401 {
        let made = server.post("/auth/signup", None, &who)?;
        if made.status == 409 {
            return Err(format!(
                "the user {EMAIL} has another password than the one in {}: put it there, or remove the user",
                path.display()
            ));
        }
        made.ok("sign up")?;
        server.post("/auth/login", None, &who)?.ok("sign in")?
    } else {
        first.ok("sign in")?
    };
    token_of(&session)
}

fn token_of(session: &Value) -> Result<String, String> {
    session.get("token").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| "sign in: no token came".to_owned())
}

/// Stores each key once, and again where it has changed. The ids, in the order of `keys`.
fn store_keys(server: &Server, session: &str, keys: &[ProviderKey], saved: &mut Saved) -> Result<Vec<u64>, String> {
    let listed = server.get("/manage/providers", session)?.ok("list provider keys")?;
    let mut ids = Vec::new();
    for key in keys {
        let provider = key.provider.name;
        let label = if key.mock { "make run (mock)" } else { "make run" };
        let stored = listed.as_array().into_iter().flatten().find(|stored| {
            stored.get("provider").is_some_and(|name| name == provider)
                && stored.get("label").is_some_and(|l| l == label)
        });
        let print = fingerprint(&key.secret);
        let known = format!("{provider} {label}");
        let id = match stored.and_then(|stored| stored.get("id")).and_then(Value::as_u64) {
            Some(id) if saved.text(&known).as_deref() == Some(&print) => id,
            Some(id) => {
                let path = format!("/manage/providers/{id}");
                server
                    .call("PATCH", &path, Some(session), Some(&json!({"api_key": key.secret})))?
                    .ok("change a provider key")?;
                id
            }
            None => {
                let body = json!({"provider": provider, "api_key": key.secret, "label": label});
                let made = server.post("/manage/providers", Some(session), &body)?.ok("store a provider key")?;
                made.get("id").and_then(Value::as_u64).ok_or("store a provider key: no id came")?
            }
        };
        saved.set(&known, &print);
        ids.push(id);
    }
    Ok(ids)
}

/// Makes `demo` on the first provider and `demo-<provider>` on each; and for the names that coding agents ask for, an alias
/// that catches each provider's own, and `*` on the first provider. An alias that points to one of these keys is left as
/// it is, since the developer may have changed it.
fn make_aliases(server: &Server, session: &str, keys: &[ProviderKey], ids: &[u64]) -> Result<Vec<String>, String> {
    let listed = server.get("/manage/aliases", session)?.ok("list aliases")?;
    let keys = || keys.iter().map(|key| key.provider).zip(ids.iter().copied());
    let first = keys().take(1).flat_map(|key| [("demo".to_owned(), key), ("*".to_owned(), key)]);
    let each = keys().flat_map(|key| [(format!("demo-{}", key.0.name), key), (key.0.own_names.to_owned(), key)]);
    let mut names = Vec::new();
    for (name, (provider, id)) in first.chain(each) {
        let current =
            listed.as_array().into_iter().flatten().find(|alias| alias.get("alias").is_some_and(|a| *a == name));
        let current_key = current.and_then(|alias| alias.get("provider_key_id")).and_then(Value::as_u64);
        if !current_key.is_some_and(|current| ids.contains(&current)) {
            let target = if name == provider.own_names { "*" } else { provider.model };
            let body = json!({"alias": name, "target_model": target, "provider_key_id": id});
            server.post("/manage/aliases", Some(session), &body)?.ok("make an alias")?;
        }
        names.push(name);
    }
    Ok(names)
}

/// The API key of the last run while it works, else a new one.
fn api_key(server: &Server, session: &str, saved: &mut Saved) -> Result<String, String> {
    if let Some(token) = saved.text("api_key")
        && server.get("/auth/me", &token)?.status == 200
    {
        return Ok(token);
    }
    let body = json!({"name": "make run", "scopes": ["proxy", "manage"]});
    let made = server.post("/auth/key", Some(session), &body)?.ok("make an API key")?;
    let token = made.get("token").and_then(Value::as_str).ok_or("make an API key: no token came")?;
    saved.set("api_key", token);
    Ok(token.to_owned())
}

impl Saved {
    fn load(path: &Path) -> Result<Self, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        match serde_json::from_str(&text) {
            Ok(Value::Object(fields)) => Ok(Self { fields }),
            _ => Err(format!("{} is damaged: repair or remove it", path.display())),
        }
    }

    /// Writes beside and renames, so that a crash leaves the old file or the new one.
    fn store(&self, path: &Path) -> Result<(), String> {
        let beside = path.with_extension("new");
        let write = || {
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            writeln!(file, "{:#}", Value::Object(self.fields.clone()))?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        };
        write().map_err(|error| format!("{}: {error}", path.display()))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.fields.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.fields.insert(name.to_owned(), json!(value));
    }
}

/// Tells whether a secret has changed, without keeping it. Not for anything an adversary could gain from.
fn fingerprint(secret: &str) -> String {
    let mut hasher = DefaultHasher::new();
    secret.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn random_hex(bytes: usize) -> Result<String, String> {
    let mut random = vec![0; bytes];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random));
    read.map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn credentials_are_kept_for_their_owner_only() {
        let path = std::env::temp_dir().join(format!("tokentracer-xtask-{}", random_hex(8).unwrap()));
        let mut saved = Saved::default();
        saved.set("password", "x");
        saved.store(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Saved::load(&path).unwrap().text("password").as_deref(), Some("x"));
        std::fs::write(&path, "{").unwrap();
        assert!(Saved::load(&path).unwrap_err().contains("is damaged"));
        std::fs::remove_file(&path).unwrap();
        assert!(Saved::load(&path).unwrap().text("password").is_none());
    }
}
