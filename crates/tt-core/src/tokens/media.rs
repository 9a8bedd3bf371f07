//! The tokens that pictures, sound and documents count for, by each provider's published rule as far as it can be
//! followed without decoding them. They are estimates for routing: the billed number is the provider's, and budgets hold
//! the bounds of `media_bound.rs`.
//!
//! The rules differ by model in places; one rule stands for all models of a provider, the one most of them follow.

use super::picture::{self, Encoded};
use crate::Provider;
use crate::call::media::Media;
use crate::call::part::{Audio, Document, Image, Part, Video};

/// The tokens of a picture with OpenAI's `detail: low`, and those of every other picture before its tiles.
const OPENAI_BASE: u64 = 85;
const OPENAI_TILE: u64 = 170;
/// The tokens of a picture of unknown size: that of a square of 768 pixels or more, which has four tiles.
const OPENAI_UNKNOWN: u64 = OPENAI_BASE + 4 * OPENAI_TILE;

const ANTHROPIC_LONG_EDGE: u64 = 1568;
const ANTHROPIC_PIXELS: u64 = 750;
const ANTHROPIC_MOST: u64 = 1600;

const GEMINI_TILE: u64 = 258;
/// One frame a second, and its sound.
const GEMINI_FILM_SECOND: u64 = GEMINI_TILE + 32;

/// The byte rate of MP3 at 128 kbit/s, for sound whose header does not state one.
const SOUND_BYTES_PER_SECOND: u64 = 16_000;

/// MP4 at 1 Mbit/s.
const FILM_BYTES_PER_SECOND: u64 = 125_000;
/// A film of unknown length is taken for one of a minute.
const FILM_SECONDS_UNKNOWN: u64 = 60;

