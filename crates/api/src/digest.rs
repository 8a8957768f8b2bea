//! The hash that goes with a document, so that what was changed on the way is not taken for what was meant.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::Hash;

/// The header that carries it (RFC 9530).
pub const CONTENT_DIGEST: &str = "content-digest";

/// What the header says of this body.
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64_STANDARD.encode(Hash::of(body).0))
}

/// The SHA-256 that a header gives, if it gives one. Other algorithms are passed over, as the RFC says.
pub fn sha256_of(header: &str) -> Option<Hash> {
    let given = header.split(',').find_map(|one| one.trim().strip_prefix("sha-256=:")?.strip_suffix(':'))?;
    Some(Hash(BASE64_STANDARD.decode(given).ok()?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_as_the_rfc_has_it() {
        // RFC 9530, appendix D.
        let body = b"{\"hello\": \"world\"}\n";
        let header = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
        assert_eq!(content_digest(body), header);
        assert_eq!(sha256_of(header), Some(Hash::of(body)));
        assert_eq!(sha256_of(&format!("md5=:abc=:, {header}")), Some(Hash::of(body)));
        for header in ["", "md5=:abc=:", "sha-256=:abc:", "sha-256=abc"] {
            assert_eq!(sha256_of(header), None, "{header}");
        }
    }
}
