//! libavformat and libavcodec as the judges of what is encoded anew: every picture is there, at its time, and looks as
//! it did; sound stays in step.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::*;
use model::{Packet, Size, Span, TrackKind};
use spool_export::{Container, Encode, ExportError, Exported, Pace, Plan, VideoCodec, needs_encoding};
use std::path::{Path, PathBuf};

fn make(recorded: &Recorded, plan: &Plan) -> (PathBuf, Exported) {
    let ending = match plan.container {
        Container::Mp4 => "mp4",
        Container::M4a => "m4a",
        Container::Webm => "webm",
        Container::Gif => "gif",
    };
    let out = recorded.out(&format!("out.{ending}"));
    assert!(needs_encoding(&recorded.store, &recorded.manifest, plan).unwrap());
    let exported = recorded.export(plan, &out, &mut go_on).unwrap();
    assert_eq!((exported.bytes, &exported.skipped), (std::fs::metadata(&out).unwrap().len(), &vec![]));
    // Nothing of the work is left, but the door that others come in by.
    assert_eq!(std::fs::read_dir(recorded.work()).unwrap().count(), 1);
    (out, exported)
}

/// When pictures are shown, in ticks of 90 kHz.
fn times_of(path: &Path) -> Vec<i64> {
    let seconds = |fields: Vec<String>| (fields[0].parse::<f64>().unwrap() * 90_000.0).round() as i64;
    probe(path, "v", &["pts_time"]).into_iter().map(seconds).collect()
}

/// WebM counts in milliseconds.
fn assert_times_are(path: &Path, expected: impl IntoIterator<Item = i64>, container: Container) {
    let off = if container == Container::Webm { 46 } else { 0 };
    let (times, expected) = (times_of(path), expected.into_iter().collect::<Vec<_>>());
    assert_eq!(times.len(), expected.len(), "{times:?}");
    let same = times.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= off);
    assert!(same, "{times:?} is not {expected:?}");
}

fn assert_alike(path: &Path, expected: &[Vec<u8>], decibels: f64) {
    let pictures = pictures_of(path);
    assert_eq!(pictures.len(), expected.len());
    for (number, (picture, expected)) in pictures.iter().zip(expected).enumerate() {
        let alike = psnr(picture, expected);
        assert!(alike > decibels, "picture {number}: {alike} dB");
    }
}

/// The film of beeps: a short one in the middle of each second.
fn beeping() -> &'static Film {
    static FILM: std::sync::OnceLock<Film> = std::sync::OnceLock::new();
    let beeps = "aevalsrc=if(lt(mod(t+0.5\\,1)\\,0.05)\\,0.5*sin(6283*t)\\,0):s=48000";
    FILM.get_or_init(|| film_of("160x90", 12, "testsrc2", beeps))
}

/// When beeps begin, in milliseconds.
fn beeps_of(path: &Path) -> Vec<i64> {
    let mut beeps: Vec<i64> = Vec::new();
    for (at, _) in sound_of(path).iter().enumerate().filter(|(_, sample)| sample.abs_diff(0) > 3000) {
        let at = at as i64 / 48;
        if beeps.last().is_none_or(|last| at - last > 500) {
            beeps.push(at);
        }
    }
    beeps
}

fn assert_beeps_are(path: &Path, expected: &[i64], off: i64) {
    let beeps = beeps_of(path);
    let near = beeps.iter().zip(expected).all(|(a, b)| (a - b).abs() <= off);
    assert!(beeps.len() == expected.len() && near, "{beeps:?} are not {expected:?}");
}

