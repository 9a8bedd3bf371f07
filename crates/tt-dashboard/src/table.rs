//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/chart-wgrvGyqJ.js", "text/javascript; charset=utf-8", "ecc2927cd27e0aebbc24"),
    asset!("assets/index-2SS_jlCj.js", "text/javascript; charset=utf-8", "d7e78385ca8d64ff6b51"),
    asset!("assets/index-CkcoW-DR.css", "text/css; charset=utf-8", "4027749d1aa6655b914c"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "5787371e1fef84a86581"),
];
