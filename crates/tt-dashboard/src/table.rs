//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-C3rsuvDc.js", "text/javascript; charset=utf-8", "51a756e5675f2b1c5a10"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-CFfiNMBf.js", "text/javascript; charset=utf-8", "f096e253fa952dac7f31"),
    asset!("assets/index-D0sxhayv.css", "text/css; charset=utf-8", "fbcbf48be8933a4dbd85"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "234895ebc626e56693f3"),
];
