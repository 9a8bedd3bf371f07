//! The list of models that a provider answers with.

use serde_json::Value;
use tt_core::Provider;

use crate::provider::{Next, api};
use crate::upstream::error::{UpstreamError, json_error};

/// One page of a list of models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelsPage {
    /// The names as they are used in requests, in the provider's order.
    pub names: Vec<String>,
    /// The cursor of the next page; `None` on the last page. The list of OpenAI has one page.
    pub next: Option<String>,
}

/// Reads a page of a list of models.
///
/// # Errors
/// `Protocol` for a body that is no list of models of this provider.
pub fn decode_models(provider: Provider, body: &[u8]) -> Result<ModelsPage, UpstreamError> {
    let models = &api(provider).models;
    let body = crate::json::value(body)
        .map_err(|error| UpstreamError::Protocol(format!("not a list of models: {}", json_error(&error))))?;
    let Some(list) = body.get(models.list).and_then(Value::as_array) else {
        return Err(UpstreamError::Protocol(format!("not a list of models: it has no {}", models.list)));
    };
    let names = list.iter().filter_map(|model| model.get(models.name).and_then(Value::as_str));
    let names = names.map(|name| name.strip_prefix("models/").unwrap_or(name).to_owned()).collect();
    let next = match models.next {
        Next::Never => None,
        Next::If { more, cursor } => body.get(cursor).filter(|_| body.get(more).and_then(Value::as_bool) == Some(true)),
        Next::Token(token) => body.get(token),
    };
    let next = next.and_then(Value::as_str).filter(|token| !token.is_empty()).map(str::to_owned);
    Ok(ModelsPage { names, next })
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use tt_core::BaseUrl;

    use super::*;
    use crate::upstream::account::Account;
    use crate::upstream::trust::Trust;

    #[test]
    fn lists_of_models_are_read_as_recorded() {
        let recordings = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/recordings");
        for (provider, folder) in [(Provider::OpenAi, "openai"), (Provider::Gemini, "gemini")] {
            let mut seen = 0;
            let folder = std::fs::read_dir(format!("{recordings}/{folder}")).unwrap();
            for file in folder.map(|entry| entry.unwrap().path()).filter(|p| p.extension() == Some("json".as_ref())) {
                let record: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
                if record["api"] != "models.list" {
                    continue;
                }
                seen += 1;
                let page = decode_models(provider, record["response"]["body"].to_string().as_bytes()).unwrap();
                let names = page.names;
                let expected = &record["expected"];
                assert_eq!(Some(names.len() as u64), expected["count"].as_u64());
                assert!(names.iter().all(|name| !name.is_empty() && !name.starts_with("models/")));
            }
            assert!(seen > 0, "no list of models of {provider}");
        }
        // Not recorded: docs.anthropic.com/en/api/models-list.
        let anthropic = br#"{"data":[{"type":"model","id":"claude-x","display_name":"X"}],"has_more":false}"#;
        let page = decode_models(Provider::Anthropic, anthropic).unwrap();
        assert_eq!((page.names, page.next), (vec!["claude-x".to_owned()], None));
        assert!(decode_models(Provider::OpenAi, b"{}").is_err());
    }

    #[test]
    fn a_list_of_models_goes_on_where_its_page_ended() {
        let next = |provider, body: &str| {
            let next = decode_models(provider, body.as_bytes()).unwrap().next?;
            let address = BaseUrl::parse("https://a.example").unwrap();
            let account = Account::new(provider, address, Trust::User, SecretString::from("k"));
            let request = account.models(Some(&next)).unwrap();
            Some(request.uri().to_string())
        };
        let anthropic = r#"{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}"#;
        let expected = "https://a.example/v1/models?limit=1000&after_id=a";
        assert_eq!(next(Provider::Anthropic, anthropic).as_deref(), Some(expected));
        let gemini = r#"{"models":[{"name":"models/g"}],"nextPageToken":"x&y=/"}"#;
        let expected = "https://a.example/v1beta/models?pageSize=1000&pageToken=x%26y%3D%2F";
        assert_eq!(next(Provider::Gemini, gemini).as_deref(), Some(expected));
        for (provider, last) in [
            (Provider::OpenAi, r#"{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}"#),
            (Provider::Anthropic, r#"{"data":[{"id":"a"}],"has_more":false,"last_id":"a"}"#),
            (Provider::Anthropic, r#"{"data":[],"has_more":true,"last_id":null}"#),
            (Provider::Gemini, r#"{"models":[],"nextPageToken":""}"#),
        ] {
            assert_eq!(next(provider, last), None, "{last}");
        }
    }
}
