//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/chart-caTdj2rT.js", "text/javascript; charset=utf-8", "c189172536ae49b3ed82"),
    asset!("assets/index-CO7_HDOy.js", "text/javascript; charset=utf-8", "2ffb8bab87d89da3b441"),
    asset!("assets/index-D-Tkt5Gy.css", "text/css; charset=utf-8", "73fece50b79a3ea31108"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "7aa9e285121e8934bbaf"),
    asset!("openapi.json", "application/json", "4ec996ce9a67337917fc"),
];
