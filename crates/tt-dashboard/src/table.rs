//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-BotgVJek.js", "text/javascript; charset=utf-8", "b1ee50c75b1fc3df38e2"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-D0sxhayv.css", "text/css; charset=utf-8", "fbcbf48be8933a4dbd85"),
    asset!("assets/index-DRVYcnvt.js", "text/javascript; charset=utf-8", "26c98d7c18373013d0e3"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "94984411814e9fcebf6a"),
];
