//! The price table in the binary, rebuilt from a file of price facts: read, laid out anew, checked by the program's own
//! reader, and only then put in the place of the old one.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_core::Serialize as _;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::run::{Outcome, cargo};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/tt-core/data/prices.json");

/// `cargo xtask prices FILE`.
pub(crate) fn rebuild(arguments: &[String]) -> Outcome {
    let [file] = arguments else { return Err("name the file of price facts: cargo xtask prices FILE".to_owned()) };
    let facts = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let table = laid_out(&facts).map_err(|why| format!("{file} is refused, the old table stays: {why}"))?;
    replace(Path::new(TABLE), &table, check)
}

/// Checks the candidate with the product's own reader, in a process of its own, since xtask depends on none of the
/// product's crates.
fn check(candidate: &Path) -> Outcome {
    let path = candidate.display().to_string();
    cargo(&["run", "--quiet", "--package", "tt-core", "--example", "price_table", "--", &path])
        .map_err(|_| "the file is refused, the old table stays".to_owned())
}

/// The table as it is committed: the header indented, a line for each model, in the file's own order.
fn laid_out(facts: &str) -> Result<String, String> {
    let file: Value = serde_json::from_str(facts).map_err(|error| format!("it is not JSON: {error}"))?;
    let header = file.get("header").filter(|header| header.is_object()).ok_or("it has no header")?;
    let models = file.get("models").and_then(Value::as_array).ok_or("it has no list of models")?;
    if let Some(name) = file.as_object().and_then(|file| file.keys().find(|name| !PARTS.contains(&name.as_str()))) {
        return Err(format!("{name:?} is neither its header nor its models"));
    }
    counted(header, models)?;
    let mut indented = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut indented, PrettyFormatter::with_indent(b" "));
    header.serialize(&mut serializer).map_err(|error| error.to_string())?;
    let header = String::from_utf8_lossy(&indented).replace('\n', "\n ");
    let models: Vec<String> = models.iter().map(|model| format!("  {model}")).collect();
    Ok(format!("{{\n \"header\": {header},\n \"models\": [\n{}\n ]\n}}\n", models.join(",\n")))
}

/// The parts of a file of price facts.
const PARTS: [&str; 2] = ["header", "models"];

/// Checks the header's counts, which show a list that was cut short.
fn counted(header: &Value, models: &[Value]) -> Result<(), String> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for model in models {
        let word = |name: &str| model.get(name).and_then(Value::as_str).unwrap_or_default();
        *counts.entry(format!("{}/{}", word("provider"), word("mode"))).or_default() += 1;
    }
    let said = header.get("counts").and_then(Value::as_object).ok_or("its header has no counts")?;
    let said: BTreeMap<String, u64> =
        said.iter().map(|(kind, count)| (kind.clone(), count.as_u64().unwrap_or_default())).collect();
    if said == counts { Ok(()) } else { Err(format!("its header counts {said:?}, there are {counts:?}")) }
}

/// Puts `table` in the place of the file at `path` when `check` has nothing against it, at once or not at all.
fn replace(path: &Path, table: &str, check: impl Fn(&Path) -> Outcome) -> Outcome {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    match fs::read_to_string(path) {
        Ok(old) if old == table => {
            println!("the price table is that already");
            return check(path);
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let candidate = path.with_extension("json.new");
    fs::write(&candidate, table).map_err(failed)?;
    let done = check(&candidate).and_then(|()| fs::rename(&candidate, path).map_err(failed));
    match done {
        Ok(()) => println!("{} is rebuilt", path.display()),
        // The given file is refused, and the copy of it is deleted.
        Err(_) => drop(fs::remove_file(&candidate)),
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed() -> String {
        fs::read_to_string(TABLE).unwrap()
    }

    #[test]
    fn the_committed_table_is_laid_out_as_it_would_be_written() {
        assert_eq!(laid_out(&committed()).unwrap(), committed());
        let spread = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&committed()).unwrap()).unwrap();
        assert_ne!(spread, committed());
        assert_eq!(laid_out(&spread).unwrap(), committed());
    }

    #[test]
    fn facts_are_laid_out_in_their_own_order_with_a_line_for_each_model() {
        let facts = r#"{ "header": {"unit": "pico-USD", "counts": {"openai/chat": 1, "gemini/chat": 1}}, "models": [
            {"id": "z", "provider": "openai", "mode": "chat", "prices": {"standard": {"output": 2, "input": 1}}},
            {"id": "a", "provider": "gemini", "mode": "chat"}] }"#;
        let table = r#"{
 "header": {
  "unit": "pico-USD",
  "counts": {
   "openai/chat": 1,
   "gemini/chat": 1
  }
 },
 "models": [
  {"id":"z","provider":"openai","mode":"chat","prices":{"standard":{"output":2,"input":1}}},
  {"id":"a","provider":"gemini","mode":"chat"}
 ]
}
"#;
        assert_eq!(laid_out(facts).unwrap(), table);
    }

    #[test]
    fn what_is_no_file_of_facts_is_refused() {
        let cut = committed().replacen("\"anthropic/chat\": 35", "\"anthropic/chat\": 36", 1);
        for (facts, why) in [
            ("", "not JSON"),
            ("[]", "no header"),
            (r#"{"header": {}}"#, "no list of models"),
            (r#"{"header": {}, "models": []}"#, "no counts"),
            (r#"{"header": {"counts": {}}, "models": [], "more": 1}"#, "neither"),
            (cut.as_str(), "its header counts"),
        ] {
            let refused = laid_out(facts).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn the_old_table_stays_unless_the_new_one_passes() {
        let folder = std::env::temp_dir().join(format!("tokentracer-prices-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("prices.json");
        fs::write(&path, "old").unwrap();
        assert_eq!(replace(&path, "new", |_| Err("bad".to_owned())), Err("bad".to_owned()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let checked = |candidate: &Path| {
            if fs::read_to_string(candidate).is_ok_and(|text| text == "new") { Ok(()) } else { Err(String::new()) }
        };
        assert_eq!(replace(&path, "new", checked), Ok(()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
        fs::remove_dir_all(&folder).unwrap();
    }
}
