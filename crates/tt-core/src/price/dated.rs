//! The dated-name rule: which names stand for the same model at a provider. It is pure text and needs no table.
//!
//! A dated name falls back to the same name without its date. Nothing else is ever cut off, so a name can fall back to
//! another snapshot of its own model and never to another model.
//!
//! | provider | taken off the end | example |
//! | --- | --- | --- |
//! | OpenAI | `-YYYY-MM-DD` | `gpt-4o-2024-08-06` → `gpt-4o` |
//! | OpenAI, fine-tuned | `:organisation:suffix:id` | `ft:gpt-4o-2024-08-06:acme::9x` → `ft:gpt-4o-2024-08-06` |
//! | Anthropic | `-YYYYMMDD`, `-latest` | `claude-sonnet-4-5-20250929` → `claude-sonnet-4-5` |
//! | Gemini | `-NNN`, `-latest`, `-preview-MM-DD`, `-preview-MM-YYYY`, `-exp`, `-exp-NNNN`, `-exp-MM-DD`, `-exp-MM-YYYY` | `gemini-2.0-flash-001` → `gemini-2.0-flash` |
//!
//! Gemini names may stand behind `models/`. A plain `-preview` is a model of its own and stays; a dated one stands for
//! the undated preview first, then for the model it was a preview of.

use crate::Provider;

/// The name without a prefix that says only where it was listed (`models/` of Gemini).
pub(super) fn bare(provider: Provider, name: &str) -> &str {
    match provider {
        Provider::Gemini => name.strip_prefix("models/").unwrap_or(name),
        Provider::OpenAi | Provider::Anthropic => name,
    }
}

/// `name`, then the names that the rule derives from it, nearest first. `name` must be [`bare`].
pub(super) fn stems(provider: Provider, name: &str) -> impl Iterator<Item = &str> {
    let (first, second) = match provider {
        Provider::OpenAi => match fine_tuned(name) {
            Some(base) => (Some(base), without_iso_date(base)),
            None => (without_iso_date(name), None),
        },
        Provider::Anthropic => (name.strip_suffix("-latest").or_else(|| without_compact_date(name)), None),
        Provider::Gemini => gemini(name),
    };
    [Some(name), first, second].into_iter().flatten().filter(|stem| !stem.is_empty())
}

/// Are `a` and `b` names of one model, one of them the other without its date (`-latest` says no date)?
pub(super) fn same(provider: Provider, a: &str, b: &str) -> bool {
    let undated = |name| without_latest(provider, bare(provider, name));
    let (a, b) = (undated(a), undated(b));
    stems(provider, b).any(|stem| stem == a) || stems(provider, a).any(|stem| stem == b)
}

/// `name` without `-latest`, which stands where a date would.
pub(super) fn without_latest(provider: Provider, name: &str) -> &str {
    match provider {
        Provider::OpenAi => name,
        Provider::Anthropic | Provider::Gemini => name.strip_suffix("-latest").unwrap_or(name),
    }
}

/// `ft:BASE:organisation:suffix:id` → `ft:BASE`.
fn fine_tuned(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("ft:")?;
    let (base, _) = rest.split_once(':')?;
    name.get(..name.len() - rest.len() + base.len())
}

/// `X-YYYY-MM-DD` → `X`.
fn without_iso_date(name: &str) -> Option<&str> {
    let (rest, day) = cut_digits(name, 2)?;
    let (rest, month) = cut_digits(rest, 2)?;
    let (rest, year) = cut_digits(rest, 4)?;
    is_date(year, month, day).then_some(rest)
}

/// `X-YYYYMMDD` → `X`.
fn without_compact_date(name: &str) -> Option<&str> {
    let (rest, date) = cut_digits(name, 8)?;
    is_date(date / 10_000, date / 100 % 100, date % 100).then_some(rest)
}

/// A dated preview stands for the undated preview, and for the model it was a preview of.
fn gemini(name: &str) -> (Option<&str>, Option<&str>) {
    if let Some(stem) = name.strip_suffix("-latest") {
        return (Some(stem), None);
    }
    if let Some((stem, _)) = cut_digits(name, 3) {
        return (Some(stem), None);
    }
    let undated = without_month(name);
    if let Some(stem) = undated.and_then(|stem| stem.strip_suffix("-preview")) {
        return (undated, Some(stem));
    }
    let undated = undated.or_else(|| Some(cut_digits(name, 4)?.0)).unwrap_or(name);
    (undated.strip_suffix("-exp"), None)
}

