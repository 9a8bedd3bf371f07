//! The price table of this installation: the one in the binary, or a newer one in the data directory. Every error is one
//! line.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tt_core::price::PriceTable;

/// The name of the table in the data directory.
const FILE: &str = "prices.json";

/// The table that a server of this data directory works with. A table of an earlier day than the one in the binary is left
/// aside: the program has been updated since.
pub(crate) fn in_force(data_dir: &Path) -> Result<Arc<PriceTable>, String> {
    let builtin = PriceTable::builtin().map_err(|error| format!("the price table: {error}"))?;
    let path = data_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let own = parsed(&path, &text)?;
            Ok(if own.as_of() < builtin.as_of() { builtin } else { Arc::new(own) })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(builtin),
        Err(error) => Err(failed(&path, &error)),
    }
}

/// Reads the table in the file at `path`: its text, and the table.
pub(crate) fn read(path: &Path) -> Result<(String, PriceTable), String> {
    let text = fs::read_to_string(path).map_err(|error| failed(path, &error))?;
    let table = parsed(path, &text)?;
    Ok((text, table))
}

/// Puts the text of a table into the data directory, whole or not at all.
pub(crate) fn install(data_dir: &Path, text: &str) -> Result<PathBuf, String> {
    let path = data_dir.join(FILE);
    let draft = data_dir.join(format!("{FILE}.{}", std::process::id()));
    let written = || -> std::io::Result<()> {
        let mut file = fs::File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)
    };
    written().map_err(|error| failed(&path, &error))?;
    Ok(path)
}

fn parsed(path: &Path, text: &str) -> Result<PriceTable, String> {
    PriceTable::parse(text).map_err(|error| format!("{}: {error}", path.display()))
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(as_of: &str) -> String {
        format!(
            r#"{{"header":{{"as_of":"{as_of}","unit_scale":12}},
                "models":[{{"id":"m","provider":"openai","mode":"chat","prices":{{"standard":{{"input":1}}}}}}]}}"#
        )
    }

    #[test]
    fn a_newer_table_in_the_data_directory_goes_before_the_one_in_the_binary() {
        let dir = tempfile::tempdir().unwrap();
        let as_of = || in_force(dir.path()).map(|table| table.as_of().to_owned());
        let builtin = as_of().unwrap();
        install(dir.path(), &table("2999-01-01")).unwrap();
        assert_eq!(as_of().as_deref(), Ok("2999-01-01"));
        install(dir.path(), &table("2020-01-01")).unwrap();
        assert_eq!(as_of(), Ok(builtin), "the program is newer than the table");
        install(dir.path(), "{").unwrap();
        assert!(as_of().unwrap_err().contains("prices.json: price table: header"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft stays behind");
    }
}
