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

    /// What a child process must be given besides what it inherits.
    pub(crate) fn additions(&self) -> impl Iterator<Item = (&str, &str)> {
        let unset = |name: &str| std::env::var_os(name).is_none();
        self.file.iter().filter(move |(name, _)| unset(name)).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Where the program keeps its data: `DATA_DIR`, else the platform's directory for `tokentracer`.
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

/// Reads `NAME=value` lines: `#` begins a comment, `export` is ignored, quotes keep what is between them, and a double
/// quote also knows `\n`, `\"` and `\\`.
fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| format!(".env, line {}: {what}", index + 1);
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("expected NAME=value"))?;
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(wrong("the name has letters, digits and _ only"));
        }
        let value = value.trim();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => quoted(value.strip_prefix(quote).unwrap_or_default(), quote)
                .ok_or_else(|| wrong("the quote is not closed"))?,
            _ => value.split_once(" #").map_or(value, |(value, _)| value).trim_end().to_owned(),
        };
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

/// The text up to the closing quote.
fn quoted(text: &str, quote: char) -> Option<String> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            _ if c == quote => return Some(value),
            '\\' if quote == '"' => match chars.next()? {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> String {
        parse(line).unwrap().remove("A").unwrap()
    }

    #[test]
    fn values_may_be_bare_or_quoted() {
        assert_eq!(one("A=b c"), "b c");
        assert_eq!(one("export A = b # a comment"), "b");
        assert_eq!(one("A=a#b"), "a#b");
        assert_eq!(one("A='x # \\n'"), "x # \\n");
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
    fn a_bad_line_is_named_by_its_number() {
        assert_eq!(parse("A=1\nnonsense").unwrap_err(), ".env, line 2: expected NAME=value");
        assert_eq!(parse("A=\"open").unwrap_err(), ".env, line 1: the quote is not closed");
        assert!(parse("A B=1").is_err());
    }
}
