//! OpenAI Chat Completions, and the hosts that speak it.

mod error;
mod names;
pub mod observe;
mod path;
pub mod reply;
pub mod request;
pub mod scan;
pub mod stream;
mod template;
mod text;
pub mod usage;
mod wire;

pub use error::refused;
pub use observe::{Observer, ReplyFacts, Seen, observe_reply};
pub use reply::{EncodeOptions, decode_reply, encode_reply};
pub use request::{decode_request, encode_request};
pub use scan::Scan;

/// The word under which the price table lists what a model costs at a regional address, which no answer names
/// ([data residency](https://platform.openai.com/docs/guides/your-data)).
pub fn region(base_url: &str) -> Option<&'static str> {
    let (_, rest) = base_url.split_once("://")?;
    let host = rest.split(['/', ':']).next()?;
    [("eu.api.openai.com", "region_eu"), ("us.api.openai.com", "region_us")]
        .into_iter()
        .find_map(|(regional, word)| host.eq_ignore_ascii_case(regional).then_some(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regional_address_is_known_by_its_whole_host() {
        assert_eq!(region("https://eu.api.openai.com/v1"), Some("region_eu"));
        assert_eq!(region("https://US.api.openai.com:443"), Some("region_us"));
        for elsewhere in
            ["https://api.openai.com/v1", "https://eu.api.openai.com.example.org/v1", "http://h/eu.api.openai.com"]
        {
            assert_eq!(region(elsewhere), None, "{elsewhere}");
        }
    }
}
