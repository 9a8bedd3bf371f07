//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CVs7WULH.js", "text/javascript; charset=utf-8", "24b81d97ae4d06029487"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-C9P8KwlB.js", "text/javascript; charset=utf-8", "f8d345cfd2217fec52fd"),
    asset!("assets/index-D8rgdd4O.css", "text/css; charset=utf-8", "9d01d3c617911ab8d13d"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "95246548d2844cd7184a"),
];
