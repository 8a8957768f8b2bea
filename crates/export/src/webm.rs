//! Finished pictures and newly made sound, put into one WebM file.

use crate::{
    ExportError,
    error::folder_of,
    film::{self, Film},
    pace::Cell,
    part_file::PartFile,
    render::{Maker, Teller},
    sound::Sound,
    source::Track,
    work::Work,
};
use codec::{CodecError, WebmWriter};
use model::{CodecConfig, Packet, Timestamp};
use std::{collections::VecDeque, time::Duration};

/// Below this a disk counts as full.
const ROOM: u64 = 1 << 20;

/// The pictures of a file, chunk by chunk.
pub(crate) struct Pictures<'a> {
    film: &'a Film,
    work: &'a Work,
    track: Track,
    /// Those that have a chunk.
    cells: Vec<Cell>,
    next: usize,
    packets: VecDeque<Packet>,
}

impl<'a> Pictures<'a> {
    pub fn new(film: &'a Film, work: &'a Work, cells: &[Cell]) -> Self {
        let (track, _) = film.track(work, cells);
        let has_chunk = |cell: &&Cell| track.chunks.iter().any(|chunk| chunk.id.index == cell.index);
        let cells = cells.iter().filter(has_chunk).copied().collect();
        Self { film, work, track, cells, next: 0, packets: VecDeque::new() }
    }

    fn next(&mut self) -> Result<Option<Packet>, ExportError> {
        while let (true, Some(cell)) = (self.packets.is_empty(), self.cells.get(self.next)) {
            let name = self.film.name(cell);
            // It was whole a moment ago.
            let gone = || ExportError::Io {
                operation: "read",
                path: self.work.path(&name).unwrap_or_default(),
                source: std::io::ErrorKind::InvalidData.into(),
            };
            let bytes = self.work.load(&name).ok_or_else(gone)?;
            self.packets.extend(film::packets(&self.track, self.next, cell, &bytes));
            self.next += 1;
        }
        Ok(self.packets.pop_front())
    }
}

/// Writes a file of pictures, sound or both, durably, but not yet under its name. Gives its size.
pub(crate) fn write(
    file: &PartFile,
    mut pictures: Option<Pictures<'_>>,
    mut sound: Option<&mut Sound<'_>>,
    duration: Duration,
    teller: &mut Teller<'_>,
) -> Result<u64, ExportError> {
    let failed = |error| disk_full(file, error);
    let mut tracks: Vec<CodecConfig> = Vec::new();
    tracks.extend(pictures.as_ref().map(|pictures| pictures.film.init().codec.clone()));
    tracks.extend(sound.as_ref().map(|sound| sound.config().clone()));
    if tracks.is_empty() {
        return Err(ExportError::Nothing);
    }
    let sound_track = tracks.len() - 1;
    let mut writer = WebmWriter::create(file.path(), &tracks).map_err(failed)?;
    let total = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);

    let mut next_picture = next_of(&mut pictures, Pictures::next)?;
    let mut next_sound = next_of(&mut sound, |sound| sound.next())?;
    loop {
        let picture_first = match (&next_picture, &next_sound) {
            (None, None) => break,
            (Some(picture), Some(sound)) => picture.at <= sound.at,
            (picture, _) => picture.is_some(),
        };
        let (place, packet) =
            if picture_first { (0, &mut next_picture) } else { (sound_track, &mut next_sound) };
        let Some(packet) = packet.take() else { break };
        writer.write(place, &packet).map_err(failed)?;
        let done = packet.at.saturating_since(Timestamp::ZERO).as_millis();
        teller.written(u64::try_from(done).unwrap_or(u64::MAX), total)?;
        if picture_first {
            next_picture = next_of(&mut pictures, Pictures::next)?;
        } else {
            next_sound = next_of(&mut sound, |sound| sound.next())?;
        }
    }
    writer.finish(Timestamp::ZERO + duration).map_err(failed)?;
    let bytes = file.sync()?;
    teller.written(total, total)?;
    Ok(bytes)
}

fn next_of<T>(
    track: &mut Option<T>,
    next: impl FnOnce(&mut T) -> Result<Option<Packet>, ExportError>,
) -> Result<Option<Packet>, ExportError> {
    track.as_mut().map_or(Ok(None), next)
}

/// The writer does not say why the system refused, so the disk is asked.
fn disk_full(file: &PartFile, error: CodecError) -> ExportError {
    let is_full = || fs4::available_space(folder_of(file.path())).is_ok_and(|free| free < ROOM);
    match error {
        CodecError::File { operation, .. } if is_full() => {
            file.failed(operation, std::io::ErrorKind::StorageFull.into())
        }
        error => error.into(),
    }
}
