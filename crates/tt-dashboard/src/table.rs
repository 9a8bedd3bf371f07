//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/chart-MQAO2TOT.js", "text/javascript; charset=utf-8", "eee7feb4f03afb0ac2a7"),
    asset!("assets/index-C59VDi7J.css", "text/css; charset=utf-8", "0c843d6af98ec6c218bb"),
    asset!("assets/index-DTHakywH.js", "text/javascript; charset=utf-8", "52a476a3674bb9b6de44"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "8677bdee1e283f0dbc9b"),
    asset!("openapi.json", "application/json", "eae7f01841b87efe34a7"),
];
