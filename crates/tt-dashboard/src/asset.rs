//! An embedded file.

use crate::encoding::Encoding;

/// A file of the page, as it is and compressed.
#[derive(Debug)]
pub(crate) struct Asset {
    /// The path below `dist/`.
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    /// A hash of the bytes.
    pub(crate) hash: &'static str,
    pub(crate) plain: &'static [u8],
    pub(crate) gzip: &'static [u8],
    pub(crate) brotli: &'static [u8],
}

/// Embeds a file of `dist/` with its compressed forms.
macro_rules! asset {
    ($name:literal, $content_type:literal, $hash:literal) => {
        Asset {
            name: $name,
            content_type: $content_type,
            hash: $hash,
            plain: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/dist/", $name)),
            gzip: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/dist/", $name, ".gz")),
            brotli: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/dist/", $name, ".br")),
        }
    };
}
pub(crate) use asset;

impl Asset {
    pub(crate) fn bytes(&self, encoding: Encoding) -> &'static [u8] {
        match encoding {
            Encoding::Identity => self.plain,
            Encoding::Gzip => self.gzip,
            Encoding::Brotli => self.brotli,
        }
    }

    /// The entity tag. Each encoding has a tag of its own, since its bytes are others.
    pub(crate) fn tag(&self, encoding: Encoding) -> String {
        match encoding.name() {
            Some(name) => format!("\"{}-{name}\"", self.hash),
            None => format!("\"{}\"", self.hash),
        }
    }

    /// True if an `If-None-Match` names the file, in any encoding: its content is the same in each.
    pub(crate) fn is_named_by(&self, tags: &str) -> bool {
        let named = |tag: &str| Encoding::ALL.iter().any(|encoding| self.tag(*encoding) == tag);
        tags.split(',').map(str::trim).any(|tag| tag == "*" || named(tag.trim_start_matches("W/")))
    }
}
