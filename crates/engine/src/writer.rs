//! The one thread of a session that writes to the store. Everything before it only queues.

use crate::run::Input;
use crossbeam_channel::{Receiver, Sender};
use model::{Gap, Piece, SessionState};
use store::{SessionWriter, StoreError};

/// What goes to the writer, in the order in which it must become durable.
pub(crate) enum Write {
    Piece(Piece),
    Gap(Gap),
}

/// Until the last sender is gone, then finalizes. After a failed write nothing else is tried but to finalize:
/// what is sealed stays, and what cannot be written now would not be written later either.
pub(crate) fn run(mut writer: SessionWriter, queue: &Receiver<Write>, inputs: &Sender<Input>) {
    let mut failed: Option<StoreError> = None;
    for item in queue {
        if failed.is_some() {
            continue;
        }
        let outcome = match item {
            Write::Piece(piece) => {
                let told = Input::Written {
                    track: piece.track().clone(),
                    bytes: size(&piece),
                    sealed: seals(&piece),
                };
                writer.write(piece).map(|()| Some(told))
            }
            Write::Gap(gap) => writer.gap(gap).map(|()| None),
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(told)) => {
                let _ending = inputs.send(told);
            }
            Err(error) => {
                tracing::error!(%error, "writing failed; finalizing what is there");
                let _ending = inputs.send(Input::WriteFailed(error.to_string()));
                failed = Some(error);
            }
        }
    }
    let manifest = writer.finalize(SessionState::Finalized);
    let _ending = inputs.send(Input::Finalized(Box::new(manifest)));
}

fn size(piece: &Piece) -> u64 {
    match piece {
        Piece::Init(init) => init.bytes.len() as u64,
        Piece::Part(part) => part.bytes.len() as u64,
        Piece::Seal(_) => 0,
    }
}

fn seals(piece: &Piece) -> bool {
    matches!(piece, Piece::Seal(_))
}
