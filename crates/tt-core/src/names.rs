//! The names that users choose. They are parsed once, where a request enters; the code behind trusts them.

use serde::Serialize;

use crate::Invalid;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::check(&text)?;
                Ok(Self(text.into_boxed_str()))
            }
        }
    };
}

name!(/// The name of an alias: `A-Za-z0-9._:-`, and one `*` at the end if it catches every name that begins like it; 1 to
    /// 255 characters in all.
    AliasName);

impl AliasName {
    /// The beginning of the names that this alias catches, for one that ends with `*`.
    pub fn catches(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }

    fn check(text: &str) -> Result<(), Invalid> {
        let beginning = text.strip_suffix('*').unwrap_or(text);
        let fits = (1..=255).contains(&text.len())
            && beginning.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
        if fits {
            Ok(())
        } else {
            let why = "must be 1 to 255 of the characters A-Z a-z 0-9 . _ : - with a * at most at the end";
            Err(Invalid::new("alias", why))
        }
    }
}

name!(/// A provider's name of a model: 1 to 255 visible ASCII characters but quotes, `\\`, `?` and `%`; no part between
    /// slashes is empty, `.` or `..`.
    ///
    /// Slashes and colons are part of real names (`ft:gpt-4o:org::id`, `models/gemini-2.5-pro` on compatible hosts).
    ModelName);

impl ModelName {
    fn check(text: &str) -> Result<(), Invalid> {
        if Self::fits(text) {
            Ok(())
        } else {
            let why =
                "must be 1 to 255 visible ASCII characters but quotes, \\, ? and %, and no path that could be left";
            Err(Invalid::new("model", why))
        }
    }

    /// True if `text` can be the name of a model.
    pub fn fits(text: &str) -> bool {
        (1..=255).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'`\\?%".contains(&b))
            && text.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
    }
}

name!(/// An e-mail address, trimmed and lower-cased, so that equal addresses compare equal.
    Email);

impl Email {
    /// Trims and lower-cases `text`, then checks it: one `@` with something on both sides, no blanks, at most 254
    /// bytes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::try_from(text.trim().to_lowercase())
    }

    fn check(text: &str) -> Result<(), Invalid> {
        let shape = text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.')
        });
        if shape && text.len() <= 254 && !text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            Ok(())
        } else {
            Err(Invalid::new("email", "must be an e-mail address of at most 254 bytes"))
        }
    }
}

name!(/// A label a user gives a key: 1 to 100 characters, none of them control characters.
    Label);

impl Label {
    fn check(text: &str) -> Result<(), Invalid> {
        if (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            Ok(())
        } else {
            Err(Invalid::new("label", "must be 1 to 100 characters without control characters"))
        }
    }
}

name!(/// The address of a provider's API: `http` or `https`, a host, no credentials, query or fragment; no trailing slash.
    ///
    /// This type allows private addresses: the code that saves an address and the code that connects to it decide about
    /// those.
    BaseUrl);

name!(/// The address that a webhook is sent to: `http` or `https`, a host, no credentials and no fragment. It may have a query,
    /// in which some receivers have their token.
    ///
    /// As with [`BaseUrl`], who saves an address and who connects to it decides about private ones.
    WebhookUrl);

impl WebhookUrl {
    /// True if the address is one of `https`.
    pub fn is_https(&self) -> bool {
        self.as_str().starts_with("https://")
    }

    /// The address up to its path, which holds no token.
    pub fn origin(&self) -> &str {
        let after_scheme = self.as_str().find("://").map_or(0, |at| at + 3);
        let (_, rest) = self.as_str().split_at(after_scheme);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        self.as_str().split_at(after_scheme + end).0
    }

    fn check(text: &str) -> Result<(), Invalid> {
        let before_query = text.split('?').next().unwrap_or_default();
        BaseUrl::check(before_query).map_err(|invalid| Invalid::new("url", invalid.reason))?;
        if text.len() > 2048 || text.contains(['#', '\\']) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Invalid::new("url", "must be at most 2048 visible ASCII characters without a fragment"));
        }
        Ok(())
    }
}

