//! Holds an observer that recognises events against one that parses each, on recorded streams and on changed ones.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value as Json;

use super::Template;
use crate::codec::Observer;
use crate::sse::Framer;
use crate::surrogates::mended;

/// An observer whose state can be compared.
pub(in crate::dialect) trait Compared: Observer + Sized {
    /// An observer at the beginning of a stream.
    fn fresh() -> Self;

    /// The template, which is no part of the state.
    fn template(&mut self) -> &mut Template;

    /// The state, as text.
    fn state(&self) -> String;
}

/// The data of events.
type Events = Vec<Bytes>;

/// The recorded streams of a provider, in the APIs whose names end with `api`.
pub(in crate::dialect) fn recorded(provider: &str, api: &str) -> Vec<Events> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings").join(provider);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    let recordings = files.iter().map(|file| serde_json::from_slice::<Json>(&std::fs::read(file).unwrap()).unwrap());
    let of_api = recordings.filter(|recording| recording["api"].as_str().unwrap().ends_with(api));
    let streams = of_api.filter_map(|recording| recording["response"]["sse"].as_str().map(events));
    streams.collect()
}

fn events(stream: &str) -> Events {
    let mut framer = Framer::new();
    framer.push(Bytes::copy_from_slice(stream.as_bytes()));
    std::iter::from_fn(|| framer.next()).map(|frame| frame.unwrap().data).collect()
}

/// Gives `events` to an observer that recognises them and to one that parses each, and returns the number of events that
/// were recognised.
///
/// # Panics
/// If the two differ.
pub(in crate::dialect) fn compare<O: Compared>(events: &[Bytes]) -> usize {
    let (mut recognising, mut parsing) = (O::fresh(), O::fresh());
    let mut recognised = 0;
    for event in events {
        let data = mended(event);
        recognised += usize::from(recognising.template().read(data.trim_ascii()).is_some());
        parsing.template().forget();
        let (seen, parsed) = (recognising.data(&data), parsing.data(&data));
        assert_eq!(format!("{seen:?}"), format!("{parsed:?}"), "{event:?}");
        assert_eq!(recognising.state(), parsing.state(), "{event:?}");
    }
    assert_eq!(recognising.tally(), parsing.tally());
    recognised
}

/// Makes the tests of the observer `StreamObserver`: of the recorded streams of a provider, in the APIs whose names end so,
/// it recognises so many events at the least; and it takes them, changed copies of them, and events made of `MADE`, as if it
/// parsed each.
macro_rules! tests {
    ($provider:literal, $api:literal, $least:literal) => {
        #[test]
        fn most_recorded_texts_are_recognised() {
            let streams = $crate::dialect::template::comparison::recorded($provider, $api);
            let compared = streams.iter().map(|stream| compare::<StreamObserver>(stream));
            let recognised: usize = compared.sum();
            assert!(recognised >= $least, "only {recognised}");
        }

        proptest::proptest! {
            #[test]
            fn an_event_means_the_same_whether_it_is_recognised_or_parsed(
                events in $crate::dialect::template::comparison::made(MADE)
            ) {
                compare::<StreamObserver>(&events);
            }

            #[test]
            fn a_changed_event_means_the_same_whether_it_is_recognised_or_parsed(
                events in $crate::dialect::template::comparison::changed(
                    $crate::dialect::template::comparison::recorded($provider, $api)
                )
            ) {
                compare::<StreamObserver>(&events);
            }
        }
    };
}
pub(in crate::dialect) use tests;

