//! The encodings of a body, and the choice among them.

/// The encoding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Brotli,
}

impl Encoding {
    /// Every encoding, the smallest first.
    pub(crate) const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    /// The name in `Content-Encoding`; `None` for a body as it is.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }

    /// The smallest encoding that an `Accept-Encoding` takes. A body as it is goes to clients that take nothing else.
    pub(crate) fn best(accepted: &str) -> Self {
        let takes = |encoding: &Self| encoding.name().is_none_or(|name| takes(accepted, name));
        Self::ALL.into_iter().find(takes).unwrap_or(Self::Identity)
    }
}

/// True if the header names the encoding, or `*`, and does not weigh it 0. The encoding's own entry comes before `*`.
fn takes(accepted: &str, name: &str) -> bool {
    let entries = || accepted.split(',').map(|entry| entry.split_once(';').unwrap_or((entry, "")));
    let weighs = |wanted: &str| {
        let (_, weight) = entries().find(|(coding, _)| coding.trim().eq_ignore_ascii_case(wanted))?;
        let weight = weight.trim().trim_start_matches(['q', 'Q']).trim_start_matches('=');
        Some(weight.is_empty() || weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    };
    weighs(name).or_else(|| weighs("*")).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_encoding_that_is_taken_is_chosen() {
        for (accepted, encoding) in [
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("gzip", Encoding::Gzip),
            ("GZIP;q=0.5, deflate", Encoding::Gzip),
            ("br;q=0, gzip", Encoding::Gzip),
            ("br; q=0.001", Encoding::Brotli),
            ("*", Encoding::Brotli),
            ("br;q=0, *", Encoding::Gzip),
            ("*;q=0", Encoding::Identity),
            ("identity", Encoding::Identity),
            ("", Encoding::Identity),
            ("brotli, gzipped", Encoding::Identity),
            ("br;q=nonsense", Encoding::Identity),
        ] {
            assert_eq!(Encoding::best(accepted), encoding, "{accepted}");
        }
    }
}
