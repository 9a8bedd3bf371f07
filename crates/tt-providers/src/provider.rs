//! The facts of each provider's API that do not depend on a dialect: the address, the credential, the list of models
//! and the regions.

use tt_core::Provider;

/// One provider's API.
#[derive(Debug)]
pub struct Api {
    /// The address of the provider, used where a credential has no `base_url` of its own.
    pub base_url: &'static str,
    /// Path suffixes that are cut off a `base_url`: users copy them along, and the paths of calls contain them already.
    pub(crate) versions: &'static [&'static str],
    /// The header that carries the API key.
    pub(crate) credential: Credential,
    /// The name and value of the header with the version of the API; `None` where the API has none.
    pub(crate) version_header: Option<(&'static str, &'static str)>,
    /// The beginnings of the names of the client's headers that are sent on where a request passes through.
    pub(crate) passed_on: &'static [&'static str],
    pub(crate) models: Models,
    /// The regional hosts, each with the key under which the price table lists the prices of that region.
    regions: &'static [(&'static str, &'static str)],
}

/// The header that carries an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    /// `Authorization: Bearer`.
    Bearer,
    /// The bare key, in a header of this name.
    Header(&'static str),
}

/// The list of the models that a key may call.
#[derive(Debug)]
pub(crate) struct Models {
    /// The path of its first page, with its query.
    pub(crate) path: &'static str,
    /// The query that asks for the page after a cursor, to be put behind the path.
    pub(crate) cursor: &'static str,
    /// The field with the list.
    pub(crate) list: &'static str,
    /// The field with a model's name.
    pub(crate) name: &'static str,
    pub(crate) next: Next,
}

/// The fields by which a page of models names the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The list has one page.
    Never,
    /// The field `cursor` holds the cursor, if the field `more` is true.
    If { more: &'static str, cursor: &'static str },
    /// This field holds the cursor; it is empty on the last page.
    Token(&'static str),
}

static OPENAI: Api = Api {
    base_url: "https://api.openai.com/v1",
    versions: &[],
    credential: Credential::Bearer,
    version_header: None,
    // Codex chooses features of the API by the latter two.
    passed_on: &["openai-beta", "x-codex-", "x-openai-"],
    models: Models { path: "/models", cursor: "?after=", list: "data", name: "id", next: Next::Never },
    // Data residency: https://platform.openai.com/docs/guides/your-data. No answer names the region.
    regions: &[("eu.api.openai.com", "region_eu"), ("us.api.openai.com", "region_us")],
};

static ANTHROPIC: Api = Api {
    base_url: "https://api.anthropic.com",
    versions: &["/v1"],
    credential: Credential::Header("x-api-key"),
    // https://docs.anthropic.com/en/api/versioning
    version_header: Some(("anthropic-version", "2023-06-01")),
    passed_on: &["anthropic-"],
    models: Models {
        path: "/v1/models?limit=1000",
        cursor: "&after_id=",
        list: "data",
        name: "id",
        next: Next::If { more: "has_more", cursor: "last_id" },
    },
    regions: &[],
};

static GEMINI: Api = Api {
    base_url: "https://generativelanguage.googleapis.com",
    versions: &["/v1beta/openai", "/v1beta"],
    credential: Credential::Header("x-goog-api-key"),
    version_header: None,
    passed_on: &[],
    models: Models {
        path: "/v1beta/models?pageSize=1000",
        cursor: "&pageToken=",
        list: "models",
        name: "name",
        next: Next::Token("nextPageToken"),
    },
    regions: &[],
};

/// The API of a provider.
pub fn api(provider: Provider) -> &'static Api {
    match provider {
        Provider::OpenAi => &OPENAI,
        Provider::Anthropic => &ANTHROPIC,
        Provider::Gemini => &GEMINI,
    }
}

impl Api {
    /// The key under which the price table lists the prices of the region at `base_url`; `None` where the usual prices
    /// hold.
    pub fn region(&self, base_url: &str) -> Option<&'static str> {
        let (_, rest) = base_url.split_once("://")?;
        let host = rest.split(['/', ':']).next()?;
        self.regions.iter().find_map(|(regional, word)| host.eq_ignore_ascii_case(regional).then_some(*word))
    }

    /// `base` without its trailing slash and the version that a user may have copied along.
    pub(crate) fn root<'a>(&self, base: &'a str) -> &'a str {
        let base = base.trim_end_matches('/');
        self.versions.iter().find_map(|version| base.strip_suffix(version)).unwrap_or(base).trim_end_matches('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regional_address_is_known_by_its_whole_host() {
        let region = |url| api(Provider::OpenAi).region(url);
        assert_eq!(region("https://eu.api.openai.com/v1"), Some("region_eu"));
        assert_eq!(region("https://US.api.openai.com:443"), Some("region_us"));
        for elsewhere in
            ["https://api.openai.com/v1", "https://eu.api.openai.com.example.org/v1", "http://h/eu.api.openai.com"]
        {
            assert_eq!(region(elsewhere), None, "{elsewhere}");
        }
        assert_eq!(api(Provider::Gemini).region("https://eu.api.openai.com/v1"), None);
    }

    #[test]
    fn a_version_that_was_copied_along_is_not_asked_for_twice() {
        for base in ["https://g.example", "https://g.example/v1beta", "https://g.example/v1beta/openai/"] {
            assert_eq!(api(Provider::Gemini).root(base), "https://g.example");
        }
        assert_eq!(api(Provider::OpenAi).root("https://api.openai.com/v1/"), "https://api.openai.com/v1");
    }
}
