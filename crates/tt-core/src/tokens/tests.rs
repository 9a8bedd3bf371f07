//! Known counts, bounds, and that cutting a text does not change its count.

use proptest::prelude::*;

use super::*;

fn whole(text: &str) -> u64 {
    u64::try_from(tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len()).unwrap()
}

#[test]
fn known_texts_have_their_known_counts() {
    for (text, tokens) in [("", 0), ("hello world", 2), ("tiktoken is great!", 6), ("2 + 2 = 4", 7)] {
        assert_eq!(count(text), tokens, "{text}");
    }
}

#[test]
fn the_name_of_a_special_token_is_text() {
    assert_eq!(count("<|endoftext|>"), 7);
    assert!(count("<|endofprompt|>") > 1);
}

#[test]
fn no_token_is_longer_than_the_bound_says() {
    let vocabulary = tiktoken_rs::o200k_base_singleton();
    let length = |rank: u32| u64::try_from(vocabulary.decode_bytes(&[rank]).unwrap().len()).unwrap();
    // Ordinary tokens are 0 to 199 997; the special ones behind them are never counted.
    assert_eq!((0..199_998).map(length).max(), Some(LONGEST_TOKEN));
    assert!(vocabulary.decode_bytes(&[199_998]).is_err());
    assert_eq!(count(&" ".repeat(128)), 1);
}

#[test]
fn endless_runs_are_counted_in_time_that_grows_with_their_length() {
    for unit in ["a", "A", "é", " ", "\n", " \n", "!", "'", "1", "\u{3000}", "中", "\u{301}", "aA", "\t"] {
        // Spaces in one run of this length are what the regex engine alone would panic on.
        let length = if matches!(unit, "a" | " ") { 1_600_000 } else { 200_000 };
        let text = unit.repeat(length / unit.len());
        let tokens = count(&text);
        assert!((bytes(&text).div_ceil(LONGEST_TOKEN)..=bytes(&text)).contains(&tokens), "{unit:?}: {tokens}");
        assert_eq!(count_up_to([&text], 0, 1000), InputTokens::AtLeast(1000));
    }
}

#[test]
fn below_the_bound_a_count_is_exact_and_at_it_counting_stops() {
    let texts = ["hello world", "hello world"];
    assert_eq!(count_up_to(texts, 0, 5), InputTokens::Exact(4));
    assert_eq!(count_up_to(texts, 0, 4), InputTokens::AtLeast(4));
    assert_eq!(count_up_to(texts, 1, 5), InputTokens::AtLeast(5));
    assert_eq!(count_up_to(texts, 258, u64::MAX), InputTokens::Exact(262));
    assert_eq!(count_up_to(texts, 258, 258), InputTokens::AtLeast(258));
    assert_eq!(count_up_to([""; 0], 0, 1), InputTokens::Exact(0));
    assert_eq!(count_up_to([""; 0], 0, 0), InputTokens::AtLeast(0));
}

#[test]
fn texts_beyond_what_the_length_settles_are_not_even_read() {
    let mut read = 0;
    let texts = std::iter::repeat_with(|| {
        read += 1;
        "x".repeat(1280)
    });
    assert_eq!(count_up_to(texts.take(1000), 0, 100), InputTokens::AtLeast(100));
    assert_eq!(read, 10);
}

#[test]
fn the_length_settles_what_is_surely_under_or_surely_over() {
    let of = |length: usize, media, thresholds| by_length(["x".repeat(length)], media, thresholds);
    assert_eq!(of(99, 0, 100..=100), Some(InputTokens::AtMost(99)));
    assert_eq!(of(100, 0, 100..=100), None);
    assert_eq!(of(1, 98, 100..=100), Some(InputTokens::AtMost(99)));
    assert_eq!(of(1, 99, 100..=100), Some(InputTokens::AtLeast(100)));
    // 12 672 bytes have at least 99 tokens, one more byte at least 100
    assert_eq!(of(12_672, 0, 100..=100), None);
    assert_eq!(of(12_673, 0, 100..=100), Some(InputTokens::AtLeast(100)));
    // between two thresholds only a count helps
    assert_eq!(of(99, 0, 50..=1000), None);
    assert_eq!(of(12_673, 0, 50..=1000), None);
    assert_eq!(of(49, 0, 50..=1000), Some(InputTokens::AtMost(49)));
}

