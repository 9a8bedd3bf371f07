//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-B1VwFQt3.js", "text/javascript; charset=utf-8", "ea4d5e39d99caaa29ae7"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-BoMZeEgK.js", "text/javascript; charset=utf-8", "c8f3ec52c63121f5de3c"),
    asset!("assets/index-D-Tkt5Gy.css", "text/css; charset=utf-8", "73fece50b79a3ea31108"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "85ea59b3f86e74fe8789"),
    asset!("openapi.json", "application/json", "87bdf3d6c6ced34acdf7"),
];