#[test]
fn a_webm_has_every_picture_at_its_time_and_its_sound_in_step() {
    let film = beeping();
    let recorded = record_film(film, &[]);
    for (video, name) in [(None, "vp9"), (Some(VideoCodec::Av1), "av1")] {
        let cut = Some(Span::new(millis(0), millis(5000))).filter(|_| video.is_some());
        let (out, exported) = make(&recorded, &Plan { video, cut, ..Plan::new(Container::Webm) });
        let seconds = exported.duration.as_millis() as i64 / 1000;
        assert_eq!(seconds, if video.is_some() { 5 } else { 12 });
        assert_eq!(stream_fields(&out, "v", &["codec_name", "width"]), [name, "160"]);
        assert_eq!(stream_fields(&out, "a", &["codec_name", "sample_rate"]), ["opus", "48000"]);
        assert_times_are(&out, (0..seconds * 30).map(|n| n * 3000), Container::Webm);
        assert_alike(&out, &pictures_of(&film.path())[..seconds as usize * 30], 28.0);
        assert_beeps_are(&out, &(0..seconds).map(|second| second * 1000 + 500).collect::<Vec<_>>(), 3);
    }
}

#[test]
fn cuts_and_pauses_are_exact_in_what_is_encoded() {
    let film = beeping();
    // From 5 to 8 seconds nothing was recorded.
    let recorded = record_film(film, &[Span::new(millis(5000), millis(8000))]);
    let all = pictures_of(&film.path());
    let expected = [&all[93..150], &all[240..315]].concat();
    for container in [Container::Webm, Container::Mp4] {
        let span = Span::new(millis(3100), millis(10_500));
        let plan = Plan { cut: Some(span), crf: Some(18.0), ..Plan::new(container) };
        let (out, exported) = make(&recorded, &plan);
        assert_eq!((exported.duration.as_millis(), exported.span), (4400, span));
        assert_times_are(&out, (0..132).map(|n| n * 3000), container);
        assert_alike(&out, &expected, 28.0);
        // FFmpeg 5.1 plays copied packets of sound to their ends, whatever the file says: up to 21 ms after a pause,
        // and the beginning of what is cut off.
        let (beeps, off): (&[_], _) = match container {
            Container::Webm => (&[400, 1400, 2400, 3400], 3),
            _ => (&[400, 1400, 2400, 3400, 4400], 22),
        };
        assert_beeps_are(&out, beeps, off);
    }
}

#[test]
fn sizes_rates_and_codecs_are_as_wanted() {
    let recorded = recorded();
    let all = pictures_of(&film().path());
    let mp4 = |change: fn(&mut Plan)| {
        let mut plan = Plan::new(Container::Mp4);
        change(&mut plan);
        make(&recorded, &plan).0
    };
    let out = mp4(|plan| plan.size = Some(Size::new(200, 200)));
    assert_eq!(stream_fields(&out, "v", &["codec_name", "width", "height"]), ["h264", "200", "112"]);
    assert_times_are(&out, (0..360).map(|n| n * 3000), Container::Mp4);

    let out = mp4(|plan| plan.pace = Pace::AtMost(10));
    assert_times_are(&out, (0..120).map(|n| n * 9000), Container::Mp4);
    // Of all that could be shown at an instant the one that is nearest.
    assert_alike(&out, &all.iter().skip(1).step_by(3).cloned().collect::<Vec<_>>(), 28.0);

    for fps in [25, 30, 60] {
        let plan = Plan { pace: Pace::Constant(fps), ..Plan::new(Container::Mp4) };
        let (out, _) = make(&recorded, &plan);
        let fps = i64::from(fps);
        assert_times_are(&out, (0..12 * fps).map(|n| n * 90_000 / fps), Container::Mp4);
        let rates = stream_fields(&out, "v", &["r_frame_rate", "avg_frame_rate"]);
        assert_eq!(rates, [format!("{fps}/1"), format!("{fps}/1")]);
        let nearest = |n: i64| all[((2 * n + 1) * 30 / (2 * fps)) as usize].clone();
        assert_alike(&out, &(0..12 * fps).map(nearest).collect::<Vec<_>>(), 28.0);
    }

    let out = mp4(|plan| (plan.video, plan.pace) = (Some(VideoCodec::Vp9), Pace::AtMost(5)));
    assert_eq!(stream_fields(&out, "v", &["codec_name"]), ["vp9"]);
    assert_eq!(pictures_of(&out).len(), 60);
}

