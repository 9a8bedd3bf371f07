//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CYlM1YU5.js", "text/javascript; charset=utf-8", "cec8e085d9e49649e8bd"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-C3KO7roL.js", "text/javascript; charset=utf-8", "00a614d8881d638d61a3"),
    asset!("assets/index-D-Tkt5Gy.css", "text/css; charset=utf-8", "73fece50b79a3ea31108"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "486d667b45fe2a7918be"),
    asset!("openapi.json", "application/json", "c4a9a45c0fb75a8564af"),
];