/// `X-MM-DD` or `X-MM-YYYY` → `X`.
fn without_month(name: &str) -> Option<&str> {
    let (rest, month) = match cut_digits(name, 2) {
        Some((rest, day)) => cut_digits(rest, 2).filter(|&(_, month)| is_date(2000, month, day)),
        None => cut_digits(cut_digits(name, 4).filter(|&(_, year)| (2000..2100).contains(&year))?.0, 2),
    }?;
    (1..=12).contains(&month).then_some(rest)
}

/// Takes `-` and exactly `count` digits off the end.
fn cut_digits(name: &str, count: usize) -> Option<(&str, u32)> {
    let (rest, digits) = name.rsplit_once('-')?;
    let fits = digits.len() == count && digits.bytes().all(|b| b.is_ascii_digit());
    Some((rest, digits.parse().ok().filter(|_| fits)?))
}

fn is_date(year: u32, month: u32, day: u32) -> bool {
    (2000..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

#[cfg(test)]
mod tests {
    use Provider::{Anthropic, Gemini, OpenAi};

    use super::*;

    fn all(provider: Provider, name: &str) -> Vec<&str> {
        stems(provider, name).skip(1).collect()
    }

    #[test]
    fn one_model_has_names_with_and_without_a_date() {
        for (provider, a, b, expected) in [
            (OpenAi, "gpt-4o", "gpt-4o-2024-08-06", true),
            (OpenAi, "gpt-4o-2024-11-20", "gpt-4o-2024-08-06", false),
            (OpenAi, "gpt-4o", "gpt-4o-mini-2024-07-18", false),
            (OpenAi, "gpt-4o", "gpt-4.1", false),
            (Anthropic, "claude-3-5-haiku-latest", "claude-3-5-haiku-20241022", true),
            (Anthropic, "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", true),
            (Anthropic, "claude-sonnet-4", "claude-sonnet-4-5-20250929", false),
            (Gemini, "models/gemini-2.0-flash", "gemini-2.0-flash-001", true),
            (Gemini, "gemini-flash-latest", "gemini-3.6-flash", false),
            (Gemini, "gemini-3-pro-preview", "gemini-3-pro-preview-11-2025", true),
            (Gemini, "gemini-3-pro-preview", "gemini-3-pro", false),
        ] {
            assert_eq!(same(provider, a, b), expected, "{a} {b}");
            assert_eq!(same(provider, b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_dates_are_taken_off() {
        for (provider, name, stems) in [
            (OpenAi, "gpt-4o-2024-08-06", vec!["gpt-4o"]),
            (OpenAi, "ft:gpt-4o-2024-08-06:acme::9xYz", vec!["ft:gpt-4o-2024-08-06", "ft:gpt-4o"]),
            (OpenAi, "ft:gpt-4o-2024-08-06", vec!["ft:gpt-4o"]),
            (OpenAi, "gpt-4-0613", vec![]),
            (OpenAi, "gpt-4o-2024-13-06", vec![]),
            (OpenAi, "gpt-5-chat-latest", vec![]),
            (OpenAi, "-2024-08-06", vec![]),
            (OpenAi, "claude-sonnet-4-5-20250929", vec![]),
            (Anthropic, "claude-sonnet-4-5-20250929", vec!["claude-sonnet-4-5"]),
            (Anthropic, "claude-3-5-haiku-latest", vec!["claude-3-5-haiku"]),
            (Anthropic, "claude-sonnet-4-5", vec![]),
            (Anthropic, "claude-sonnet-4-5-20251399", vec![]),
            (Gemini, "gemini-2.0-flash-001", vec!["gemini-2.0-flash"]),
            (Gemini, "gemini-2.5-pro-preview-05-06", vec!["gemini-2.5-pro-preview", "gemini-2.5-pro"]),
            (Gemini, "gemini-2.5-flash-preview-09-2025", vec!["gemini-2.5-flash-preview", "gemini-2.5-flash"]),
            (Gemini, "gemini-2.5-pro-exp-03-25", vec!["gemini-2.5-pro"]),
            (Gemini, "gemini-2.0-flash-exp", vec!["gemini-2.0-flash"]),
            (Gemini, "gemini-exp-1206", vec!["gemini"]),
            (Gemini, "gemini-2.0-flash-exp-image-generation", vec![]),
            (Gemini, "gemini-2.5-flash-preview-tts", vec![]),
            (Gemini, "gemini-3-pro-preview", vec![]),
            (Gemini, "gemini-2.5-flash", vec![]),
        ] {
            assert_eq!(all(provider, name), stems, "{name}");
        }
    }
}
