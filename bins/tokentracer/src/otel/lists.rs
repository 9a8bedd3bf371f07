//! Lists of names and values, as OpenTelemetry writes headers and attributes: `a=1,b=2`, values percent-encoded.

use percent_encoding::percent_decode_str;

/// The pairs of a list; `None` where an item has no name or no `=`, or its value is not UTF-8.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |item: &str| {
        let (name, value) = item.split_once('=')?;
        let name = name.trim();
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
    };
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(pair).collect()
}

/// The pairs of a list of headers; `None` also where one cannot be sent.
pub(crate) fn headers(text: &str) -> Option<Vec<(String, String)>> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let sendable = |(name, value): &(String, String)| {
        name.chars().all(token) && value.bytes().all(|byte| matches!(byte, 32..=126))
    };
    pairs(text).filter(|pairs| pairs.iter().all(sendable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn values_are_decoded_and_may_hold_an_equals_sign() {
        assert_eq!(pairs(" a=1, b = x%20y ,c=d=e,"), owned(&[("a", "1"), ("b", "x y"), ("c", "d=e")]));
        assert_eq!(headers("authorization=Basic%20dTpw"), owned(&[("authorization", "Basic dTpw")]));
        assert_eq!(pairs(""), Some(Vec::new()));
        for bad in ["a", "=1", "a=%ff"] {
            assert_eq!(pairs(bad), None, "{bad}");
        }
        for bad in ["a b=1", "a=1%0d%0ab", "a=%C3%A9"] {
            assert_eq!(headers(bad), None, "{bad}");
        }
    }
}
