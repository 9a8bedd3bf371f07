//! The most tokens that a picture, sound or document can be, by each provider's published rule.
//!
//! Unlike [`super::media`], which estimates, nothing here may be too low: a rule that differs by model is followed by
//! model, and a size that is not known is the largest there is.

use serde_json::Value;

use super::media::down_to;
use super::picture::{self, Encoded};
use crate::Provider;
use crate::call::media::Media;
use crate::call::part::{Audio, Document, Image, Part, Video};

/// Tokens that may stand around each part.
const AROUND: u64 = 16;

/// The fewest bytes that a second of sound takes: below 4 kbit/s no format that the providers read goes.
const SOUND_BYTES_PER_SECOND: u64 = 500;

/// The most tokens that `part` can be for `model`, beside the text in the request: 0 for parts that are text. `None`
/// where no published rule ends below the context window of the model:
///
/// - A PDF for OpenAI or Anthropic. They read the text of each page beside its picture, and state no most for a text.
/// - Sound and documents that the request only names, unless Gemini reads them by a rule.
/// - A film as a whole: an hour of it fills the window of Gemini (<https://ai.google.dev/gemini-api/docs/video-understanding>).
///   Its header does not bound its length, because a header may state less.
pub fn most_of_media(part: &Part, provider: Provider, model: &str) -> Option<u64> {
    let most = match part {
        Part::Image(image) => most_of_image(image, provider, model),
        Part::Audio(Audio { media: Media::Inline { data, .. }, .. }) => {
            let per_second = match provider {
                Provider::OpenAi => 10,
                Provider::Anthropic | Provider::Gemini => GEMINI_SOUND_SECOND,
            };
            let sound = Encoded(data.as_bytes());
            let bytes_per_second = pcm_bytes_per_second(&sound).unwrap_or(SOUND_BYTES_PER_SECOND);
            sound.len().saturating_mul(per_second).div_ceil(bytes_per_second)
        }
        // A token is at least a byte.
        Part::Document(Document { media: Media::Inline { mime, data }, .. }) if mime.starts_with("text/") => {
            Encoded(data.as_bytes()).len()
        }
        Part::Audio(_) if provider == Provider::Gemini => GEMINI_LONGEST_SOUND * GEMINI_SOUND_SECOND,
        Part::Video(Video { metadata: Some(section), .. }) if provider == Provider::Gemini => gemini_film(section)?,
        Part::Document(Document {
            media: Media::Inline { mime, .. } | Media::Url { mime: Some(mime), .. }, ..
        }) if provider == Provider::Gemini && mime == "application/pdf" => GEMINI_MOST_PAGES * gemini_page(model),
        Part::Audio(_)
        | Part::Video(_)
        | Part::Document(Document { media: Media::Inline { .. } | Media::Url { .. } | Media::FileId { .. }, .. }) => {
            return None;
        }
        Part::Document(Document { media: Media::Text(_), .. })
        | Part::Text(_)
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Thinking(_)
        | Part::Redacted { .. }
        | Part::WebSearch { .. }
        | Part::Refusal { .. }
        | Part::Opaque(_) => return Some(0),
    };
    Some(most.saturating_add(AROUND))
}

fn most_of_image(Image { media, detail, .. }: &Image, provider: Provider, model: &str) -> u64 {
    let size = match media {
        Media::Inline { data, .. } => picture::size(data),
        Media::Url { .. } | Media::FileId { .. } | Media::Text(_) => None,
    };
    match provider {
        Provider::OpenAi => openai(size, detail.as_deref() == Some("low"), model),
        Provider::Anthropic => size.map_or(ANTHROPIC_MOST, anthropic),
        Provider::Gemini => size.map_or(GEMINI_MOST, gemini).max(gemini_fixed(model)),
    }
}

