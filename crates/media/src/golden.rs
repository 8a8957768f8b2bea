//! Golden bytes: what is written, box by box, and the playlists. `UPDATE_EXPECT=1 cargo test -p spool-media` writes
//! them anew; every change shows up in review.

use crate::{fixtures::*, *};
use expect_test::expect_file;
use model::{CodecConfig, Init, InitUse, Piece, Span, TrackInfo, TrackKind, TrackManifest, UtcTime};
use std::fmt::Write;

/// Boxes as text: kind, size, and the bytes of those that hold no other.
fn tree(bytes: &[u8]) -> String {
    let mut text = String::new();
    write_tree(&mut text, bytes, 0);
    text
}

fn write_tree(text: &mut String, bytes: &[u8], depth: usize) {
    for found in boxes::each(bytes) {
        let kind = String::from_utf8_lossy(&found.kind);
        let skip = match &*kind {
            "moov" | "trak" | "edts" | "mdia" | "minf" | "dinf" | "stbl" | "mvex" | "moof" | "traf" => {
                Some(0)
            }
            "stsd" | "dref" => Some(8),
            "avc1" | "vp09" | "av01" => Some(78),
            "mp4a" | "Opus" => Some(28),
            _ => None,
        };
        write!(text, "{:depth$}{kind} {}", "", found.whole.len()).unwrap();
        let (own, inner) = found.body.split_at(skip.unwrap_or(found.body.len()));
        for (number, group) in own.chunks(4).enumerate() {
            let separator =
                if number % 12 == 0 { format!("\n{:indent$}", "", indent = depth + 4) } else { " ".into() };
            let group: String = group.iter().map(|byte| format!("{byte:02x}")).collect();
            write!(text, "{separator}{group}").unwrap();
        }
        text.push('\n');
        write_tree(text, inner, depth + 2);
    }
}

/// Six seconds of pictures with a still one, and sound, with a pause from 2.1 s to 5 s.
fn recorded() -> [Vec<Piece>; 2] {
    let mut film = chunker(&h264());
    for at in [0, 40, 80] {
        film.push(picture(at, at == 0)).unwrap();
    }
    film.advance(millis(1000));
    film.push(picture(1060, false)).unwrap();
    film.seal(millis(2100));
    for at in [5000, 5040, 8000] {
        film.push(picture(at, at != 5040)).unwrap();
    }
    film.seal(millis(8100));
    let mut mix = chunker(&aac());
    for index in (0..100).chain(236..380) {
        if index == 236 {
            mix.seal(millis(2100));
        }
        mix.push(sound(index)).unwrap();
    }
    mix.seal(millis(8100));
    [drain(&mut film), drain(&mut mix)]
}

fn pause() -> Span {
    Span::new(millis(2100), millis(5000))
}

fn inits(pieces: &[Piece]) -> Vec<Init> {
    let init = |piece: &Piece| if let Piece::Init(init) = piece { Some(init.clone()) } else { None };
    pieces.iter().filter_map(init).collect()
}

fn manifest(pieces: &[Piece], kind: TrackKind, label: &str) -> TrackManifest {
    let init = &inits(pieces)[0];
    let uses = vec![InitUse { hash: init.hash, first_index: 1 }];
    TrackManifest {
        track: TrackInfo { id: init.track.clone(), kind, label: label.into(), inits: uses },
        chunks: chunks(pieces).into_iter().cloned().collect(),
    }
}

#[test]
fn boxes_of_inits_and_parts() {
    let [film, mix] = recorded();
    expect_file!["../../../golden/media/init-h264.txt"].assert_eq(&tree(&inits(&film)[0].bytes));
    expect_file!["../../../golden/media/init-aac.txt"].assert_eq(&tree(&inits(&mix)[0].bytes));
    let film: Vec<_> = parts(&film).iter().flat_map(|part| part.bytes.to_vec()).collect();
    expect_file!["../../../golden/media/parts-h264.txt"].assert_eq(&tree(&film));
    expect_file!["../../../golden/media/part-aac.txt"].assert_eq(&tree(&parts(&mix)[0].bytes));
}

#[test]
fn boxes_of_other_codecs() {
    let check = |codec: CodecConfig, expected: expect_test::ExpectFile| {
        expected.assert_eq(&tree(&chunker(&codec).init().bytes));
    };
    check(vp9(), expect_file!["../../../golden/media/init-vp9.txt"]);
    check(av1(), expect_file!["../../../golden/media/init-av1.txt"]);
    check(opus(), expect_file!["../../../golden/media/init-opus.txt"]);
    check(CodecConfig::Json, expect_file!["../../../golden/media/init-json.txt"]);
}

