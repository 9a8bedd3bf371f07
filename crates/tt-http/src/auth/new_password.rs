//! The passwords that an account may get.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

/// The length of a password, in bytes.
const BYTES: RangeInclusive<usize> = 8..=1024;

/// The passwords that are tried first by whoever guesses, in lower case (`data/README.md` names their source).
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("../../data/common_passwords.txt").lines().collect());

/// The reason why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// The password is too short or too long.
    #[error("must be 8 to 1024 bytes")]
    Length,
    /// The password is one that many people have.
    #[error("is one of the most common passwords; choose another")]
    Common,
}

/// Checks a password that an account is to get. Its length is in bytes; upper and lower case make no difference to whether
/// it is a common one.
///
/// # Errors
/// The first fault that is found.
pub fn check_password(password: &str) -> Result<(), PasswordFault> {
    if !BYTES.contains(&password.len()) {
        return Err(PasswordFault::Length);
    }
    let mut characters = password.chars();
    let first = characters.next();
    if characters.all(|character| Some(character) == first) || COMMON.contains(password.to_lowercase().as_str()) {
        return Err(PasswordFault::Common);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_long_and_common_passwords_are_refused() {
        for (password, fault) in [
            ("", PasswordFault::Length),
            ("1234567", PasswordFault::Length),
            (&"ab".repeat(513), PasswordFault::Length),
            ("12345678", PasswordFault::Common),
            ("PassWord", PasswordFault::Common),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", PasswordFault::Common),
        ] {
            assert_eq!(check_password(password), Err(fault), "{password}");
        }
        for password in ["correct horse battery", "12345678!", &"ab".repeat(512), "\u{e9}\u{e8}\u{e9}\u{e8}"] {
            assert_eq!(check_password(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn the_list_holds_what_it_says() {
        assert_eq!(COMMON.len(), 1000);
        assert!(COMMON.iter().all(|password| BYTES.contains(&password.len()) && *password == password.to_lowercase()));
    }
}
