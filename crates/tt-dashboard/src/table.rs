//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/chart-DUJzjE81.js", "text/javascript; charset=utf-8", "43439d1af7b4032a28a0"),
    asset!("assets/index-D0sxhayv.css", "text/css; charset=utf-8", "fbcbf48be8933a4dbd85"),
    asset!("assets/index-DrUdxSaf.js", "text/javascript; charset=utf-8", "c537cdd95ea0220ed727"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "e92c462c14c77a165f6e"),
];
