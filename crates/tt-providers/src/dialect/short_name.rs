//! Names that a provider gives in an answer, and that are written again with every piece of it.

/// The longest name of a model and the longest id of an answer that are kept, in bytes. Real ones have less than 100.
const LONGEST: usize = 255;

/// `name`, or its beginning where it is longer than any real name: it stands in every chunk for the client and in the
/// origin of every signature.
pub(super) fn short_name(mut name: String) -> String {
    if name.len() > LONGEST {
        name.truncate(name.floor_char_boundary(LONGEST));
        name.shrink_to_fit();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_of_unreal_length_is_cut() {
        assert_eq!(short_name("claude".to_owned()), "claude");
        assert_eq!(short_name("é".repeat(500)).len(), 254);
    }
}
