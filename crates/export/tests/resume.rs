//! Exports that are cut off, cancelled, or run beside each other.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::{Film, Recorded, go_on, make_film, probe, record_film, record_film_encrypted, run};
use model::Hash;
use spool_export::{Check, Container, ExportError, Pace, Plan, Progress, clean};
use std::{
    fs,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

/// Twelve seconds in small.
fn film() -> &'static Film {
    static FILM: OnceLock<Film> = OnceLock::new();
    FILM.get_or_init(|| make_film("160x90", 12))
}

fn recorded() -> Recorded {
    record_film(film(), &[])
}

/// Kills an export when it has come so far, in percent.
fn kill(recorded: &Recorded, plan: &Plan, out: &Path, percent: u64) {
    let mut progress = |progress: Progress| {
        assert!(progress.done * 100 <= progress.total * percent, "killed");
        ControlFlow::Continue(())
    };
    let killed = catch_unwind(AssertUnwindSafe(|| recorded.export(plan, out, &mut progress)));
    assert!(killed.is_err() && !out.exists());
}

/// Makes a file, and counts the pictures that are drawn for it.
fn finish(recorded: &Recorded, plan: &Plan, out: &Path) -> (Vec<u8>, usize) {
    let mut told: Vec<Progress> = Vec::new();
    let mut progress = |progress| {
        told.push(progress);
        ControlFlow::Continue(())
    };
    recorded.export(plan, out, &mut progress).unwrap();
    assert!(told.is_sorted_by_key(|progress| progress.done));
    let last = told.last().unwrap();
    assert_eq!(last.done, last.total);
    let rendered = last.total / 17 * 16;
    let drawn = told.iter().filter(|progress| progress.done <= rendered).count();
    (essence(out), drawn)
}

/// A file's packets. WebM's random number, which tells copies apart, is of no account.
fn essence(out: &Path) -> Vec<u8> {
    let mut command = std::process::Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(out).args(["-c", "copy", "-f", "framemd5", "-"]);
    run(&mut command)
}

/// What is in the folder of works, but the door.
fn works(recorded: &Recorded) -> usize {
    let names = fs::read_dir(recorded.work()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name != "door.lock").count()
}

fn plans() -> [Plan; 3] {
    [
        Plan { crf: Some(28.0), ..Plan::new(Container::Mp4) },
        Plan { pace: Pace::AtMost(10), ..Plan::new(Container::Webm) },
        Plan { pace: Pace::AtMost(10), ..Plan::new(Container::Gif) },
    ]
}

#[test]
fn what_was_cut_off_goes_on_and_comes_out_the_same() {
    let recorded = recorded();
    for plan in plans() {
        let (whole, all) = finish(&recorded, &plan, &recorded.out("whole"));
        let out = recorded.out("resumed");
        kill(&recorded, &plan, &out, 40);
        kill(&recorded, &plan, &out, 80);
        assert_eq!(works(&recorded), 1);
        let (resumed, drawn) = finish(&recorded, &plan, &out);
        // Two of three cells were finished.
        assert!(drawn < all / 2, "{drawn} of {all}");
        assert_eq!((resumed == whole, works(&recorded)), (true, 0), "{:?}", plan.container);
        fs::remove_file(out).unwrap();
    }
}

/// Work whose file says by its name the hash of what is in it.
fn is_what_it_says(file: &Path) -> bool {
    let name = file.file_name().unwrap().to_str().unwrap();
    name.ends_with(&Hash::of(&fs::read(file).unwrap()).to_string())
}

#[test]
fn of_an_encrypted_recording_comes_the_same_and_its_work_is_encrypted() {
    let (plain, encrypted) = (recorded(), record_film_encrypted(film()));
    for plan in plans() {
        let (whole, all) = finish(&plain, &plan, &plain.out("plain"));
        let out = encrypted.out("out");
        kill(&encrypted, &plan, &out, 80);
        kill(&plain, &plan, &plain.out("killed"), 80);
        let files = |recorded: &Recorded| {
            let mut works = fs::read_dir(recorded.work()).unwrap().map(|entry| entry.unwrap().path());
            let files = fs::read_dir(works.find(|path| path.is_dir()).unwrap())
                .unwrap()
                .map(|entry| entry.unwrap().path());
            files.filter(|path| path.file_name().unwrap() != "lock").collect::<Vec<_>>()
        };
        assert!(files(&plain).iter().all(|file| is_what_it_says(file)));
        assert!(!files(&encrypted).is_empty() && !files(&encrypted).iter().any(|file| is_what_it_says(file)));
        fs::remove_dir_all(plain.work()).unwrap();
        let (made, drawn) = finish(&encrypted, &plan, &out);
        assert!(drawn < all / 2, "{drawn} of {all}");
        assert_eq!((made == whole, works(&encrypted)), (true, 0), "{:?}", plan.container);
        fs::remove_file(out).unwrap();
    }
    let plan = Plan { check: Check::Hash, ..Plan::new(Container::Mp4) };
    let copies = [&plain, &encrypted].map(|recorded| {
        recorded.export(&plan, &recorded.out("copy"), &mut go_on).unwrap();
        fs::read(recorded.out("copy")).unwrap()
    });
    assert!(copies[0] == copies[1]);
}

