//! The one thread of a session that writes to the store. Everything before it only queues.

use crate::run::Input;
use crossbeam_channel::{Receiver, Sender};
use model::{Gap, LayoutChange, Piece, SelfCheck, SessionState, SoundCheck, Timestamp, TrackId};
use std::collections::HashMap;
use store::{SessionWriter, StoreError};

/// What goes to the writer, in the order in which it must become durable.
pub(crate) enum Write {
    Piece(Piece),
    Gap(Gap),
    Layout(LayoutChange),
    /// How sources of sound kept time, once they have ended.
    SoundCheck(Vec<SoundCheck>),
}

/// Until the last sender is gone, then finalizes. After a failed write nothing else is tried but to finalize:
/// what is sealed stays, and what cannot be written now would not be written later either.
pub(crate) fn run(mut writer: SessionWriter, queue: &Receiver<Write>, inputs: &Sender<Input>) {
    let mut failed: Option<StoreError> = None;
    let (mut ends, mut sound) = (HashMap::new(), Vec::new());
    for item in queue {
        if failed.is_some() {
            continue;
        }
        let outcome = match item {
            Write::Piece(piece) => {
                if let Piece::Seal(chunk) = &piece {
                    ends.insert(chunk.id.track.clone(), chunk.span.end);
                }
                let told = Input::Written {
                    track: piece.track().clone(),
                    bytes: size(&piece),
                    sealed: seals(&piece),
                };
                writer.write(piece).map(|()| Some(told))
            }
            Write::Gap(gap) => writer.gap(gap).map(|()| None),
            Write::Layout(change) => writer.layout(change).map(|()| None),
            Write::SoundCheck(check) => {
                sound = check;
                Ok(None)
            }
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
    if failed.is_none()
        && let Err(error) = writer.check(compare(&ends, sound))
    {
        tracing::error!(%error, "cannot write down how sound and pictures compare");
    }
    let outcome = writer.finalize(SessionState::Finalized);
    let _ending = inputs.send(Input::Finalized(Box::new(outcome)));
}

/// Sound against pictures: the mix against the program, or against what pictures there are.
fn compare(ends: &HashMap<TrackId, Timestamp>, sound: Vec<SoundCheck>) -> SelfCheck {
    let end = |names: &[&str]| names.iter().find_map(|name| ends.iter().find(|(id, _)| id.as_str() == *name));
    let (heard, seen) = (end(&["mix"]), end(&["program", "screen", "camera"]));
    let end_offset_us = heard.zip(seen).map(|((_, heard), (_, seen))| (heard.0 - seen.0) / 1_000);
    SelfCheck { end_offset_us, sound }
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
