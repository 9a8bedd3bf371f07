//! The facts of each provider's API that are no dialect's: its address, its credential, its list of models, its regions.

use tt_core::Provider;

/// One provider's API.
#[derive(Debug)]
pub struct Api {
    /// The provider's own address.
    pub base_url: &'static str,
    /// Ends of an address that a user may have copied along and that the paths of calls bring themselves.
    pub(crate) versions: &'static [&'static str],
    /// The header with the key.
    pub(crate) credential: Credential,
    /// A header with the version of the API, where there is one.
    pub(crate) version_header: Option<(&'static str, &'static str)>,
    pub(crate) models: Models,
    /// Hosts of regional addresses, each with the word under which the price table lists what a model costs there.
    regions: &'static [(&'static str, &'static str)],
}

/// How a key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    /// `Authorization: Bearer`.
    Bearer,
    /// In a header of this name.
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

/// Where a page of models says how the list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nowhere: the first page is all.
    Never,
    /// In the field `cursor`, where the field `more` is true.
    If { more: &'static str, cursor: &'static str },
    /// In this field, where it is not empty.
    Token(&'static str),
}

static OPENAI: Api = Api {
    base_url: "https://api.openai.com/v1",
    versions: &[],
    credential: Credential::Bearer,
    version_header: None,
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
    /// The word under which the price table lists what a model costs at `base_url`; `None`: no price of its own.
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
