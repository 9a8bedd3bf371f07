//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/chart-DeaIT19m.js", "text/javascript; charset=utf-8", "407a85f80439652e13ba"),
    asset!("assets/index-BeRWw--j.css", "text/css; charset=utf-8", "09f91bb56f26d5ec1d70"),
    asset!("assets/index-Bg4TFeZH.js", "text/javascript; charset=utf-8", "24773b14b0d9995271d4"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "986a136bcde54a128a28"),
];