/// The tokens a picture, sound, film or document counts for; 0 for other parts.
///
/// - **OpenAI**, pictures: 85 for `detail: low`; else 85 and 170 for each tile of 512 pixels, after scaling down to fit
///   2048 × 2048 and then to 768 on the shorter side; 765 where the size is unknown.
///   (<https://platform.openai.com/docs/guides/images-vision#calculating-costs>, the rule of GPT-4o and GPT-4.1.) Sound:
///   10 a second (<https://platform.openai.com/docs/guides/realtime-costs>). A document: one page, its picture (765)
///   and text (1,000) (<https://platform.openai.com/docs/guides/pdf-files> says that both are read).
/// - **Anthropic**, pictures: width × height / 750, after scaling down to 1568 on the longer side, at most 1,600; 1,600
///   where the size is unknown (<https://docs.anthropic.com/en/docs/build-with-claude/vision#calculate-image-costs>). A
///   document: 3,000, one page at the upper end of the published range
///   (<https://docs.anthropic.com/en/docs/build-with-claude/pdf-support>). It hears no sound; counted as Gemini's.
/// - **Gemini**, pictures: 258 where both sides are at most 384 pixels or unknown, else 258 for each tile of 768
///   (<https://ai.google.dev/gemini-api/docs/tokens>). Sound: 32 a second (the same page). A document: 258, one page
///   (<https://ai.google.dev/gemini-api/docs/document-processing>). A film: 290 a second, one frame and its sound
///   (<https://ai.google.dev/gemini-api/docs/video-understanding>); no other provider sees one, and it counts the same.
///
/// A document of text in the request counts a token for four bytes. Sizes are read from the headers of pictures in the
/// request; seconds are those of the WAV header, or of MP3 at 128 kbit/s.
pub fn media_tokens(part: &Part, provider: Provider) -> u64 {
    match part {
        Part::Image(Image { media, detail, .. }) => {
            let size = match media {
                Media::Inline { data, .. } => picture::size(data),
                Media::Url { .. } | Media::FileId { .. } | Media::Text(_) => None,
            };
            match provider {
                Provider::OpenAi if detail.as_deref() == Some("low") => OPENAI_BASE,
                Provider::OpenAi => size.map_or(OPENAI_UNKNOWN, openai),
                Provider::Anthropic => size.map_or(ANTHROPIC_MOST, anthropic),
                Provider::Gemini => size.map_or(GEMINI_TILE, gemini),
            }
        }
        Part::Audio(Audio { media, .. }) => {
            let per_second = match provider {
                Provider::OpenAi => 10,
                Provider::Anthropic | Provider::Gemini => 32,
            };
            let Media::Inline { data, .. } = media else { return 0 };
            let sound = Encoded(data.as_bytes());
            sound.len().saturating_mul(per_second).div_ceil(sound_bytes_per_second(&sound))
        }
        Part::Video(Video { media, .. }) => match media {
            Media::Inline { data, .. } => {
                let film = Encoded(data.as_bytes());
                film.len().saturating_mul(GEMINI_FILM_SECOND).div_ceil(FILM_BYTES_PER_SECOND)
            }
            Media::Url { .. } | Media::FileId { .. } | Media::Text(_) => FILM_SECONDS_UNKNOWN * GEMINI_FILM_SECOND,
        },
        Part::Document(Document { media: Media::Inline { mime, data }, .. }) if mime.starts_with("text/") => {
            Encoded(data.as_bytes()).len().div_ceil(4)
        }
        Part::Document(Document { media: Media::Text(text), .. }) => (text.len() as u64).div_ceil(4),
        Part::Document(_) => match provider {
            Provider::OpenAi => OPENAI_UNKNOWN + 1000,
            Provider::Anthropic => 3000,
            Provider::Gemini => GEMINI_TILE,
        },
        Part::Text(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Thinking(_)
        | Part::Redacted { .. }
        | Part::WebSearch { .. }
        | Part::Refusal { .. }
        | Part::Opaque(_) => 0,
    }
}

fn openai(size: (u64, u64)) -> u64 {
    let (width, height) = down_to(size, size.0.max(size.1), 2048);
    let (width, height) = down_to((width, height), width.min(height), 768);
    OPENAI_BASE + OPENAI_TILE * width.div_ceil(512) * height.div_ceil(512)
}

fn anthropic(size: (u64, u64)) -> u64 {
    let (width, height) = down_to(size, size.0.max(size.1), ANTHROPIC_LONG_EDGE);
    (width * height).div_ceil(ANTHROPIC_PIXELS).min(ANTHROPIC_MOST)
}

fn gemini((width, height): (u64, u64)) -> u64 {
    if width <= 384 && height <= 384 {
        return GEMINI_TILE;
    }
    width.div_ceil(768).saturating_mul(height.div_ceil(768)).saturating_mul(GEMINI_TILE)
}

/// Scales a picture down so that `side`, one of its sides, is at most `most`; to the nearest pixel, at least one.
pub(super) fn down_to((width, height): (u64, u64), side: u64, most: u64) -> (u64, u64) {
    if side <= most {
        return (width, height);
    }
    // Sides are under 2³² (no header holds more), so nothing overflows.
    let scaled = |length: u64| ((length * most + side / 2) / side).max(1);
    (scaled(width), scaled(height))
}

/// The byte rate of a WAV header whose first chunk is the format, as it nearly always is.
fn sound_bytes_per_second(sound: &Encoded<'_>) -> u64 {
    let wav = sound.has(0, b"RIFF") && sound.has(8, b"WAVEfmt ");
    sound.little::<4>(28).filter(|rate| wav && *rate > 0).unwrap_or(SOUND_BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use Provider::{Anthropic, Gemini, OpenAi};

    use super::super::{base64, png};
    use super::*;

    fn at_url() -> Media {
        Media::url("https://example.org/x")
    }

    #[test]
    fn pictures_count_as_the_providers_own_examples() {
        for (provider, width, height, tokens) in [
            // "A 1024 x 1024 square image in detail: high mode costs 765 tokens", "2048 x 4096 ... 1105 tokens"
            (OpenAi, 1024, 1024, 765),
            (OpenAi, 2048, 4096, 1105),
            (OpenAi, 512, 512, 255),
            (OpenAi, 1, 100_000, 85 + 4 * 170),
            // "200x200 px ~54 tokens", "1000x1000 ~1334", "1092x1092 ~1590"
            (Anthropic, 200, 200, 54),
            (Anthropic, 1000, 1000, 1334),
            (Anthropic, 1092, 1092, 1590),
            (Anthropic, 8000, 8000, 1600),
            (Anthropic, 3136, 400, 419),
            (Gemini, 384, 384, 258),
            (Gemini, 385, 384, 258),
            (Gemini, 769, 384, 516),
            (Gemini, 1536, 1536, 1032),
        ] {
            assert_eq!(media_tokens(&png(width, height, None), provider), tokens, "{provider} {width}x{height}");
        }
        assert_eq!(media_tokens(&png(4096, 4096, Some("low")), OpenAi), 85);
        assert_eq!(media_tokens(&png(1024, 1024, Some("high")), OpenAi), 765);
        for provider in Provider::ALL {
            assert!(media_tokens(&png(u32::MAX, u32::MAX, None), provider) > 0);
        }
    }

    #[test]
    fn what_cannot_be_seen_counts_as_documented() {
        for (provider, image, file) in [(OpenAi, 765, 1765), (Anthropic, 1600, 3000), (Gemini, 258, 258)] {
            let part = Part::Image(Image::new(at_url()));
            assert_eq!(media_tokens(&part, provider), image);
            let part = Part::Document(Document::new(at_url()));
            assert_eq!(media_tokens(&part, provider), file);
            assert_eq!(media_tokens(&Part::text("words"), provider), 0);
        }
        let media = Media::Inline { mime: "text/plain".into(), data: base64(&[b'x'; 401]) };
        assert_eq!(media_tokens(&Part::Document(Document::new(media)), Anthropic), 101);
        let plain = Document::new(Media::Text("x".repeat(401)));
        assert_eq!(media_tokens(&Part::Document(plain), Anthropic), 101);
    }

    #[test]
    fn sound_counts_by_the_second() {
        let second = 32_000_u32;
        let header = [b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0".as_slice(), &second.to_le_bytes()];
        let mut wav = header.concat();
        wav.resize(64_000, 0);
        let inline = |mime: &str, bytes: &[u8]| Media::Inline { mime: mime.into(), data: base64(bytes) };
        let sound = |bytes: &[u8]| Part::Audio(Audio::new(inline("audio/wav", bytes)));
        assert_eq!(media_tokens(&sound(&wav), Gemini), 64);
        assert_eq!(media_tokens(&sound(&wav), OpenAi), 20);
        assert_eq!(media_tokens(&sound(&[0; 16_000]), Gemini), 32);
        assert_eq!(media_tokens(&sound(b"RIFF\0\0\0\0WAVEfmt "), Gemini), 1);
        let film = |media| Part::Video(Video { media, metadata: None });
        assert_eq!(media_tokens(&film(inline("video/mp4", &[0; 250_000])), Gemini), 580);
        assert_eq!(media_tokens(&film(at_url()), Gemini), 60 * 290);
    }
}
