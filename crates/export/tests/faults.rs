//! Exports from damaged stores, to impossible places, and cut short: a file under its final name is always whole.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::*;
use model::{ChunkId, Span};
use spool_export::{Check, Container, ExportError, Exported};
use std::{fs, ops::ControlFlow, path::Path};

fn export(recorded: &Recorded, check: Check) -> Result<Exported, ExportError> {
    recorded.export(&copy(Container::Mp4, None, check), &recorded.out("out.mp4"), &mut go_on)
}

fn second(recorded: &Recorded, track: usize) -> ChunkId {
    recorded.manifest.tracks[track].chunks[1].id.clone()
}

fn shorten(path: &Path) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
}

/// The names in the folder that exports go to, besides the data folder.
fn left_behind(recorded: &Recorded) -> Vec<String> {
    let names = fs::read_dir(recorded.dir.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "data").collect()
}

#[test]
fn missing_and_shortened_chunks_are_named_and_the_rest_plays() {
    let recorded = recorded();
    let (picture, sound) = (second(&recorded, 0), second(&recorded, 1));
    fs::remove_file(recorded.chunk_path(&picture)).unwrap();
    shorten(&recorded.chunk_path(&sound));
    let exported = export(&recorded, Check::Size).unwrap();
    assert_eq!(exported.skipped, [picture, sound]);
    assert_eq!(exported.duration.as_millis(), 12_000);
    let times = probe(&recorded.out("out.mp4"), "v", &["pts"]);
    let times: Vec<i64> = times.iter().map(|fields| fields[0].parse().unwrap()).collect();
    let expected = (0..120).chain(240..360).map(|n| n * 3000);
    assert_eq!(times, expected.collect::<Vec<_>>());
}

#[test]
fn flipped_bits_are_found_by_hash() {
    let recorded = recorded();
    let flipped = second(&recorded, 0);
    let path = recorded.chunk_path(&flipped);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(export(&recorded, Check::Size).unwrap().skipped, []);
    assert_eq!(export(&recorded, Check::Hash).unwrap().skipped, [flipped]);
}

#[test]
fn a_chunk_that_fails_while_it_is_copied_is_left_out() {
    let recorded = recorded();
    let failing = second(&recorded, 0);
    let path = recorded.chunk_path(&failing);
    let mut shortened = false;
    let mut progress = |_| {
        // It was good when it was looked at.
        if !std::mem::replace(&mut shortened, true) {
            shorten(&path);
        }
        ControlFlow::Continue(())
    };
    let out = recorded.out("out.mp4");
    let exported = recorded.export(&copy(Container::Mp4, None, Check::Size), &out, &mut progress).unwrap();
    assert_eq!(exported.skipped, [failing]);
    assert_eq!(fs::metadata(&out).unwrap().len(), exported.bytes);
    assert_eq!(probe(&out, "v", &["pts"]).len(), 240);
}

#[test]
fn a_lost_init_takes_its_chunks_along() {
    let mut recorded = recorded();
    let lost = model::Hash::of(b"lost");
    recorded.manifest.tracks[1].chunks[2].init = lost;
    let exported = export(&recorded, Check::Size).unwrap();
    assert_eq!(exported.skipped, [recorded.manifest.tracks[1].chunks[2].id.clone()]);
}

#[test]
fn nothing_readable_is_an_error() {
    let recorded = recorded();
    for chunk in recorded.manifest.tracks.iter().flat_map(|track| &track.chunks) {
        fs::remove_file(recorded.chunk_path(&chunk.id)).unwrap();
    }
    assert!(matches!(export(&recorded, Check::Size), Err(ExportError::Nothing)));
    assert_eq!(left_behind(&recorded), [""; 0]);
}

#[test]
fn a_cancelled_export_leaves_what_was_there() {
    let recorded = recorded();
    let out = recorded.out("out.mp4");
    fs::write(&out, "precious").unwrap();
    for calls in 0..8 {
        let (mut left, mut told) = (calls, Vec::new());
        let mut progress = |progress: spool_export::Progress| {
            told.push(progress.done);
            left -= 1;
            if left < 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let cancelled = recorded.export(&copy(Container::Mp4, None, Check::Size), &out, &mut progress);
        // Six chunks: told at the beginning and after each.
        assert_eq!(matches!(cancelled, Err(ExportError::Cancelled)), calls < 7, "{calls}");
        assert!(told.is_sorted());
        assert_eq!(fs::read(&out).unwrap() == b"precious", calls < 7);
        assert_eq!(left_behind(&recorded), ["out.mp4"]);
    }
}

#[test]
fn impossible_places_are_refused() {
    let recorded = recorded();
    for out in ["nowhere/out.mp4", "data"] {
        let out = recorded.out(out);
        let refused = recorded.export(&copy(Container::Mp4, None, Check::Size), &out, &mut go_on);
        assert!(matches!(refused, Err(ExportError::Io { .. })), "{refused:?}");
    }
    assert_eq!(left_behind(&recorded), [""; 0]);
}

#[test]
fn a_part_file_that_a_crash_left_behind_is_written_over() {
    let recorded = recorded();
    fs::write(recorded.out("out.mp4.part"), vec![7; 1 << 20]).unwrap();
    export(&recorded, Check::Size).unwrap();
    assert_eq!(probe(&recorded.out("out.mp4"), "v", &["pts"]).len(), 360);
    assert_eq!(left_behind(&recorded), ["out.mp4"]);
}

#[test]
fn a_span_without_anything_is_an_error() {
    let recorded = recorded();
    let cut = Some(Span::new(millis(20_000), millis(30_000)));
    let out = recorded.out("out.mp4");
    let nothing = recorded.export(&copy(Container::Mp4, cut, Check::Size), &out, &mut go_on);
    assert!(matches!(nothing, Err(ExportError::Nothing)));
}
