//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/chart-DZ6Y9DEH.js", "text/javascript; charset=utf-8", "1f0b3c3d260e6376d40b"),
    asset!("assets/index-CwNTBoYm.js", "text/javascript; charset=utf-8", "a3e85da31d0c1418b061"),
    asset!("assets/index-mWfzQ7fh.css", "text/css; charset=utf-8", "0b5a0d722bc8e9ddb41d"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "65c5afdb9f88bdfebdde"),
    asset!("openapi.json", "application/json", "eae7f01841b87efe34a7"),
];
