//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CPNO5JbY.js", "text/javascript; charset=utf-8", "8464a31f298763eaf7d3"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-D0eyn5Nc.js", "text/javascript; charset=utf-8", "8020b16a6228faa92a67"),
    asset!("assets/index-D0sxhayv.css", "text/css; charset=utf-8", "fbcbf48be8933a4dbd85"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "afb1dec1ab11ded1ddbe"),
];
