//! What lies in the data folder plays as it is: init and chunks, from any chunk on, in FFmpeg and in a browser.

use media::{MediaPlaylist, Rendition, Resource, codec_name, master_playlist, media_playlist};
use model::{Init, Manifest, Span, TrackManifest};
use serde_json::{Value, json};
use spool_tests::{
    Film, Finished, Pcm, Spool,
    browser::{Page, browse},
    film, library, my_turn, rows, tone,
};
use std::{fs, path::PathBuf, sync::Arc};
use store::{ChunkStore, OsFs};

/// A finished recording, its engine ended and its store open.
struct Shelf {
    data: PathBuf,
    store: ChunkStore,
    manifest: Manifest,
}

impl Shelf {
    fn open(spool: &Spool, finished: &Finished) -> Self {
        spool.end_engine();
        let (store, _) = ChunkStore::open(Arc::new(OsFs), spool.data()).expect("the engine has let go of it");
        let session = finished.session.parse().expect("it is an id");
        let manifest = store.manifest(session).expect("it is there");
        Self { data: spool.data().to_owned(), store, manifest }
    }

    fn track(&self, name: &str) -> &TrackManifest {
        let found = self.manifest.tracks.iter().find(|track| track.track.id.as_str() == name);
        found.unwrap_or_else(|| panic!("there is no track {name}"))
    }

    fn init(&self, name: &str) -> Init {
        let track = &self.track(name).track;
        let hash = track.inits.first().expect("a track with chunks has an init segment").hash;
        self.store.init(self.manifest.meta.id, &track.id, &hash).expect("it is there")
    }

    /// Where the server below finds it: as it lies in the data folder.
    fn url(&self, name: &str, resource: Resource<'_>) -> String {
        let file = match resource {
            Resource::Init(hash) => format!("init-{}.mp4", hash.short()),
            Resource::Chunk(chunk) => format!("{:06}-{}.m4s", chunk.id.index, chunk.hash.short()),
        };
        format!("/sessions/{}/{name}/{file}", self.manifest.meta.id)
    }

    /// For `mse.html`: the init segment of a track and its chunks from one on.
    fn appended(&self, name: &str, from: usize) -> Value {
        let init = self.init(name);
        let kind = if self.track(name).track.kind.is_audio() { "audio" } else { "video" };
        let chunks =
            self.track(name).chunks[from..].iter().map(|chunk| self.url(name, Resource::Chunk(chunk)));
        let urls: Vec<_> = [self.url(name, Resource::Init(&init.hash))].into_iter().chain(chunks).collect();
        json!({ "mime": format!("{kind}/mp4; codecs=\"{}\"", codec_name(&init.codec)), "urls": urls })
    }

    /// The text of a track's playlist, from one chunk on.
    fn playlist(&self, name: &str, from: usize) -> String {
        let track = self.track(name);
        let track = TrackManifest { track: track.track.clone(), chunks: track.chunks[from..].to_vec() };
        let gaps: Vec<Span> = self.manifest.meta.session_gaps().collect();
        let started_at = Some(self.manifest.meta.started_at);
        let chunk = self.manifest.meta.chunk;
        let playlist = MediaPlaylist { track: &track, gaps: &gaps, chunk, started_at, ended: true };
        media_playlist(&playlist, |resource| self.url(name, resource))
    }

    /// A server for `hls.html`: the picture with the mix as its sound, from one chunk of each on.
    fn hls(&self, from: usize) -> impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + use<> {
        let (picture, sound) = (self.init("program").codec, self.init("mix").codec);
        let rendition = |track, codec, uri| Rendition { track, codec, uri };
        let master = master_playlist(
            Some(&rendition(self.track("program"), &picture, "/program.m3u8")),
            Some(&rendition(self.track("mix"), &sound, "/mix.m3u8")),
        );
        let master = master.expect("there is a picture");
        let (program, mix, files) =
            (self.playlist("program", from), self.playlist("mix", from), self.files());
        move |path| match path {
            "/master.m3u8" => Some(master.clone().into_bytes()),
            "/program.m3u8" => Some(program.clone().into_bytes()),
            "/mix.m3u8" => Some(mix.clone().into_bytes()),
            path => files(path),
        }
    }

    /// A server of the data folder.
    fn files(&self) -> impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + use<> {
        let data = self.data.clone();
        move |path| fs::read(data.join(path.strip_prefix('/')?)).ok()
    }
}

fn recorded(arguments: &[&str]) -> (Spool, Finished) {
    let spool = Spool::new();
    let finished = spool.record(["--synthetic", "--chunk", "2s"].iter().chain(arguments)).finished();
    (spool, finished)
}

/// Fails the test unless the page played picture and sound, and showed at each instant what FFmpeg shows then.
/// The page's time is that of the film plus `ahead`.
#[track_caller]
fn assert_played(report: &Value, film: &Film, ahead: f64) {
    assert_eq!((&report["width"], &report["height"]), (&json!(1280), &json!(720)), "{}", report["buffered"]);
    let number = |name: &str| report[name].as_f64().unwrap_or(0.0);
    assert!(number("frames") >= 20.0, "only {} pictures were decoded", report["frames"]);
    assert_eq!(number("corrupted"), 0.0);
    assert!(number("audio_bytes") > 1000.0, "no sound was decoded");
    let looks = rows(&report["looks"]);
    assert!(!looks.is_empty());
    for look in looks {
        let picture = film::Picture::from_report(look);
        let seen = picture.synthetic_code().unwrap_or_else(|| panic!("no code at {} s", picture.at));
        let due = film.pictures.iter().take_while(|shown| shown.at <= picture.at - ahead + 0.001).last();
        let due = due.and_then(film::Picture::synthetic_code).expect("FFmpeg shows a code there");
        assert!(seen.abs_diff(due) <= 1, "code {seen} instead of {due} at {} s", picture.at);
    }
}

