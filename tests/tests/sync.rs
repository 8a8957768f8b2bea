//! Picture and sound stay together: the synthetic sources flash and beep at the same instant, each second.

use spool_tests::{Film, Finished, Pcm, Spool, codes, film, my_turn, tone, wait_for};
use std::{path::Path, time::Duration};

const SECOND: Duration = Duration::from_secs(1);
/// What people do not notice.
const OFFSET_MAX: f64 = 0.020;

/// When flashes begin that were not on from the start.
fn flashes(pictures: &[film::Picture]) -> Vec<f64> {
    let begins = |pair: &&[film::Picture]| !pair[0].flash() && pair[1].flash();
    pictures.windows(2).filter(begins).map(|pair| pair[1].at).collect()
}

/// When beeps begin that were not on from the start.
fn beeps(pcm: &Pcm) -> Vec<f64> {
    let rate = f64::from(pcm.rate);
    // Longer than a swing through zero, and shorter than any silence that a pause can leave between two beeps.
    let (silence, mut last_loud) = ((0.02 * rate) as usize, 0);
    let mut onsets = Vec::new();
    for (index, sample) in pcm.samples.iter().enumerate() {
        if sample.abs() > 0.15 {
            if index - last_loud > silence {
                onsets.push(pcm.start + index as f64 / rate);
            }
            last_loud = index;
        }
    }
    onsets
}

/// Fails the test unless every flash has its beep and every beep its flash. Gives how many there are.
#[track_caller]
fn assert_together(file: &Path, seconds: f64, seams: &[f64]) -> usize {
    let (pictures, pcm) = (Film::decode(file).pictures, Pcm::decode(file, 0));
    // What lies at an edge may have lost its partner in the cut: a flash outlasts its beep.
    let inside =
        |at: &f64| (0.4..seconds - 0.1).contains(at) && seams.iter().all(|seam| (at - seam).abs() > 0.15);
    let flashes: Vec<_> = flashes(&pictures).into_iter().filter(inside).collect();
    let beeps: Vec<_> = beeps(&pcm).into_iter().filter(inside).collect();
    assert_eq!(flashes.len(), beeps.len(), "flashes at {flashes:?}, beeps at {beeps:?}");
    let offsets: Vec<_> = flashes.iter().zip(&beeps).map(|(flash, beep)| flash - beep).collect();
    println!("flash minus beep in ms: {:.1?}", offsets.iter().map(|offset| offset * 1e3).collect::<Vec<_>>());
    assert!(
        offsets.iter().all(|offset| offset.abs() <= OFFSET_MAX),
        "seconds between flash and beep: {offsets:?}"
    );
    flashes.len()
}

/// The counter of the synthetic picture counts thirtieths of a second of host time.
fn codes(file: &Path) -> Vec<(f64, u32)> {
    let film = Film::decode(file);
    let read = |picture: &film::Picture| {
        let code = picture.synthetic_code();
        (picture.at, code.unwrap_or_else(|| panic!("no code in the picture at {} s", picture.at)))
    };
    film.pictures.iter().map(read).collect()
}

#[test]
fn flash_and_beep_are_recorded_at_the_same_instant_from_start_to_end() {
    let _turn = my_turn();
    let spool = Spool::new();
    let finished = spool.record(["--synthetic", "--for", "10s"]).finished();
    let file = spool.export(&finished.recording, "ten.mp4");
    assert!(assert_together(&file, finished.seconds(), &[]) >= 9);
    codes::assert_in_order(&codes(&file), finished.frames("dropped"));
}

#[test]
fn a_source_whose_crystal_runs_fast_stays_together_too() {
    let _turn = my_turn();
    let spool = Spool::new();
    let finished = spool.record(["--synthetic", "--for", "8s", "--mic", "synthetic:mic:200ppm"]).finished();
    let file = spool.export(&finished.recording, "fast.mp4");
    assert!(assert_together(&file, finished.seconds(), &[]) >= 7);
}

#[test]
fn a_pause_does_not_part_them() {
    let _turn = my_turn();
    let spool = Spool::new();
    let mut recorder = spool.record(["--synthetic", "--chunk", "2s"]);
    for pause in 1..3u32 {
        recorder.elapsed(pause * 2 * SECOND);
        spool.run(["pause"]).ok();
        let begun = codes::host_time();
        wait_for("a pause", 5 * SECOND, || (codes::host_time() - begun > 700_000_000).then_some(()));
        spool.run(["resume"]).ok();
    }
    recorder.elapsed(7 * SECOND);
    let finished = Finished::read(spool.json(&["stop"]));
    let file = spool.export(&finished.recording, "paused.mp4");
    let details = spool.json(&["show", &finished.recording]);
    let mut skipped = 0.0;
    let seams: Vec<f64> = details["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| {
            let seconds = |side: &str| gap["span"][side].as_f64().unwrap() / 1e9;
            let seam = seconds("start") - skipped;
            skipped += seconds("end") - seconds("start");
            seam
        })
        .collect();
    assert_eq!(seams.len(), 2, "{details}");
    assert!(assert_together(&file, finished.seconds(), &seams) >= 4);
}

#[test]
fn a_cut_begins_and_ends_where_it_was_asked_to() {
    let _turn = my_turn();
    let spool = Spool::new();
    let finished = spool.record(["--synthetic", "--for", "9s", "--chunk", "2s"]).finished();
    let all = codes(&spool.export(&finished.recording, "all.mp4"));
    let file = spool.export_part(&finished.recording, "cut.mp4", &["--from", "3.2s", "--to", "7.9s"]);
    assert!((film::duration(&file) - 4.7).abs() < 0.05, "{}", film::describe(&file));
    let cut = codes(&file);
    let shown_at = |at: f64| all.iter().take_while(|code| code.0 <= at + 0.002).last().unwrap().1;
    let (first, last) = (cut[0], cut[cut.len() - 1]);
    assert!(first.0 < 0.001 && first.1 == shown_at(3.2), "{first:?} is not what was shown at 3.2 s");
    assert!(last.1.abs_diff(shown_at(7.9)) <= 1, "{} is not what was shown at 7.9 s", last.1);
    codes::assert_in_order(&cut, finished.frames("dropped"));
    for (at, code) in &cut[1..] {
        let whole = all.iter().find(|whole| whole.1 == *code).unwrap().0;
        assert!((whole - at - 3.2).abs() < 0.002, "code {code} is at {at} s of the cut and {whole} s of all");
    }
    assert!(assert_together(&file, 4.7, &[]) >= 4);
    let pcm = Pcm::decode(&file, 0);
    assert!(
        pcm.start.abs() < 0.005 && (pcm.end() - 4.7).abs() < 0.03,
        "sound from {} to {}",
        pcm.start,
        pcm.end()
    );

    let sound = spool.export_part(&finished.recording, "cut.m4a", &["--from", "1s"]);
    let pcm = Pcm::decode(&sound, 0);
    assert!((pcm.end() - (finished.seconds() - 1.0)).abs() < 0.1, "{} s of sound", pcm.end());
    assert!(tone::peak(&pcm.samples) > 0.4);
}
