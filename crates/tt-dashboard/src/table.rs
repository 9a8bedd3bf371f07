//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-BEHwDXur.js", "text/javascript; charset=utf-8", "5da52520b896a525f2e7"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-BBCPATIh.css", "text/css; charset=utf-8", "8d2ee5e168019d470cb9"),
    asset!("assets/index-CkK8iIpW.js", "text/javascript; charset=utf-8", "af63c604ac5cfb0a9c72"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "b89f308e00225c69040d"),
];