/// A change of an event.
#[derive(Debug, Clone)]
enum Change {
    Replace(Index, u8),
    Insert(Index, &'static str),
    /// A field more, at the beginning of an object or behind a comma.
    Field(Index, &'static str),
    Remove(Index, usize),
    /// A piece of the event, a second time.
    Repeat(Index, usize),
}

const BYTES: &[u8] = b"\"\\{}[]:, 019-+.eEabu\n\t\x00\x1f\x7f\x80\xc3\xff";

const PIECES: [&str; 10] =
    [r"\n", r"\u0041", r"\ud800", r"\udc00", r"\ud83d\ude00", r#"\""#, "é", "\u{1}", "12", r#"":""#];

const FIELDS: [&str; 20] = [
    r#""type":"error","#,
    r#""\u0074ype":"error","#,
    r#""error":{"message":"m"},"#,
    r#""error":null,"#,
    r#""usage":{"output_tokens":9,"completion_tokens":9},"#,
    r#""usage":null,"#,
    r#""usageMetadata":{"promptTokenCount":9},"#,
    r#""usageMetadata":null,"#,
    r#""delta":"x","#,
    r#""content":"x","#,
    r#""text":"x","#,
    r#""thinking":"x","#,
    r#""partial_json":"x","#,
    r#""name":"x","#,
    r#""input":{"a":1},"#,
    r#""finish_reason":"stop","#,
    r#""finishReason":"STOP","#,
    r#""stop_reason":"end_turn","#,
    r#""sequence_number":7,"#,
    r#""new":[],"#,
];

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), prop::sample::select(BYTES)).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (at(), prop::sample::select(&PIECES[..])).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (at(), prop::sample::select(&FIELDS[..])).prop_map(|(at, field)| Change::Field(at, field)),
        (at(), 1_usize..12).prop_map(|(at, length)| Change::Remove(at, length)),
        (at(), 1_usize..40).prop_map(|(at, length)| Change::Repeat(at, length)),
    ]
}

impl Change {
    fn apply(&self, event: &mut Vec<u8>) {
        if event.is_empty() {
            return;
        }
        let place = |at: &Index, length: usize| {
            let at = at.index(event.len());
            at..event.len().min(at + length)
        };
        match self {
            Self::Replace(at, byte) => {
                let at = at.index(event.len());
                event[at] = *byte;
            }
            Self::Insert(at, piece) => drop(event.splice(place(at, 0), piece.bytes())),
            Self::Field(at, field) => {
                let from = at.index(event.len());
                let behind = event.iter().enumerate().filter(|(_, byte)| matches!(byte, b'{' | b','));
                let at = behind.map(|(at, _)| at + 1).find(|at| *at > from);
                if let Some(at) = at {
                    event.splice(at..at, field.bytes());
                }
            }
            Self::Remove(at, length) => drop(event.drain(place(at, *length))),
            Self::Repeat(at, length) => {
                let piece = event[place(at, *length)].to_vec();
                let at = place(at, *length).end;
                event.splice(at..at, piece);
            }
        }
    }
}

/// A part of one of `streams`, with changed copies of its events behind them.
pub(in crate::dialect) fn changed(streams: Vec<Events>) -> impl Strategy<Value = Events> {
    let copies = prop::collection::vec(prop::collection::vec(change(), 0..3), 1..8);
    (prop::sample::select(streams), any::<Index>(), copies).prop_map(|(stream, from, copies)| {
        let part = stream.iter().skip(from.index(stream.len()));
        let with_copy = part.zip(copies).map(|(event, changes)| {
            let mut copy = event.to_vec();
            changes.iter().for_each(|change| change.apply(&mut copy));
            [event.clone(), copy.into()]
        });
        with_copy.flatten().collect()
    })
}

/// Events made of `parts`, of which each event takes one alternative. `TEXT` in it stands for a text, `NUMBER` for a number.
/// Most alternatives are those of the event before.
pub(in crate::dialect) fn made(parts: &'static [&'static [&'static str]]) -> impl Strategy<Value = Events> {
    let others = prop::collection::vec((any::<Index>(), any::<Index>()), 0..3);
    let values = (prop::sample::select(&TEXTS[..]), prop::sample::select(&NUMBERS[..]));
    prop::collection::vec((others, values), 1..40).prop_map(|events| {
        let mut chosen: Vec<&str> = parts.iter().map(|part| part[0]).collect();
        let written = events.into_iter().map(|(others, (text, number))| {
            for (part, alternative) in others {
                let part = part.index(parts.len());
                chosen[part] = parts[part][alternative.index(parts[part].len())];
            }
            chosen.concat().replace("TEXT", text).replace("NUMBER", number).into()
        });
        written.collect()
    })
}

/// Texts as they are written in JSON, and two that no JSON has.
const TEXTS: [&str; 12] =
    ["a", " word", "", r"\n", "wörld", r#"\"quoted\""#, r"\u00e9", r"\\", r"\ud83d\ude00", r"\ud800", r"\x", "\u{1}"];

const NUMBERS: [&str; 9] = ["0", "7", "17", "1234567890123456789", "12345678901234567890", "007", "-1", "1.5", "null"];