/// OpenAI's rules for pictures (<https://platform.openai.com/docs/guides/images-vision#calculating-costs>).
#[derive(Debug, Clone, Copy)]
enum OpenAiRule {
    /// A base, and as much again for each tile of 512 pixels, after scaling down to fit 2048 × 2048 and then to 768 on the
    /// shorter side.
    Tiles { base: u64, tile: u64 },
    /// Thousandths of a token for each patch of 32 pixels, up to a number of patches.
    Patches { most: u64, milli: u64 },
}

/// The rules by the first words of a model's name. The first that fits holds.
const OPENAI_RULES: [(&str, OpenAiRule); 15] = [
    ("gpt-4o-mini", OpenAiRule::Tiles { base: 2833, tile: 5667 }),
    ("gpt-4o", OpenAiRule::Tiles { base: 85, tile: 170 }),
    ("chatgpt-4o", OpenAiRule::Tiles { base: 85, tile: 170 }),
    ("gpt-4.1-mini", OpenAiRule::Patches { most: 1536, milli: 1620 }),
    ("gpt-4.1-nano", OpenAiRule::Patches { most: 1536, milli: 2460 }),
    ("gpt-4.1", OpenAiRule::Tiles { base: 85, tile: 170 }),
    ("gpt-4.5", OpenAiRule::Tiles { base: 85, tile: 170 }),
    ("gpt-4", OpenAiRule::Tiles { base: 85, tile: 170 }),
    ("gpt-5-mini", OpenAiRule::Patches { most: 1536, milli: 1620 }),
    ("gpt-5-codex-mini", OpenAiRule::Patches { most: 1536, milli: 1620 }),
    ("gpt-5-nano", OpenAiRule::Patches { most: 1536, milli: 2460 }),
    ("gpt-5", OpenAiRule::Tiles { base: 70, tile: 140 }),
    ("o4-mini", OpenAiRule::Patches { most: 1536, milli: 1720 }),
    ("o1", OpenAiRule::Tiles { base: 75, tile: 150 }),
    ("o3", OpenAiRule::Tiles { base: 75, tile: 150 }),
];

/// The rule for models that are not listed: the most patches that any model sees (`detail: original`), at the dearest
/// multiple.
const OPENAI_DEAREST: OpenAiRule = OpenAiRule::Patches { most: 10_000, milli: 2460 };

/// The tiles of 2048 × 768 pixels, the largest picture that is left after scaling down.
const OPENAI_MOST_TILES: u64 = 8;

fn openai(size: Option<(u64, u64)>, low: bool, model: &str) -> u64 {
    let named = |name: &str| model.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let rule = OPENAI_RULES.iter().find(|(name, _)| named(name)).map_or(OPENAI_DEAREST, |(_, rule)| *rule);
    match rule {
        OpenAiRule::Tiles { base, .. } if low => base,
        OpenAiRule::Tiles { base, tile } => {
            let tiles = size.map_or(OPENAI_MOST_TILES, |size| {
                let (width, height) = down_to(size, size.0.max(size.1), 2048);
                let (width, height) = down_to((width, height), width.min(height), 768);
                width.div_ceil(512) * height.div_ceil(512)
            });
            base + tile * tiles
        }
        OpenAiRule::Patches { most, milli } => {
            let patches =
                size.map_or(most, |(width, height)| width.div_ceil(32).saturating_mul(height.div_ceil(32)).min(most));
            (patches * milli).div_ceil(1000)
        }
    }
}

/// The longer side and the tokens that no picture exceeds on any model of Anthropic
/// (<https://docs.anthropic.com/en/docs/build-with-claude/vision#calculate-image-costs>; older models take less).
const ANTHROPIC_LONG_EDGE: u64 = 2576;
const ANTHROPIC_MOST: u64 = 4784;

/// A token for 750 pixels, or for each patch of 28 × 28, whichever is more.
fn anthropic(size: (u64, u64)) -> u64 {
    let (width, height) = down_to(size, size.0.max(size.1), ANTHROPIC_LONG_EDGE);
    let patches = width.div_ceil(28) * height.div_ceil(28);
    (width * height).div_ceil(750).max(patches).min(ANTHROPIC_MOST)
}