#[test]
fn damaged_work_is_done_again() {
    let recorded = recorded();
    let (plan, out) = (&plans()[0], recorded.out("out"));
    let (whole, _) = finish(&recorded, plan, &out);
    fs::remove_file(&out).unwrap();
    kill(&recorded, plan, &out, 80);
    let folder =
        fs::read_dir(recorded.work()).unwrap().map(|entry| entry.unwrap().path()).find(|p| p.is_dir());
    for file in fs::read_dir(folder.unwrap()).unwrap().map(|entry| entry.unwrap().path()) {
        let mut bytes = fs::read(&file).unwrap();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
            fs::write(file, bytes).unwrap();
        }
    }
    assert!(finish(&recorded, plan, &out).0 == whole);
}

#[test]
fn a_cancelled_export_leaves_nothing() {
    let recorded = recorded();
    for plan in plans() {
        for percent in [0, 50, 96] {
            let mut calls_after = 0;
            let mut progress = |progress: Progress| {
                let wanted = progress.done * 100 <= progress.total * percent;
                calls_after += usize::from(!wanted);
                if wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            let out = recorded.out("out");
            let cancelled = recorded.export(&plan, &out, &mut progress);
            assert!(matches!(cancelled, Err(ExportError::Cancelled)), "{cancelled:?}");
            assert_eq!((works(&recorded), calls_after), (0, 1));
            let left = fs::read_dir(recorded.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
            assert_eq!(left.collect::<Vec<_>>(), ["data"]);
        }
    }
}

#[test]
fn another_plan_is_other_work_and_old_work_is_cleaned() {
    let recorded = recorded();
    for (plan, works_now) in plans().iter().zip(1..) {
        kill(&recorded, plan, &recorded.out("out"), 50);
        assert_eq!(works(&recorded), works_now);
    }
    let hour = Duration::from_secs(3600);
    assert_eq!(clean(&recorded.work(), SystemTime::now() - hour).unwrap(), 0);
    assert_eq!(clean(&recorded.work(), SystemTime::now() + hour).unwrap(), 3);
    assert_eq!(works(&recorded), 0);
}

#[test]
fn two_to_one_file_at_once_make_one_whole_file() {
    let recorded = recorded();
    let (plan, out) = (&plans()[1], recorded.out("out"));
    let (whole, _) = finish(&recorded, plan, &out);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| recorded.export(plan, &out, &mut go_on).unwrap());
        }
    });
    assert!(essence(&out) == whole);
    let left = fs::read_dir(recorded.dir.path()).unwrap().count();
    assert_eq!((left, works(&recorded)), (2, 0));
}

#[test]
fn lost_chunks_are_named_also_by_what_goes_on_after_them() {
    let recorded = recorded();
    let lost = recorded.manifest.tracks[0].chunks[1].id.clone();
    fs::remove_file(recorded.chunk_path(&lost)).unwrap();
    let out = recorded.out("out.mp4");
    for plan in plans() {
        kill(&recorded, &plan, &out, 80);
        let exported = recorded.export(&plan, &out, &mut go_on).unwrap();
        assert_eq!((exported.skipped, exported.duration.as_millis()), (vec![lost.clone()], 12_000));
        // Before the hole the last picture stands.
        let pictures = probe(&out, "v", &["pts_time"]);
        let times: Vec<f64> = pictures.iter().map(|fields| fields[0].parse().unwrap()).collect();
        let within = times.iter().filter(|at| (4.01..7.99).contains(*at)).count();
        assert_eq!(within, 0, "{:?}", plan.container);
        fs::remove_file(&out).unwrap();
    }
}
