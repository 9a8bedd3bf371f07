//! The text of a request's body: all of it but the pictures, sound and documents that stand in it as base64. They are
//! counted by other rules than text.

use memchr::memmem;
use tt_core::call::conversation::{Audio, Document, Image, Media, Part, Video};

/// The bytes of a body of `length` bytes without the `media` that stand in it.
pub(super) fn bytes<'m>(length: u64, media: impl Iterator<Item = &'m Part>) -> u64 {
    inline(media).fold(length, |left, data| left.saturating_sub(data.len() as u64))
}

/// The pieces of `body` beside the `media` that stand in it. Media that are written there in another way than as
/// plain base64 stay in, so that they count as text: that is more than they can be.
pub(super) fn pieces<'b, 'm>(body: &'b str, media: impl Iterator<Item = &'m Part>) -> Vec<&'b str> {
    let (mut pieces, mut rest) = (Vec::new(), body);
    // Media stand in the body in the order of the call. The first one that is not found ends the search, so that the
    // body is read once.
    for data in inline(media) {
        let Some(at) = memmem::find(rest.as_bytes(), data.as_bytes()) else { break };
        pieces.extend(rest.get(..at));
        rest = rest.get(at + data.len()..).unwrap_or_default();
    }
    pieces.push(rest);
    pieces
}

/// The base64 of each of the media.
fn inline<'m>(media: impl Iterator<Item = &'m Part>) -> impl Iterator<Item = &'m str> {
    media.filter_map(|part| match part {
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
    use super::*;

    fn pictures(all: &[&str]) -> Vec<Part> {
        let picture =
            |data: &&str| Part::Image(Image::new(Media::Inline { mime: "image/png".into(), data: (*data).to_owned() }));
        all.iter().map(picture).collect()
    }

    #[test]
    fn media_are_cut_out_and_the_rest_stays() {
        let body = r#"{"a":"AAAA","b":"BBBB","c":"AAAA"}"#;
        let media = pictures(&["AAAA", "BBBB"]);
        assert_eq!(pieces(body, media.iter()), [r#"{"a":""#, r#"","b":""#, r#"","c":"AAAA"}"#]);
        assert_eq!(bytes(body.len() as u64, media.iter()), body.len() as u64 - 8);
        // A picture that is escaped stays in, and those after it.
        let escaped = pictures(&["CC/C", "BBBB"]);
        assert_eq!(pieces(body, escaped.iter()), [body]);
        assert_eq!(pieces(body, [].iter()), [body]);
        assert_eq!(bytes(3, media.iter()), 0);
    }
}