/// The tokens of a tile, and the longer side that pictures are scaled down to
/// (<https://ai.google.dev/gemini-api/docs/tokens>).
const GEMINI_TILE: u64 = 258;
const GEMINI_LONG_EDGE: u64 = 3072;

/// The 24 tiles of the picture with the most, 3072 × 384, and the picture as a whole.
const GEMINI_MOST: u64 = 25 * GEMINI_TILE;

/// The tokens of a picture of any size on models from Gemini 3 on
/// (<https://ai.google.dev/gemini-api/docs/media-resolution>, where nothing is said about the resolution).
const GEMINI_3_IMAGE: u64 = 1120;

/// A tile where both sides are at most 384 pixels, else one for each square whose side is two thirds of the shorter side,
/// from 256 to 768 pixels, and one for the whole.
fn gemini(size: (u64, u64)) -> u64 {
    if size.0 <= 384 && size.1 <= 384 {
        return GEMINI_TILE;
    }
    let (width, height) = down_to(size, size.0.max(size.1), GEMINI_LONG_EDGE);
    let side = (width.min(height) * 2 / 3).clamp(256, 768);
    (width.div_ceil(side) * height.div_ceil(side) + 1) * GEMINI_TILE
}

/// The tokens that a picture counts for at least, whatever its size.
fn gemini_fixed(model: &str) -> u64 {
    if model.starts_with("gemini-1") || model.starts_with("gemini-2") { 0 } else { GEMINI_3_IMAGE }
}

/// The tokens of a second of sound, and the seconds that all sound of a request may last
/// (<https://ai.google.dev/gemini-api/docs/audio>: nine and a half hours).
const GEMINI_SOUND_SECOND: u64 = 32;
const GEMINI_LONGEST_SOUND: u64 = 34_200;

/// The most pages of a PDF (<https://ai.google.dev/gemini-api/docs/document-processing>). A page is a picture of one tile,
/// and its text is not billed; from Gemini 3 on it is a picture as any other.
const GEMINI_MOST_PAGES: u64 = 1000;

fn gemini_page(model: &str) -> u64 {
    gemini_fixed(model).max(GEMINI_TILE)
}

/// The most tokens of a frame with the time that stands before it, on any model and at any resolution.
const GEMINI_FRAME: u64 = 300;

/// The most tokens of the section of a film that `section` names (`videoMetadata`): its frames, one in a second unless it
/// names another number, and its sound. `None` where the section has no end.
fn gemini_film(section: &Value) -> Option<u64> {
    let field = |names: [&str; 2]| names.iter().find_map(|name| section.get(name)).filter(|value| !value.is_null());
    let seconds = |value: &Value| value.as_str()?.strip_suffix('s').and_then(whole);
    let end = field(["endOffset", "end_offset"]).and_then(seconds)?;
    let start = field(["startOffset", "start_offset"]).and_then(seconds).unwrap_or(0);
    let frames = match section.get("fps").filter(|fps| !fps.is_null()) {
        Some(fps) => whole(&fps.to_string())?.saturating_add(1),
        None => 1,
    };
    // A second more for each part of one at the beginning and the end.
    let length = end.saturating_sub(start).saturating_add(2);
    Some(length.saturating_mul(frames.saturating_mul(GEMINI_FRAME).saturating_add(GEMINI_SOUND_SECOND)))
}

/// The whole part of a decimal number that is not negative. `None` for any other text.
fn whole(number: &str) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    part.bytes().all(|byte| byte.is_ascii_digit()).then(|| whole.parse().ok()).flatten()
}

/// The bytes a second of a WAV file of uncompressed samples, by the fields that a player goes by.
fn pcm_bytes_per_second(sound: &Encoded<'_>) -> Option<u64> {
    let is_pcm = sound.has(0, b"RIFF") && sound.has(8, b"WAVEfmt ") && sound.little::<2>(20) == Some(1);
    let (channels, rate, bits) = (sound.little::<2>(22)?, sound.little::<4>(24)?, sound.little::<2>(34)?);
    let bytes_per_second = rate * channels * bits / 8;
    (is_pcm && bytes_per_second > 0).then_some(bytes_per_second)
}

