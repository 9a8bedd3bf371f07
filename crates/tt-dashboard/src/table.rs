//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/chart-Dfn-MiSs.js", "text/javascript; charset=utf-8", "2a2249429f06937f27f6"),
    asset!("assets/index-D6zpNBrV.js", "text/javascript; charset=utf-8", "4b8fa3f67042cc78fc7b"),
    asset!("assets/index-DjLB8bS4.css", "text/css; charset=utf-8", "9b3002d73e88597886cc"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "e8f7aebd145b7a918e64"),
];
