//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CfazPFEu.js", "text/javascript; charset=utf-8", "c251e1625043486aaa4f"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-Bje_WfRM.js", "text/javascript; charset=utf-8", "5ef3ea16954cc9f6c487"),
    asset!("assets/index-D0sxhayv.css", "text/css; charset=utf-8", "fbcbf48be8933a4dbd85"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "0ed1c9b7aaf141fa7854"),
];