#[test]
fn still_pictures_keep_their_times_or_are_repeated() {
    let film = film();
    let times = [0, 33, 70, 1061, 1100, 2133, 2200, 3990];
    let shown = times.iter().zip(&film.pictures).map(|(at, packet)| (*at, packet));
    let later = [(4100, &film.pictures[60]), (5010, &film.pictures[61]), (13_017, &film.pictures[120])];
    let packets: Vec<Packet> =
        shown.chain(later).map(|(at, packet)| Packet { at: millis(at), ..packet.clone() }).collect();
    let mut chunker = chunker("program", &film.h264);
    for packet in &packets {
        chunker.advance(packet.at);
        chunker.push(packet.clone()).unwrap();
    }
    chunker.seal(millis(14_000));
    let recorded = store(vec![(TrackKind::Program, "Screen", drain(&mut chunker))], &[]);
    let seen: Vec<_> = packets.iter().map(|packet| packet.at.to_ticks(90_000)).collect();
    for container in [Container::Mp4, Container::Webm] {
        let (out, exported) = make(&recorded, &Plan { crf: Some(20.0), ..Plan::new(container) });
        assert_eq!(exported.duration.as_millis(), 14_000);
        assert_times_are(&out, seen.clone(), container);
        let length = &stream_or_format_seconds(&out);
        assert!((length - 14.0).abs() < 0.002, "{length}");

        let (out, _) = make(&recorded, &Plan { pace: Pace::Constant(30), ..Plan::new(container) });
        assert_times_are(&out, (0..420).map(|n| n * 3000), container);
    }
}

fn stream_or_format_seconds(path: &Path) -> f64 {
    let mut command = std::process::Command::new("ffprobe");
    command.args(["-v", "warning", "-show_entries", "format=duration", "-of", "csv=p=0"]).arg(path);
    String::from_utf8(run(&mut command)).unwrap().trim().parse().unwrap()
}

#[test]
fn a_gif_adds_up_and_looks_right() {
    let recorded = recorded();
    let all = pictures_of(&film().path());
    let (out, _) = make(&recorded, &Plan::new(Container::Gif));
    let fields = stream_fields(&out, "v", &["codec_name", "width", "height"]);
    assert_eq!(fields, ["gif", "320", "180"]);
    // Hundredths of a second, and no drift.
    let times: Vec<i64> = times_of(&out).iter().map(|at| at / 900).collect();
    let expected: Vec<i64> = (0..180).map(|n: i64| (n * 200 + 15) / 30).collect();
    assert_eq!(times, expected);
    let length = stream_or_format_seconds(&out);
    assert!((length - 12.0).abs() < 0.006, "{length}");
    assert_alike(&out, &all.iter().skip(1).step_by(2).cloned().collect::<Vec<_>>(), 24.0);
}

#[test]
fn pictures_that_stand_still_cost_a_gif_nothing() {
    let film = film_of("320x180", 8, "smptebars", "anullsrc=r=48000");
    let recorded = record_film(&film, &[]);
    let (out, exported) = make(&recorded, &Plan { pace: Pace::AtMost(10), ..Plan::new(Container::Gif) });
    let pictures = pictures_of(&out);
    // A frame for each cell of four seconds, and one or two where the encoder changed its mind.
    assert!((2..=4).contains(&pictures.len()), "{}", pictures.len());
    assert!(psnr(&pictures[1], &pictures_of(&film.path())[200]) > 30.0);
    assert!(exported.bytes < 20_000, "{}", exported.bytes);
}

