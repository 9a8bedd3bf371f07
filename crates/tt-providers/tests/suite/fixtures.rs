//! The files under `fixtures/`: recorded interactions, and cases made by hand.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tt_core::{Dialect, Provider};

/// One recorded interaction; `fixtures/recordings/README.md` describes its fields.
pub(crate) struct Recording {
    pub(crate) id: String,
    pub(crate) api: String,
    pub(crate) status: u16,
    pub(crate) json: Value,
}

impl Recording {
    /// Every recording of every provider, by provider and id.
    pub(crate) fn all() -> Vec<Self> {
        Provider::ALL.into_iter().flat_map(Self::of).collect()
    }

    /// Every recording of `provider`, by id.
    pub(crate) fn of(provider: Provider) -> Vec<Self> {
        let folder = folder(&format!("recordings/{provider}"));
        let recordings = json_files(&folder).into_iter().map(|(id, json)| Self {
            id,
            api: json["api"].as_str().unwrap().to_owned(),
            status: u16::try_from(json["response"]["status"].as_u64().unwrap()).unwrap(),
            json,
        });
        recordings.collect()
    }

    /// Every recording of Responses, by id.
    pub(crate) fn of_responses() -> Vec<Self> {
        Self::of(Provider::OpenAi).into_iter().filter(|recording| recording.api == "responses").collect()
    }

    /// The dialect of this chat completion; `None` for other calls: Responses, embeddings, lists of models, counts.
    pub(crate) fn dialect(&self) -> Option<Dialect> {
        let api = self.api.trim_start_matches("vertex.");
        match api {
            _ if api.ends_with("chat.completions") => Some(Dialect::OpenAiChat),
            "messages" => Some(Dialect::AnthropicMessages),
            "generateContent" | "streamGenerateContent" => Some(Dialect::Gemini),
            _ => None,
        }
    }

    /// The dialect of this request for embeddings, if it is one.
    pub(crate) fn of_embeddings(&self) -> Option<Dialect> {
        match self.api.as_str() {
            "embeddings" => Some(Dialect::OpenAiEmbeddings),
            "batchEmbedContents" => Some(Dialect::Gemini),
            _ => None,
        }
    }

    /// The request's body. On Azure the deployment in the path stands for the model, which is put in.
    pub(crate) fn request(&self) -> Value {
        let mut body = self.json["request"]["body"].clone();
        if let (Some(Dialect::OpenAiChat), Some(fields)) = (self.dialect(), body.as_object_mut()) {
            fields.entry("model").or_insert("deployment".into());
        }
        body
    }

    /// The body of a plain answer or an error.
    pub(crate) fn body(&self) -> Option<Vec<u8>> {
        let body = self.json["response"].get("body")?;
        Some(body.to_string().into_bytes())
    }

    /// The text of a streamed answer. A Gemini stream that was recorded without `alt=sse` is one JSON array, which is
    /// one event here.
    pub(crate) fn stream(&self) -> Option<String> {
        match (self.json["response"]["sse"].as_str(), &self.json["response"]["body"]) {
            (Some(sse), _) => Some(sse.to_owned()),
            (None, body @ Value::Array(_)) => Some(format!("data: {body}\n\n")),
            (None, _) => None,
        }
    }

    /// The headers that were recorded.
    pub(crate) fn headers(&self) -> http::HeaderMap {
        let headers = self.json["response"]["headers"].as_object().into_iter().flatten();
        let headers = headers.map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.parse::<http::HeaderName>().unwrap(), value.parse::<http::HeaderValue>().unwrap())
        });
        headers.collect()
    }
}

/// A case made by hand: its name and what it holds.
pub(crate) fn made(dialect: Dialect, kind: &str) -> Vec<(String, Value)> {
    let folder = folder(&format!("made/{}/{kind}", name(dialect)));
    let cases = json_files(&folder);
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    cases
}

/// A case of embeddings made by hand: its name and what it holds.
pub(crate) fn embeddings(dialect: &str, kind: &str) -> Vec<(String, Value)> {
    json_files(&folder(&format!("made/{dialect}/{kind}")))
}

/// Requests as real clients of a dialect sent them: the name of each, and the request.
pub(crate) fn clients(dialect: Dialect) -> Vec<(String, Value)> {
    json_files(&folder(&format!("clients/{}", name(dialect))))
}

/// Every dialect that answers are translated from.
pub(crate) const DIALECTS: [Dialect; 3] = [Dialect::OpenAiChat, Dialect::AnthropicMessages, Dialect::Gemini];

/// The folder of a dialect among the cases made by hand.
pub(crate) fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat => "openai_chat",
        Dialect::AnthropicMessages => "anthropic_messages",
        Dialect::Gemini => "gemini",
        Dialect::OpenAiResponses => "openai_responses",
        Dialect::OpenAiEmbeddings => "openai_embeddings",
    }
}

fn folder(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(below)
}

/// The JSON files of a folder by name, without `.json`.
fn json_files(folder: &Path) -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let json = serde_json::from_slice(&std::fs::read(&path).unwrap());
        (name, json.unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    };
    paths.into_iter().map(read).collect()
}
