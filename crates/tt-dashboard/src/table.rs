//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-C7IJKoxc.js", "text/javascript; charset=utf-8", "51791aada671a1c6691a"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-C5MCzeAm.css", "text/css; charset=utf-8", "0b60d6ae883219b5cb69"),
    asset!("assets/index-p-KS_vdU.js", "text/javascript; charset=utf-8", "12b3300d2a0970efd278"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "4f09d0908787ebe2c59a"),
    asset!("openapi.json", "application/json", "eae7f01841b87efe34a7"),
];