#[test]
fn an_answer_counts_its_beginning_and_estimates_the_rest() {
    assert_eq!(estimate_output("hello world"), 2);
    let kept = "hello ".repeat(OUTPUT_KEPT_BYTES / 6 + 1);
    let kept = kept.get(..OUTPUT_KEPT_BYTES).unwrap();
    assert_eq!(estimate_output(kept), count(kept));
    assert_eq!(estimate_output(&format!("{kept}123456789")), count(kept) + 3);
    assert_eq!(estimate_kept_output("hello world", 9), 2 + 3);
    // the limit falls inside a character: it belongs to the rest
    let odd = format!("{}é", kept.get(1..).unwrap());
    assert_eq!(estimate_output(&odd), count(kept.get(1..).unwrap()) + 1);
}

#[test]
fn a_long_text_is_counted_as_if_it_were_not_cut() {
    let prose = include_str!("../../../README.md");
    let source = include_str!("../price/tests.rs");
    let table = include_str!("../../data/prices.json");
    let chinese = "一种代理，让账单与供应商的数字一致。它计算每个请求的令牌，从不猜测！".repeat(400);
    for text in [prose, source, table, &chinese] {
        assert!(pieces::of(text).count() > 1);
        assert_eq!(count(text), whole(text));
    }
}

/// Texts of what the splitting expression tells apart.
fn texts() -> impl Strategy<Value = String> {
    let atoms = vec![
        "a", "B", "ſ", "é", "e\u{301}", "\u{301}", "Ⓐ", "ʰ", "中", "文", "の", "ナ", "한", "ب", "ก", "'", "'s", "'LL",
        "’", "1", "23", "٣", "½", "Ⅷ", " ", "  ", "\t", "\u{a0}", "\u{3000}", "\u{85}", "\u{2028}", "\n", "\r\n", "\r",
        "\n\n", "/", "//", "!", "-", ".", "。", "，", "「", "€", "😀", "\u{200b}", "\u{0}", "hello", " World",
        "{\"k\":", "_x",
    ];
    proptest::collection::vec(prop::sample::select(atoms), 0..60).prop_map(|atoms| atoms.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cutting_at_every_safe_place_changes_no_count(text in texts()) {
        let pieces: Vec<_> = pieces::cut(&text, 1, usize::MAX).collect();
        prop_assert_eq!(pieces.concat(), text.as_str());
        prop_assert_eq!(pieces.into_iter().map(whole).sum::<u64>(), whole(&text));
    }

    #[test]
    fn a_count_lies_within_the_bounds_of_its_length(text in "\\PC{0,200}") {
        prop_assert!((shortest(&text)..=bytes(&text)).contains(&count(&text)));
    }

    #[test]
    fn what_the_length_settles_a_count_confirms(text in texts(), media in 0..50_u64, low in 0..200_u64, more in 0..100_u64) {
        let high = low + more;
        if let Some(settled) = by_length([&text], media, low..=high) {
            let counted = count_up_to([&text], media, high);
            for threshold in [low, high] {
                prop_assert_eq!(settled.under(threshold), counted.under(threshold));
            }
        }
    }
}

#[test]
fn a_run_without_a_place_to_cut_is_off_by_a_token_or_two() {
    // A linear congruential generator, so that the sample is the same everywhere.
    let mut state = 42_u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    for alphabet in ["abcdefghijklmnopqrstuvwxyz", "etaoinshrdlu", " ", "的一是不了人我在有他", "!?-=*#"] {
        let alphabet: Vec<char> = alphabet.chars().collect();
        for _ in 0..500 {
            let run: String = (0..300).map(|_| alphabet[below(alphabet.len())]).collect();
            let (before, after) = run.split_at(run.floor_char_boundary(1 + below(299)));
            let off = (whole(before) + whole(after)).abs_diff(whole(&run));
            assert!(off <= 2, "{off}: {before} | {after}");
        }
    }
}