#[test]
fn init_and_chunks_play_in_ffmpeg_from_any_chunk_on() {
    let _turn = my_turn();
    let (spool, finished) = recorded(&["--for", "7s", "--system-audio"]);
    let shelf = Shelf::open(&spool, &finished);
    // What people did is a track of data, for no player.
    let tracks = library::tracks(&spool, &finished.session).into_iter().filter(|name| name != "input");
    for name in tracks {
        for from in [0, 1, 2] {
            let file = library::join(&spool, &finished.session, &name, from);
            let (start, end) = match name.as_str() {
                "program" => {
                    let pictures = Film::decode(&file).pictures;
                    assert!(pictures.iter().all(|picture| picture.synthetic_code().is_some()));
                    (pictures[0].at, pictures[pictures.len() - 1].at)
                }
                _ => {
                    let pcm = Pcm::decode(&file, 0);
                    film::assert_complaint_free(&file);
                    assert!(tone::peak(&pcm.samples) > 0.2, "{name} is silent");
                    (pcm.start, pcm.end())
                }
            };
            let due = shelf.track(&name).chunks[from].span.start.as_secs_f64().max(0.0);
            assert!(
                (start - due).abs() < 0.03,
                "{name} from chunk {from} on begins at {start} s, not at {due}"
            );
            assert!((end - finished.seconds()).abs() < 0.1, "{name} ends at {end} s");
            film::probe(&file);
        }
    }
}

#[test]
fn chunks_play_in_a_browser() {
    let _turn = my_turn();
    let (spool, finished) = recorded(&["--for", "9s"]);
    let film = Film::decode(&library::join(&spool, &finished.session, "program", 0));
    let shelf = Shelf::open(&spool, &finished);
    for from in [0, 2] {
        let begin = shelf.track("program").chunks[from].span.start.as_secs_f64().max(0.0);
        let plan = json!({
            "tracks": [shelf.appended("program", from), shelf.appended("mix", from)],
            "start": begin + 0.05,
            "seconds": 1.5,
            "instants": [begin + 0.21, begin + 2.51, 8.31],
        });
        let report = browse(Page::Mse, &plan, shelf.files());
        assert_played(&report, &film, 0.0);
        for (track, name) in rows(&report["tracks"]).iter().zip(["program", "mix"]) {
            let begin = shelf.track(name).chunks[from].span.start.as_secs_f64().max(0.0);
            assert_eq!(rows(track).len(), 1, "a hole in what a track buffers: {track}");
            let range = [&track[0][0], &track[0][1]].map(|edge| edge.as_f64().unwrap());
            assert!((range[0] - begin).abs() < 0.05, "a track begins at {} s, not at {begin}", range[0]);
            assert!((range[1] - finished.seconds()).abs() < 0.1, "a track ends at {} s", range[1]);
        }
    }
}

#[test]
fn chunks_play_as_hls() {
    let _turn = my_turn();
    let (spool, finished) = recorded(&["--for", "9s"]);
    let film = Film::decode(&library::join(&spool, &finished.session, "program", 0));
    let shelf = Shelf::open(&spool, &finished);
    for from in [0, 2] {
        let begin = shelf.track("program").chunks[from].span.start.as_secs_f64().max(0.0);
        let length = finished.seconds() - begin;
        let plan = json!({
            "playlist": "/master.m3u8",
            "start": 0.1,
            "seconds": 1.5,
            "instants": [0.51, 2.51, length - 0.71],
        });
        let report = browse(Page::Hls, &plan, shelf.hls(from));
        assert_played(&report, &film, -begin);
        assert!((report["duration"].as_f64().unwrap() - length).abs() < 0.1, "{}", report["duration"]);
        assert_eq!(rows(&report["audio_tracks"]).len(), 1, "{}", report["audio_tracks"]);
    }
}

#[test]
fn a_pause_is_a_discontinuity_that_players_pass() {
    let _turn = my_turn();
    let spool = Spool::new();
    let finished = spool.record_with_pause();
    let film = Film::decode(&spool.export(&finished.recording, "paused.mp4"));
    let shelf = Shelf::open(&spool, &finished);
    assert_eq!(shelf.playlist("mix", 0).matches("#EXT-X-DISCONTINUITY\n").count(), 1);
    // Players begin a playlist with its first picture.
    let begin = shelf.track("program").chunks[0].span.start.as_secs_f64();
    let plan = json!({
        "playlist": "/master.m3u8",
        "start": 2.0,
        "seconds": 2.5,
        "instants": [1.51, 5.31],
    });
    let report = browse(Page::Hls, &plan, shelf.hls(0));
    assert_played(&report, &film, -begin);
    assert!(
        (report["duration"].as_f64().unwrap() - finished.seconds()).abs() < 0.15,
        "{}",
        report["duration"]
    );
}