#[test]
fn what_can_be_copied_needs_no_encoding_and_what_cannot_says_so() {
    let recorded = recorded();
    let needed = |plan: &Plan| needs_encoding(&recorded.store, &recorded.manifest, plan).unwrap();
    let mp4 = Plan::new(Container::Mp4);
    assert!(!needed(&mp4) && !needed(&Plan::new(Container::M4a)));
    assert!(!needed(&Plan { video: Some(VideoCodec::H264), size: Some(Size::new(320, 180)), ..mp4.clone() }));
    for plan in [
        Plan { video: Some(VideoCodec::Av1), ..mp4.clone() },
        Plan { size: Some(Size::new(318, 180)), ..mp4.clone() },
        Plan { pace: Pace::Constant(30), ..mp4.clone() },
        Plan { crf: Some(30.0), ..mp4 },
        Plan::new(Container::Webm),
        Plan::new(Container::Gif),
    ] {
        assert!(needed(&plan));
        let refused =
            recorded.export(&Plan { encode: Encode::Never, ..plan }, &recorded.out("out"), &mut go_on);
        assert!(matches!(refused, Err(ExportError::NeedsEncoding)), "{refused:?}");
    }
    let refused = recorded.export(
        &Plan { pace: Pace::Constant(0), ..Plan::new(Container::Webm) },
        &recorded.out("out"),
        &mut go_on,
    );
    assert!(matches!(refused, Err(ExportError::Invalid { .. })));
    assert!(!recorded.out("out").exists() && !recorded.work().exists());
}

#[test]
fn sound_alone_makes_a_webm() {
    let film = beeping();
    let mut recorded = record_film(film, &[]);
    recorded.manifest.tracks.remove(0);
    let cut = Some(Span::new(millis(2500), millis(6000)));
    let (out, exported) = make(&recorded, &Plan { cut, ..Plan::new(Container::Webm) });
    assert_eq!(exported.duration.as_millis(), 3500);
    assert_beeps_are(&out, &[0, 1000, 2000, 3000], 3);
    assert!(probe(&out, "v", &["pts"]).is_empty());
    let gif = recorded.export(&Plan::new(Container::Gif), &recorded.out("out.gif"), &mut go_on);
    assert!(matches!(gif, Err(ExportError::Nothing)));
}

#[test]
fn a_picture_that_changes_its_shape_stays_in_the_middle() {
    let (film, narrow) = (film_of("320x180", 2, "testsrc2", "anullsrc=r=48000"), make_film("100x180", 2));
    let mut chunker = chunker("program", &film.h264);
    for packet in &film.pictures {
        chunker.push(packet.clone()).unwrap();
    }
    chunker.reconfigure(&narrow.h264, millis(2000)).unwrap();
    for packet in &narrow.pictures {
        chunker
            .push(Packet { at: millis(2000) + packet.at.saturating_since(millis(0)), ..packet.clone() })
            .unwrap();
    }
    chunker.seal(millis(4000));
    let recorded = store(vec![(TrackKind::Program, "Window", drain(&mut chunker))], &[]);
    let (out, _) = make(&recorded, &Plan { crf: Some(15.0), ..Plan::new(Container::Webm) });
    let (pictures, expected) = (pictures_of(&out), pictures_of(&narrow.path()));
    assert_eq!((pictures.len(), stream_fields(&out, "v", &["width"])), (120, vec!["320".to_owned()]));
    for (picture, expected) in pictures[60..].iter().zip(&expected) {
        let middle: Vec<u8> =
            picture.chunks(320 * 3).flat_map(|row| row[110 * 3..210 * 3].iter().copied()).collect();
        assert!(psnr(&middle, expected) > 28.0);
        assert!(picture.chunks(320 * 3).all(|row| row[..100 * 3].iter().all(|part| *part < 12)));
    }
}

#[test]
fn nothing_readable_is_an_error_or_sound_alone() {
    let recorded = recorded();
    for chunk in &recorded.manifest.tracks[0].chunks {
        std::fs::remove_file(recorded.chunk_path(&chunk.id)).unwrap();
    }
    let out = recorded.out("out");
    for container in [Container::Gif, Container::Mp4] {
        let nothing =
            recorded.export(&Plan { pace: Pace::AtMost(5), ..Plan::new(container) }, &out, &mut go_on);
        assert!(matches!(nothing, Err(ExportError::Nothing)) && !out.exists());
    }
    let made = recorded.export(&Plan::new(Container::Webm), &out, &mut go_on).unwrap();
    assert_eq!((made.skipped.len(), made.duration.as_secs()), (3, 12));
    assert!(probe(&out, "v", &["pts"]).is_empty());
}
