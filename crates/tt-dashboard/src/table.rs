//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-BASqwfWz.js", "text/javascript; charset=utf-8", "aca6cc51b019777161ac"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-Cpv_v3lP.css", "text/css; charset=utf-8", "fa61e528f861068dd803"),
    asset!("assets/index-zk-iY6lR.js", "text/javascript; charset=utf-8", "58758fee33a3086869bc"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "bc3f304d9e4c017af140"),
];
