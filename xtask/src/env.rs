//! The environment, and the `.env` file that adds to it.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A variable of the process; `None` where it is unset, empty, or no UTF-8.
#[expect(clippy::disallowed_methods, reason = "xtask is a program of its own")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variables of `.env`, and those of the process, which win.
#[derive(Debug)]
pub(crate) struct Settings {
    file: BTreeMap<String, String>,
}

impl Settings {
    /// Reads `.env` in the current directory, if there is one.
    pub(crate) fn load() -> Result<Self, String> {
        let text = match std::fs::read_to_string(".env") {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!(".env: {error}")),
        };
        Ok(Self { file: parse(&text)? })
    }

    /// A setting; `None` where it is unset or empty.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        variable(name).or_else(|| self.file.get(name).filter(|value| !value.is_empty()).cloned())
    }

    /// The settings of the file that a child process must be given, because it does not inherit them.
    pub(crate) fn additions(&self) -> impl Iterator<Item = (&str, &str)> {
        let unset = |name: &str| std::env::var_os(name).is_none();
        self.file.iter().filter(move |(name, _)| unset(name)).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The program's data directory: `DATA_DIR`, else the platform's directory for `tokentracer`.
    pub(crate) fn data_directory(&self) -> Result<PathBuf, String> {
        if let Some(directory) = self.value("DATA_DIR") {
            return Ok(PathBuf::from(directory));
        }
        let home = variable("HOME").map(PathBuf::from);
        let base = if cfg!(target_os = "macos") {
            home.map(|home| home.join("Library/Application Support"))
        } else {
            let given = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
            given.or_else(|| home.map(|home| home.join(".local/share")))
        };
        base.map(|base| base.join("tokentracer"))
            .ok_or_else(|| "set DATA_DIR: there is no HOME to derive it from".to_owned())
    }
}

/// Reads `NAME=value` lines as shells do: `#` begins a comment, `export` is ignored, `$NAME` stands for a variable's
/// value but in single quotes, and a value with blanks needs quotes.
fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    dotenvy::Iter::new(text.as_bytes()).collect::<Result<_, _>>().map_err(|error| match error {
        // Its text is not shown: it may be a secret.
        dotenvy::Error::LineParse(bad, _) => {
            let line = text.lines().position(|line| line.contains(bad.trim())).unwrap_or_default();
            format!(".env, line {}: expected NAME=value, with quotes round a value with blanks", line + 1)
        }
        other => format!(".env: {other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> String {
        parse(line).unwrap().remove("A").unwrap()
    }

    #[test]
    fn values_may_be_bare_or_quoted() {
        assert_eq!(one("export A = b # a comment"), "b");
        assert_eq!(one("A=a#b"), "a#b");
        assert_eq!(one("A='x # \\n $B'"), "x # \\n $B");
        assert_eq!(one(r#"A="x\n\"y\"" # z"#), "x\n\"y\"");
        assert_eq!(one("A="), "");
        assert_eq!(one("A=\"\""), "");
        assert_eq!(one("A=x=y"), "x=y");
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_the_last_value_stands() {
        let all = parse("# A=1\n\nA=2\r\nB=3\nA=4\n").unwrap();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), [("A".into(), "4".into()), ("B".into(), "3".into())]);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_and_its_value_is_not_shown() {
        let expected = ".env, line 2: expected NAME=value, with quotes round a value with blanks";
        assert_eq!(parse("A=1\nKEY=a secret\nB=2").unwrap_err(), expected);
        assert_eq!(parse("A=1\nnonsense").unwrap_err(), expected);
        assert_eq!(parse("A=1\nA B=1\n").unwrap_err(), expected);
        assert!(parse("A=\"open").is_err());
    }
}
