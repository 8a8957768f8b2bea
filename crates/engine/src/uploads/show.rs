//! What shells are shown of uploads and receipts.

use crate::{
    command::{ReceiptLine, Uploaded, Vouched},
    settings::{UploadSettings, Wanted},
};
use model::Retention;
use store::{SessionSummary, Upload};

/// As many names of what is missing are said.
const NAMED_MAX: usize = 20;

/// What a server said, for people.
pub(crate) fn receipt(server: &str, receipt: &api::Receipt) -> ReceiptLine {
    ReceiptLine {
        server: server.to_owned(),
        verified: receipt.verified,
        expected: receipt.expected,
        bytes: receipt.bytes,
        lost: receipt.lost,
        complete: receipt.is_complete(),
        at: receipt.at.0,
        vouched: Vouched { read_back: receipt.vouched.read_back, store: receipt.vouched.store },
        missing: receipt.missing.iter().take(NAMED_MAX).map(ToString::to_string).collect(),
    }
}

/// The same of one that was kept.
pub(crate) fn kept_receipt(upload: &Upload) -> Option<ReceiptLine> {
    let kept = serde_json::from_str(upload.receipt.as_deref()?).ok()?;
    Some(receipt(&upload.server, &kept))
}

/// Whether a recording is at a server.
pub(crate) fn uploaded(settings: &UploadSettings, summary: &SessionSummary, upload: &Upload) -> Uploaded {
    let meta = &summary.meta;
    if upload.complete {
        return Uploaded::Verified;
    }
    if upload.chunks > 0 {
        return Uploaded::Partial;
    }
    let may = meta.trashed_at.is_none() && meta.retention == Retention::KeepAll;
    match is_wanted(settings, upload) && may && settings.server.is_some() {
        true => Uploaded::Waiting,
        false => Uploaded::NotWanted,
    }
}

/// Whether settings or people want a session at the server.
pub(super) fn is_wanted(settings: &UploadSettings, upload: &Upload) -> bool {
    match settings.wanted {
        Wanted::All => true,
        Wanted::Named => upload.wanted,
        Wanted::Nothing => false,
    }
}
