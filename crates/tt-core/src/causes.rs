//! An error together with its causes, for the log.

use std::error::Error;
use std::fmt;

/// Displays an error and every error of its [`source`](Error::source) chain, joined by `": "`.
///
/// Errors here and in libraries display their own level only: `error connecting to server`, without the reason. A line
/// of the log needs the whole chain. A cause whose text the line holds already is left out, since some libraries
/// display their causes too.
///
/// ```
/// use std::io;
///
/// use tt_core::Causes;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("cannot read the settings")]
/// struct Unreadable(#[source] io::Error);
///
/// let error = Unreadable(io::Error::other("no such file"));
/// assert_eq!(error.to_string(), "cannot read the settings");
/// assert_eq!(Causes(&error).to_string(), "cannot read the settings: no such file");
/// ```
#[derive(Clone, Copy)]
pub struct Causes<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !line.contains(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            next = cause.source();
        }
        f.write_str(&line)
    }
}

impl fmt::Debug for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Level(&'static str, Option<Box<Level>>);

    impl fmt::Display for Level {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Level {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    fn chain(texts: &[&'static str]) -> Level {
        let mut rest = None;
        for text in texts.iter().skip(1).rev() {
            rest = Some(Box::new(Level(text, rest)));
        }
        Level(texts[0], rest)
    }

    #[test]
    fn every_level_is_shown_once() {
        assert_eq!(Causes(&chain(&["no query"])).to_string(), "no query");
        assert_eq!(Causes(&chain(&["no query", "no pool", "no server"])).to_string(), "no query: no pool: no server");
        assert_eq!(Causes(&chain(&["no query: no server", "no server"])).to_string(), "no query: no server");
    }
}