#[cfg(test)]
mod tests {
    use Provider::{Anthropic, Gemini, OpenAi};
    use serde_json::json;

    use super::super::{base64, media_tokens, png};
    use super::*;

    #[test]
    fn pictures_are_bounded_by_the_rule_of_the_model() {
        for (provider, model, width, height, tokens) in [
            (OpenAi, "gpt-4o-2024-08-06", 1024, 1024, 765),
            (OpenAi, "gpt-4o-mini", 1024, 1024, 2833 + 4 * 5667),
            (OpenAi, "gpt-4.1", 2048, 4096, 1105),
            (OpenAi, "gpt-5", 512, 512, 210),
            (OpenAi, "gpt-5-chat-latest", 512, 512, 210),
            // 32 patches each way, and no more than 1,536 in all.
            (OpenAi, "gpt-5-mini", 1024, 1024, 1659),
            (OpenAi, "gpt-5-nano", 4096, 4096, 3779),
            (OpenAi, "gpt-5.4", 1024, 1024, 2520),
            (OpenAi, "somebody/else", 1, 1, 3),
            (Anthropic, "claude-haiku-4-5", 1000, 1000, 1334),
            (Anthropic, "claude-haiku-4-5", 200, 200, 64),
            (Anthropic, "claude-opus-4-7", 8000, 8000, 4784),
            (Gemini, "gemini-2.5-flash", 1, 1, 258),
            (Gemini, "gemini-2.5-flash", 960, 540, 7 * 258),
            (Gemini, "gemini-3.1-pro-preview", 1, 1, 1120),
        ] {
            let most = most_of_media(&png(width, height, None), provider, model);
            assert_eq!(most, Some(tokens + AROUND), "{model} {width}x{height}");
        }
        assert_eq!(most_of_media(&png(4096, 4096, Some("low")), OpenAi, "gpt-4o"), Some(85 + AROUND));
    }

    #[test]
    fn a_picture_of_unknown_size_counts_as_the_largest() {
        let unknown = Part::Image(Image::new(Media::url("https://example.org/x")));
        for (provider, model) in [
            (OpenAi, "gpt-4o"),
            (OpenAi, "gpt-4o-mini"),
            (OpenAi, "gpt-5-nano"),
            (OpenAi, "gpt-5.4"),
            (Anthropic, "claude-sonnet-4-5"),
            (Gemini, "gemini-2.5-flash"),
            (Gemini, "gemini-3.1-pro-preview"),
        ] {
            let of = |part: &Part| most_of_media(part, provider, model).unwrap();
            let sides = [
                1,
                28,
                31,
                200,
                256,
                257,
                384,
                385,
                511,
                513,
                767,
                769,
                1025,
                1536,
                2049,
                3072,
                8000,
                100_000,
                u32::MAX,
            ];
            for (width, height) in sides.iter().flat_map(|width| sides.map(|height| (*width, height))) {
                let part = png(width, height, None);
                assert!(of(&part) <= of(&unknown), "{model} {width}x{height}");
                // The estimate goes by the rules of a provider's first models, and scales nothing down.
                let patches = model == "gpt-5-nano" || model == "gpt-5.4";
                if !patches && u64::from(width.max(height)) <= GEMINI_LONG_EDGE {
                    assert!(of(&part) >= media_tokens(&part, provider), "{model} {width}x{height}");
                }
            }
        }
    }

