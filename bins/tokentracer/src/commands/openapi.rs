//! `tokentracer openapi`: prints the OpenAPI document of the HTTP API, as `GET /openapi.json` answers it.

use std::io::{self, Write as _};

use clap::Command;

/// The command line.
pub(crate) fn command() -> Command {
    Command::new("openapi").about("Print the OpenAPI document of the HTTP API").hide(true)
}

/// Prints the document. Errors are one line each.
pub(crate) fn run() -> Result<(), String> {
    let written = writeln!(io::stdout().lock(), "{}", tt_http::openapi_document());
    written.map_err(|error| format!("the document cannot be written: {error}"))
}
