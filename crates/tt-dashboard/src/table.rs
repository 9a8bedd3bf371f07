//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/chart-DIWjlESb.js", "text/javascript; charset=utf-8", "bcdfb05488e7796f00d1"),
    asset!("assets/index-BULjFxjJ.js", "text/javascript; charset=utf-8", "c8d4836eaa8fb2162275"),
    asset!("assets/index-BeRWw--j.css", "text/css; charset=utf-8", "09f91bb56f26d5ec1d70"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "50461dd0e9bf7ca7ada8"),
];
