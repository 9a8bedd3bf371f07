//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-B0fQrWzy.js", "text/javascript; charset=utf-8", "caa7cd4248279effed25"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-CsfOmrzp.js", "text/javascript; charset=utf-8", "b6ef6d65c9fbf7eddc51"),
    asset!("assets/index-DlzZVyHR.css", "text/css; charset=utf-8", "f326c23b7af759824f1f"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "298592d28922f261f719"),
];