#[test]
fn boxes_of_a_track_of_text() {
    let mut input = chunker(&CodecConfig::Json);
    let text = |at, keyframe, text: &'static str| model::Packet {
        bytes: text.as_bytes().into(),
        ..picture(at, keyframe)
    };
    input.push(text(0, true, r#"{"pointer":[10,20],"keys":[]}"#)).unwrap();
    input.push(text(30, false, r#"{"pointer":[11,20]}"#)).unwrap();
    input.push(text(700, false, r#"{"keys":["a"]}"#)).unwrap();
    input.seal(millis(800));
    let pieces = drain(&mut input);
    let parts: Vec<_> = parts(&pieces).iter().flat_map(|part| part.bytes.to_vec()).collect();
    expect_file!["../../../golden/media/parts-json.txt"].assert_eq(&tree(&parts));
    // It goes nowhere where things are played.
    let [film, _] = recorded();
    let (film, film_inits) = (manifest(&film, TrackKind::Program, "Screen"), inits(&film));
    let (input, input_inits) = (manifest(&pieces, TrackKind::Program, "Input"), inits(&pieces));
    let film = FlatTrack { id: &film.track.id, inits: &film_inits, chunks: &film.chunks };
    let text = FlatTrack { id: &input.track.id, inits: &input_inits, chunks: &input.chunks };
    assert_eq!(flatten(&[text, film], None, &[]), flatten(&[film], None, &[]));
    assert_eq!(flatten(&[text], None, &[]), Err(MediaError::Nothing));
    let text = Rendition { track: &input, codec: &CodecConfig::Json, uri: "input.m3u8" };
    assert_eq!(master_playlist(Some(&text), Some(&text)), None);
}

#[test]
fn boxes_of_a_flattened_file() {
    let [film, mix] = recorded();
    let manifests = [manifest(&film, TrackKind::Program, "Screen"), manifest(&mix, TrackKind::Mix, "Mix")];
    let inits = [inits(&film), inits(&mix)];
    let track = |number: usize| FlatTrack {
        id: &manifests[number].track.id,
        inits: &inits[number],
        chunks: &manifests[number].chunks,
    };
    let text = |plan: &FlatPlan| {
        let copies = plan.copies.iter().map(|copy| format!("copy {} {:?}\n", copy.chunk, copy.bytes));
        tree(&plan.head) + &copies.collect::<String>()
    };
    let whole = flatten(&[track(0), track(1)], None, &[pause()]).unwrap();
    expect_file!["../../../golden/media/flat.txt"].assert_eq(&text(&whole));
    let cut = Span::new(millis(1500), millis(5020));
    let cut = flatten(&[track(0), track(1)], Some(cut), &[pause()]).unwrap();
    expect_file!["../../../golden/media/flat-cut.txt"].assert_eq(&text(&cut));
    let sound = flatten(&[track(1)], None, &[pause()]).unwrap();
    expect_file!["../../../golden/media/flat-sound.txt"].assert_eq(&text(&sound));
}

#[test]
fn playlists() {
    let [film, mix] = recorded();
    let (film, mix) =
        (manifest(&film, TrackKind::Program, "Screen"), manifest(&mix, TrackKind::Mix, "The \"mix\"\n"));
    let uri = |resource: Resource<'_>| match resource {
        Resource::Init(hash) => format!("init-{}.mp4", hash.short()),
        Resource::Chunk(chunk) => format!("{:06}-{}.m4s", chunk.id.index, chunk.hash.short()),
    };
    let gaps = [pause()];
    let chunk = ChunkPolicy::CHUNK;
    let started_at = Some(UtcTime(1_795_262_400_000));
    let ended = MediaPlaylist { track: &film, gaps: &gaps, started_at, chunk, ended: true };
    expect_file!["../../../golden/media/playlist-ended.txt"].assert_eq(&media_playlist(&ended, uri));

    // A replay buffer: the first chunk is gone.
    let mut window = mix.clone();
    window.chunks.remove(0);
    let live = MediaPlaylist { track: &window, gaps: &gaps, started_at: None, chunk, ended: false };
    expect_file!["../../../golden/media/playlist-live.txt"].assert_eq(&media_playlist(&live, uri));

    let (picture, sound) = (h264(), aac());
    let picture = Rendition { track: &film, codec: &picture, uri: "program.m3u8" };
    let sound = Rendition { track: &mix, codec: &sound, uri: "mix.m3u8" };
    let master = |picture, sound| master_playlist(picture, sound).unwrap_or_default();
    let all =
        [master(Some(&picture), Some(&sound)), master(Some(&picture), None), master(None, Some(&sound))];
    expect_file!["../../../golden/media/playlist-master.txt"].assert_eq(&all.join("\n"));
    assert_eq!(master_playlist(None, None), None);
}

#[test]
fn a_window_that_slides_keeps_its_count_of_discontinuities() {
    let mut film = chunker(&h264());
    for start in [0, 3000, 9000, 14_000] {
        film.push(picture(start, true)).unwrap();
        film.seal(millis(start + 1000));
    }
    let mut track = manifest(&drain(&mut film), TrackKind::Program, "Screen");
    // Nothing was recorded between two of them.
    let gaps = [(1000, 3000), (4000, 5000), (6000, 9000), (10_000, 14_000)];
    let gaps = gaps.map(|(start, end)| Span::new(millis(start), millis(end)));
    while let Some(last) = track.chunks.last().map(|chunk| chunk.id.index.to_string()) {
        let playlist = MediaPlaylist {
            track: &track,
            gaps: &gaps,
            started_at: None,
            chunk: ChunkPolicy::CHUNK,
            ended: false,
        };
        let text = media_playlist(&playlist, |resource| match resource {
            Resource::Init(_) => "init".into(),
            Resource::Chunk(chunk) => chunk.id.index.to_string(),
        });
        assert_eq!(text.lines().last(), Some(&*last));
        let sequence = text.lines().find_map(|line| line.strip_prefix("#EXT-X-DISCONTINUITY-SEQUENCE:"));
        let before = sequence.map_or(0, |count| count.parse().unwrap());
        let tags = text.lines().filter(|line| *line == "#EXT-X-DISCONTINUITY").count();
        assert_eq!(before + tags, 4);
        track.chunks.remove(0);
    }
}