/// True if `authority` is a host, followed by a colon and a port if any.
fn host_and_port(authority: &str) -> bool {
    // The colons of an IPv6 address are within brackets.
    let after_host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (!host.is_empty()).then_some(rest),
        None => authority.find(':').map_or(Some(""), |colon| (colon > 0).then(|| authority.split_at(colon).1)),
    };
    let is_port =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0);
    match after_host {
        None => false,
        Some("") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(is_port),
    }
}

impl BaseUrl {
    /// True if the address is one of `https`.
    pub fn is_https(&self) -> bool {
        self.as_str().starts_with("https://")
    }

    /// Checks `text` and cuts trailing slashes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::try_from(text.trim_end_matches('/').to_owned())
    }

    fn check(text: &str) -> Result<(), Invalid> {
        let refuse = |why| Err(Invalid::new("base_url", why));
        let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
            return refuse("must begin with http:// or https://");
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.is_empty() || text.len() > 2048 {
            return refuse("must name a host and be at most 2048 bytes");
        }
        if authority.contains('@') {
            return refuse("must not hold credentials");
        }
        if !host_and_port(authority) {
            return refuse("must name a host, and a port from 1 to 65535 if any");
        }
        if text.contains(['?', '#', '\\']) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return refuse("must be a plain address without query, fragment or blanks");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alias_names_keep_to_their_alphabet() {
        for good in ["prod-gpt4.1:eu_2", "claude-*", "*", &"x".repeat(255)] {
            assert!(AliasName::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "ä", "**", "*a", "a*b", "a**", &"x".repeat(256), &format!("{}*", "x".repeat(255))]
        {
            assert!(AliasName::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn model_names_cannot_leave_their_path() {
        for good in ["gpt-4o", "ft:gpt-4o:org::id", "models/gemini-2.5-pro", "org/model@1", "a#b", "m[1m]", "a=b~c"] {
            assert!(ModelName::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["../x", "a/../b", "a//b", "/a", "a?b", "a\"b", "a'b", "a\\b", "a%2f", "a b", "ä", "a\n", ""] {
            assert!(ModelName::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn emails_compare_without_case_and_blanks() {
        assert_eq!(Email::parse("  Ann@Example.ORG "), Email::parse("ann@example.org"));
        for bad in ["", "ann", "@x", "a@", "a b@c", "a@b@c", &format!("{}@x", "a".repeat(254))] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn base_urls_hold_no_credentials() {
        assert_eq!(BaseUrl::parse("https://api.openai.com/v1/").unwrap().as_str(), "https://api.openai.com/v1");
        for bad in ["ftp://x", "https://", "https://u:p@x", "https://x?y", "https://x y", "https:///x"] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn webhook_urls_may_have_a_query_and_no_credentials() {
        let url = |text: &str| WebhookUrl::try_from(text.to_owned());
        for (good, origin) in [
            ("https://hooks.example/a/b?sig=1&x=y", "https://hooks.example"),
            ("http://127.0.0.1:80?x", "http://127.0.0.1:80"),
            ("https://x/", "https://x"),
            ("https://[::1]:8", "https://[::1]:8"),
        ] {
            assert_eq!(url(good).unwrap().origin(), origin, "{good}");
        }
        let long = format!("https://x/?{}", "y".repeat(2048));
        for bad in ["ftp://x", "https://", "https://u:p@x/", "https://x#y", "https://x?a b", "https:///x", "", &long] {
            assert_eq!(url(bad).unwrap_err().field, "url", "{bad}");
        }
    }

    #[test]
    fn base_urls_have_a_host_and_a_possible_port() {
        for good in [
            "https://x:1",
            "https://x:65535/v1",
            "http://[::1]",
            "https://[2001:db8::1]:8443/v1",
            "https://127.0.0.1:80",
        ] {
            assert!(BaseUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "https://x:0",
            "https://x:99999",
            "https://x:",
            "https://x:8a",
            "https://x:+8",
            "https://:80",
            "https://[]:80",
            "https://[::1]x",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
