//! The ways in which requests can go. Each has an alias and a model of its own, so that the mock's log tells them
//! apart.

use std::time::Duration;

use tt_core::Provider::{self, Anthropic, Gemini, OpenAi};
use tt_testkit::mock::Seen;
use tt_testkit::{Behaviour, MockUpstream};

/// The rule by which clients of a scene leave before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    ToTheEnd,
    /// One client in three leaves.
    Mostly,
    /// Every client leaves, since the scene has no other end.
    Never,
}

/// One way in which a request can go.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) alias: &'static str,
    pub(crate) provider: Provider,
    pub(crate) model: &'static str,
    /// The share of this scene among all requests, in proportion to the other weights.
    pub(crate) weight: u64,
    pub(crate) stay: Stay,
    pub(crate) fallback: Option<&'static str>,
    /// True if every request of the scene is streamed, since its fault is one of streams.
    pub(crate) streams_only: bool,
}

const fn scene(alias: &'static str, provider: Provider, model: &'static str, weight: u64) -> Scene {
    Scene { alias, provider, model, weight, stay: Stay::ToTheEnd, fallback: None, streams_only: false }
}

const fn falls_back(scene: Scene, to: &'static str) -> Scene {
    Scene { fallback: Some(to), ..scene }
}

const fn stays(scene: Scene, stay: Stay) -> Scene {
    Scene { stay, ..scene }
}

/// All ways; a fallback comes before those that fall back to it.
pub(crate) const SCENES: &[Scene] = &[
    scene("mini", OpenAi, "gpt-4o-mini", 6),
    scene("haiku", Anthropic, "claude-haiku-4-5", 4),
    scene("flash", Gemini, "gemini-2.5-flash", 4),
    stays(scene("slow", OpenAi, "gpt-4o", 4), Stay::Mostly),
    stays(scene("slow-claude", Anthropic, "claude-sonnet-4-5", 3), Stay::Mostly),
    stays(scene("slow-gemini", Gemini, "gemini-2.5-pro", 3), Stay::Mostly),
    falls_back(scene("reset", OpenAi, "gpt-4.1", 1), "mini"),
    falls_back(scene("down", OpenAi, "gpt-4.1-mini", 1), "haiku"),
    falls_back(scene("busy", Anthropic, "claude-opus-4-5", 2), "flash"),
    falls_back(scene("torn", OpenAi, "gpt-4-turbo", 1), "mini"),
    scene("hopeless", Gemini, "gemini-1.5-flash", 1),
    Scene { streams_only: true, ..scene("cut", OpenAi, "gpt-4.1-nano", 1) },
    Scene { streams_only: true, ..scene("rst", Anthropic, "claude-3-haiku-20240307", 1) },
    Scene { streams_only: true, ..scene("oops", Gemini, "gemini-2.0-flash", 1) },
    Scene { streams_only: true, ..stays(scene("stall", OpenAi, "gpt-4o-2024-05-13", 1), Stay::Never) },
    stays(scene("mute", Gemini, "gemini-2.5-flash-lite", 1), Stay::Never),
];

/// The long answers: words of one token each.
const WORDS: &str = "one two three four five six seven eight nine ten one two three four five six seven eight nine ten";

/// Words of [`WORDS`].
pub(crate) const LENGTH: u64 = 20;

fn behaviour(alias: &str) -> Behaviour {
    let ms = Duration::from_millis;
    match alias {
        "mini" => Behaviour::ok().cached(100).reasoning(5),
        "haiku" => Behaviour::ok().cached(50).cache_write(30),
        "flash" => Behaviour::ok().cached(20).reasoning(3),
        "slow" | "slow-claude" => Behaviour::ok().text(WORDS).delay(ms(10)).drip(ms(3)),
        "slow-gemini" => Behaviour::ok().text(WORDS).delay(ms(40)).drip(ms(1)),
        "reset" => Behaviour::reset(),
        "down" => Behaviour::status(500),
        "busy" => Behaviour::status(429),
        "torn" => Behaviour::ok().cut_after_bytes(100),
        "hopeless" => Behaviour::status(403),
        "cut" => Behaviour::ok().text(WORDS).cut_after(6),
        "rst" => Behaviour::ok().text(WORDS).drip(ms(1)).reset_after(12),
        "oops" => Behaviour::ok().text(WORDS).error_after(4),
        "stall" => Behaviour::ok().text(WORDS).stall_after(4),
        "mute" => Behaviour::ok().delay(Duration::from_secs(600)),
        other => panic!("no scene {other}"),
    }
}

/// Has the mock play all scenes.
pub(crate) fn play(mock: &MockUpstream) {
    for scene in SCENES {
        mock.on(scene.model, behaviour(scene.alias));
    }
}

/// The scene of a number.
pub(crate) fn choose(number: u64) -> &'static Scene {
    let mut left = number % SCENES.iter().map(|scene| scene.weight).sum::<u64>();
    SCENES
        .iter()
        .find(|scene| match left.checked_sub(scene.weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
        .unwrap()
}

/// One of the scenes that take their time.
pub(crate) fn slow(number: u64) -> &'static Scene {
    let slow: Vec<_> = SCENES.iter().filter(|scene| scene.stay == Stay::Mostly).collect();
    slow[usize::try_from(number % slow.len() as u64).unwrap()]
}

/// The scene of this alias.
pub(crate) fn named(alias: &str) -> &'static Scene {
    SCENES.iter().find(|scene| scene.alias == alias).unwrap()
}

const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// The text of a request: its number in words, each of one token.
pub(crate) fn text(number: usize) -> String {
    let digits = format!("{number:06}");
    let words = digits.bytes().map(|digit| DIGITS[usize::from(digit - b'0')]);
    format!("request {}", words.collect::<Vec<_>>().join(" "))
}

/// The number of the request that the mock saw.
pub(crate) fn number(seen: &Seen) -> usize {
    let body = std::str::from_utf8(&seen.body).unwrap();
    let (_, rest) = body.split_once("request ").unwrap();
    let (words, _) = rest.split_once('"').unwrap();
    words.split(' ').fold(0, |number, word| number * 10 + DIGITS.iter().position(|digit| *digit == word).unwrap())
}
