//! Reads a price table as the program does, and says what is wrong with it or what it is: `cargo xtask prices` asks.
#![expect(clippy::print_stdout, reason = "a command line program")]

use std::process::ExitCode;

use tt_core::price::PriceTable;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("name a price table");
        return ExitCode::FAILURE;
    };
    let read = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"));
    match read.and_then(|text| PriceTable::parse(&text).map_err(|error| error.to_string())) {
        Ok(table) => {
            println!("a price table of {}, version {}", table.as_of(), table.version());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