    #[test]
    fn a_section_of_a_film_is_bounded_by_its_ends_and_frames() {
        let of = |section: Value| {
            let film = Video { media: Media::url("https://youtu.be/x"), metadata: Some(section) };
            most_of_media(&Part::Video(film), Gemini, "gemini-2.5-flash")
        };
        assert_eq!(of(json!({"startOffset": "10s", "endOffset": "15s"})), Some(7 * 332 + AROUND));
        assert_eq!(of(json!({"end_offset": "15.7s"})), Some(17 * 332 + AROUND));
        assert_eq!(of(json!({"endOffset": "15s", "fps": 0.5})), Some(17 * 332 + AROUND));
        assert_eq!(of(json!({"endOffset": "15s", "fps": 4})), Some(17 * (5 * 300 + 32) + AROUND));
        for unbounded in [
            json!({}),
            json!({"startOffset": "10s"}),
            json!({"endOffset": "15"}),
            json!({"endOffset": "-1s"}),
            json!({"endOffset": "1.x9s"}),
            json!({"endOffset": "15s", "fps": "many"}),
            json!({"endOffset": "15s", "fps": 1e300}),
            json!("15s"),
        ] {
            assert_eq!(of(unbounded.clone()), None, "{unbounded}");
        }
        assert_eq!(of(json!({"endOffset": "18446744073709551615s"})), Some(u64::MAX), "more than any window");
    }

    #[test]
    fn a_pdf_has_the_most_pages_that_gemini_reads() {
        let of = |media: Media, provider: Provider, model: &str| {
            most_of_media(&Part::Document(Document::new(media)), provider, model)
        };
        let at = |mime: Option<&str>| Media::Url { url: "https://x".into(), mime: mime.map(str::to_owned) };
        let inline = Media::Inline { mime: "application/pdf".into(), data: base64(b"%PDF") };
        assert_eq!(of(inline.clone(), Gemini, "gemini-2.5-flash"), Some(258_000 + AROUND));
        assert_eq!(of(inline.clone(), Gemini, "gemini-3.5-flash"), Some(1_120_000 + AROUND));
        assert_eq!(of(at(Some("application/pdf")), Gemini, "gemini-2.5-pro"), Some(258_000 + AROUND));
        // The text at an address may be of any length.
        assert_eq!(of(at(Some("text/plain")), Gemini, "gemini-2.5-pro"), None);
        assert_eq!(of(at(None), Gemini, "gemini-2.5-pro"), None);
        assert_eq!(of(inline, OpenAi, "gpt-5.4"), None);
    }

    #[test]
    fn sound_is_bounded_by_its_length_and_films_by_nothing() {
        let inline = |mime: &str, bytes: &[u8]| Media::Inline { mime: mime.into(), data: base64(bytes) };
        let wav = |rate: u32, format: u16| {
            let mut wav = [b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".as_slice(), &format.to_le_bytes(), &[1, 0]].concat();
            wav.extend([rate.to_le_bytes(), u32::MAX.to_le_bytes()].concat());
            wav.extend([2, 0, 16, 0]);
            wav.resize(64_000, 0);
            Part::Audio(Audio::new(inline("audio/wav", &wav)))
        };
        // Two seconds, whatever the header says of bytes a second.
        assert_eq!(most_of_media(&wav(16_000, 1), Gemini, "m"), Some(64 + AROUND));
        assert_eq!(most_of_media(&wav(16_000, 1), OpenAi, "m"), Some(20 + AROUND));
        // Compressed: 128 seconds at the least that such a sound takes.
        assert_eq!(most_of_media(&wav(16_000, 2), Gemini, "m"), Some(128 * 32 + AROUND));
        let named = Part::Audio(Audio::new(Media::url("https://x")));
        assert_eq!(most_of_media(&named, OpenAi, "m"), None);
        assert_eq!(most_of_media(&named, Gemini, "m"), Some(34_200 * 32 + AROUND));
        let film = Part::Video(Video { media: inline("video/mp4", &[0; 9]), metadata: None });
        assert_eq!(most_of_media(&film, Gemini, "m"), None);
        let document = |media| most_of_media(&Part::Document(Document::new(media)), Anthropic, "m");
        assert_eq!(document(inline("text/plain", &[b'x'; 401])), Some(401 + AROUND));
        assert_eq!(document(inline("application/pdf", &[b'x'; 401])), None);
        assert_eq!(document(Media::url("https://x")), None);
        assert_eq!(document(Media::Text("x".into())), Some(0), "it stands in the body as text");
    }
}
