//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/chart-Dn1JVpMq.js", "text/javascript; charset=utf-8", "ba17a1d810eb30025632"),
    asset!("assets/index-BeRWw--j.css", "text/css; charset=utf-8", "09f91bb56f26d5ec1d70"),
    asset!("assets/index-DjdJ2n4u.js", "text/javascript; charset=utf-8", "41d968feb3ab934351da"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "00a6994716001b89c0b1"),
];
