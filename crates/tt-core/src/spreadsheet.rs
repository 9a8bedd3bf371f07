//! Texts for tables that people open in a spreadsheet, such as CSV.

use std::borrow::Cow;

/// The characters that begin a formula in a spreadsheet, and their full-width forms.
const FORMULA_BEGINNINGS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A text that a spreadsheet shows and never runs: one that would begin a formula gets an apostrophe before it.
///
/// Names and error messages come from callers and providers, and a formula can call out to the network. Numbers are not
/// passed through here: a spreadsheet must read `-1` as a number.
///
/// ```
/// use tt_core::spreadsheet::text_cell;
///
/// assert_eq!(text_cell("a plain text"), "a plain text");
/// assert_eq!(text_cell("=1+1"), "'=1+1");
/// ```
#[must_use]
pub fn text_cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(FORMULA_BEGINNINGS) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_never_begins_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "＋1", "－1", "＠SUM(A1)"] {
            assert_eq!(text_cell(formula), format!("'{formula}"));
        }
        for text in ["", "a=1", " =1", "'=1"] {
            assert_eq!(text_cell(text), text);
        }
    }
}
