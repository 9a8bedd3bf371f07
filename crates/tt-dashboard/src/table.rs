//! The files of the page. `cargo xtask web` writes this list.

use crate::asset::{Asset, asset};

/// Every file, with its content type and the hash of its bytes.
#[rustfmt::skip]
pub(crate) static ASSETS: &[Asset] = &[
    asset!("assets/chart-BL_Yrw_F.js", "text/javascript; charset=utf-8", "5bb125641b07a4b64760"),
    asset!("assets/chart-CnsZ1jie.css", "text/css; charset=utf-8", "0fd9465202f6dfceac29"),
    asset!("assets/index-Cpv_v3lP.css", "text/css; charset=utf-8", "fa61e528f861068dd803"),
    asset!("assets/index-CtnN0r7N.js", "text/javascript; charset=utf-8", "af6552fb36221b401c42"),
    asset!("favicon.svg", "image/svg+xml", "9ba1c5bff3c6a830ab84"),
    asset!("index.html", "text/html; charset=utf-8", "124123072775c3c98f59"),
];
