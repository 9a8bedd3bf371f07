//! The text of a request's body: all of it but the pictures, sound and documents that stand in it as base64. They are
//! counted by other rules than text.

use memchr::memmem;
use tt_core::call::conversation::{Audio, Conversation, Document, Image, Media, Part, Video};

/// The bytes of a body of `length` bytes without the media of `call` that stand in it.
pub(super) fn bytes(length: u64, call: &Conversation) -> u64 {
    inline(call).fold(length, |left, data| left.saturating_sub(data.len() as u64))
}

/// The pieces of `body` beside the media of `call` that stand in it. Media that are written there in another way than as
/// plain base64 stay in, so that they count as text: that is more than they can be.
pub(super) fn pieces<'a>(body: &'a str, call: &Conversation) -> Vec<&'a str> {
    let (mut pieces, mut rest) = (Vec::new(), body);
    // Media stand in the body in the order of the call. The first one that is not found ends the search, so that the
    // body is read once.
    for data in inline(call) {
        let Some(at) = memmem::find(rest.as_bytes(), data.as_bytes()) else { break };
        pieces.extend(rest.get(..at));
        rest = rest.get(at + data.len()..).unwrap_or_default();
    }
    pieces.push(rest);
    pieces
}

/// The base64 of each of the media.
fn inline(call: &Conversation) -> impl Iterator<Item = &str> {
    call.media().filter_map(|part| match part {
        Part::Image(Image { media, .. })
        | Part::Audio(Audio { media, .. })
        | Part::Video(Video { media, .. })
        | Part::Document(Document { media, .. }) => match media {
            Media::Inline { data, .. } => Some(data.as_str()),
            Media::Url { .. } | Media::FileId { .. } | Media::Text(_) => None,
        },
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use tt_core::call::conversation::{Message, Role};

    use super::*;

    fn pictures(all: &[&str]) -> Conversation {
        let picture =
            |data: &&str| Part::Image(Image::new(Media::Inline { mime: "image/png".into(), data: (*data).to_owned() }));
        let parts = all.iter().map(picture).collect();
        let message = Message { role: Role::User, name: None, parts, extra: serde_json::Map::new() };
        Conversation { messages: vec![message], ..Conversation::default() }
    }

    #[test]
    fn media_are_cut_out_and_the_rest_stays() {
        let body = r#"{"a":"AAAA","b":"BBBB","c":"AAAA"}"#;
        let call = pictures(&["AAAA", "BBBB"]);
        assert_eq!(pieces(body, &call), [r#"{"a":""#, r#"","b":""#, r#"","c":"AAAA"}"#]);
        assert_eq!(bytes(body.len() as u64, &call), body.len() as u64 - 8);
        // A picture that is escaped stays in, and those after it.
        let escaped = pictures(&["CC/C", "BBBB"]);
        assert_eq!(pieces(body, &escaped), [body]);
        assert_eq!(pieces(body, &pictures(&[])), [body]);
        assert_eq!(bytes(3, &call), 0);
    }
}
