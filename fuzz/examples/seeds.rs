//! Writes `fuzz/seeds`: small inputs for each target, made by the code that makes the real thing.

use engine::command::{
    Choice, Command, Event, ExportPlan, Message, PROTOCOL_VERSION, Quality, Query, Reply, Request, Secret,
    SessionPlan, Snapshot,
};
use model::{
    Annotation, Color, Corner, Drawing, Hash, Init, InputEvent, InputSample, InputState, Inset, Layout, Mode,
    Piece, Point, PointerShape, RecordingId, SessionState, Shape, Size, Timestamp, Tool,
};
use spool_fuzz::{input::put_block, library, tracks};
use std::{error::Error, fs, path::PathBuf, sync::Arc};
use store::{ChunkStore, OsFs};

// Instrumented code calls libFuzzer, which wants a target; its own `main` gives way to ours.
libfuzzer_sys::fuzz_target!(|_nothing: &[u8]| {});

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result {
    inits()?;
    chunks()?;
    files()?;
    sessions()?;
    envelopes()?;
    index()?;
    lines()?;
    people()?;
    texts()
}

fn save(target: &str, name: &str, bytes: &[u8]) -> Result {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}

fn inits() -> Result {
    for kind in 0..9 {
        save("init", &format!("kind-{kind}"), &tracks::init(kind).bytes)?;
    }
    Ok(())
}

fn chunks() -> Result {
    for (name, kind) in [("picture", 0), ("sound", 1), ("slow-sound", 5), ("text", 8)] {
        let bytes = tracks::bytes_of(&tracks::pieces(kind, Timestamp::ZERO, 2, 1), 1);
        save("scan", name, &[&[kind], &bytes[..]].concat())?;
    }
    Ok(())
}

fn files() -> Result {
    let second = 1_000_000_000;
    for (name, flags, spans) in [
        ("whole", 0u8, &[][..]),
        ("cut", 1, &[(second, 3 * second)][..]),
        ("gaps", 2 << 1, &[(second, 2 * second), (3 * second, 4 * second)]),
        ("cut-in-a-gap", 1 | 1 << 1, &[(second, 4 * second), (0, 2 * second)]),
    ] {
        let mut out = vec![flags];
        for (start, end) in spans {
            out.extend([i64::to_le_bytes(*start), i64::to_le_bytes(*end)].concat());
        }
        for kind in [0, 1] {
            let pieces = tracks::pieces(kind, Timestamp::ZERO, 5, 1);
            (1..=2).for_each(|index| put_block(&mut out, kind, &tracks::bytes_of(&pieces, index)));
            // The same track goes on with another codec configuration.
            let pieces = tracks::pieces(kind + 2, Timestamp(5 * second), 1, 3);
            put_block(&mut out, kind + 2, &tracks::bytes_of(&pieces, 3));
        }
        save("flatten", name, &out)?;
    }
    Ok(())
}

/// A real session, cut off after so many of its pieces.
fn session(pieces: usize, state: Option<SessionState>) -> Result<Vec<u8>> {
    let folder = library::folder();
    let (store, _) = ChunkStore::open(Arc::new(OsFs), folder.path())?;
    let mut writer = store.begin(library::meta())?;
    for piece in library::pieces(3).into_iter().take(pieces) {
        writer.write(piece)?;
    }
    if let Some(state) = state {
        writer.finalize(state)?;
    }
    drop(writer);
    Ok(library::pack(folder.path())?)
}

fn sessions() -> Result {
    let all = library::pieces(3).len();
    save("recover", "finalized", &session(all, Some(SessionState::Finalized))?)?;
    save("recover", "cut-off", &session(all - 2, None)?)?;
    save("recover", "at-the-beginning", &session(2, None)?)?;
    // Files alone: no document, no index.
    let mut files = Vec::new();
    for kind in [0, 1] {
        let pieces = tracks::pieces(kind, Timestamp::ZERO, 3, 1);
        let init = pieces
            .iter()
            .find_map(|piece| if let Piece::Init(Init { bytes, .. }) = piece { Some(bytes) } else { None });
        put_block(&mut files, library::INIT + kind, init.ok_or("a track begins with an init segment")?);
        put_block(&mut files, library::CHUNK + kind, &tracks::bytes_of(&pieces, 1));
        put_block(&mut files, library::OPEN + kind, &tracks::bytes_of(&pieces, 2));
    }
    save("recover", "without-a-document", &files)?;
    put_block(&mut files, library::INDEX, b"SQLite format 3\0 and then nothing");
    put_block(&mut files, library::SUMS, &[0; 16]);
    put_block(&mut files, library::SETTINGS, br#"{"fps":"60"}"#);
    put_block(&mut files, library::STRANGER, b"\x0b000009.openleft over");
    put_block(&mut files, library::STRANGER, b"\x0einit-x.mp4.tmphalf");
    save("recover", "with-strangers", &files)?;
    // A session that never got further than its document, with more said in it than is true.
    let document = serde_json::json!({ "revision": u64::MAX, "boot": null });
    let mut said = serde_json::to_value(library::meta())?;
    said["layouts"][0]["layout"]["camera"]["x"] = serde_json::json!(1e80);
    said["chunk"] = serde_json::json!({ "secs": u64::MAX, "nanos": 999_999_999 });
    for (key, value) in document.as_object().into_iter().flatten() {
        said[key] = value.clone();
    }
    let mut files = Vec::new();
    put_block(&mut files, library::DOCUMENT, said.to_string().as_bytes());
    save("recover", "document-alone", &files)
}

/// What is done to the files of an encrypted session: places and lengths, in two bytes each.
fn envelopes() -> Result {
    save("envelopes", "untouched", &[1, 0])?;
    for (name, file, kind, numbers) in [
        ("torn", 1u8, 0u8, &[700u16, 0][..]),
        ("torn-within-the-header", 1, 0, &[20, 0]),
        ("without-some", 3, 1, &[400, 300]),
        ("some-of-it-twice", 1, 2, &[32, 600, 632]),
        ("zeros-at-the-end", 3, 3, &[900, u16::MAX]),
        ("another-key", 0, 5, &[9, 0, 1]),
        ("a-flip", 2, 5, &[300, 0, 16]),
    ] {
        for keeps_index in [0, 1] {
            let mut out = vec![file, keeps_index];
            put_block(
                &mut out,
                kind,
                &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>(),
            );
            save("envelopes", &format!("{name}-{keeps_index}"), &out)?;
        }
    }
    Ok(())
}

fn index() -> Result {
    save("index", "nothing", b"")?;
    save("index", "a-flip", &[0, 0x20, 0x10, 0xff])?;
    // Where SQLite speaks of the disk and not of the file.
    save("index", "cut-within-a-page", &[1, 0, 0x81, 0x3e])?;
    save("index", "cut-and-changed", b"1q\x04\x04")?;
    save("index", "cut", &[1, 0x30, 0, 0])
}

fn lines() -> Result {
    let plan = SessionPlan {
        title: "Seed".into(),
        description: String::new(),
        metadata: [("room".to_owned(), "blue".to_owned())].into(),
        screen: Choice::Default,
        microphone: Choice::Off,
        system_audio: Choice::Id("speaker".into()),
        camera: Choice::Off,
        camera_format: Some("1280x720@29.97 MJPG".into()),
        mode: Mode::Both,
        layout: Some(Layout::default()),
        keys: true,
        quality: Quality { width: 1280, height: 720, bitrate: 2_500_000 },
        fps: 30,
        chunk_ms: 4000,
        synthetic: true,
        stop_after_ms: Some(10_000),
    };
    let id = || "0199a3c4".to_owned();
    let export =
        ExportPlan { id: id(), output: "/tmp/out.mp4".into(), from_ms: Some(1), ..ExportPlan::default() };
    let describe =
        Command::Describe { id: id(), title: Some("Seed".into()), description: None, metadata: None };
    let commands = [
        ("begin", Command::Begin(Box::new(plan))),
        ("status", Command::Status),
        ("subscribe", Command::Subscribe),
        ("devices", Command::Devices { synthetic: true }),
        ("list", Command::List(Query { text: "word".into(), ..Query::default() })),
        ("show", Command::Show { id: id() }),
        ("verify", Command::Verify { id: id() }),
        ("delete", Command::Delete { id: id() }),
        ("describe", describe),
        ("trash", Command::Trash { id: id() }),
        ("restore", Command::Restore { id: id() }),
        ("mark", Command::Mark { id: None, at_ms: Some(12_500), label: "here".into() }),
        ("unmark", Command::Unmark { id: id(), at_ms: 12_500 }),
        ("film", Command::Film { id: id() }),
        ("init", Command::Init { session: library::id(), track: tracks::name(0), hash: Hash([7; 32]) }),
        ("chunk", Command::Chunk { session: library::id(), track: tracks::name(0), index: 1 }),
        ("still", Command::Still { id: id(), at_ms: 500, width: 320 }),
        ("waveform", Command::Waveform { id: id(), spans: 200 }),
        ("usage", Command::Usage),
        ("keys", Command::Keys),
        ("save-keys", Command::SaveKeys { output: "/tmp/keys".into() }),
        ("load-keys", Command::LoadKeys { input: "/tmp/keys".into() }),
        ("new-key", Command::NewKey),
        ("settings", Command::Settings { key: None }),
        ("set", Command::Set { key: "fps".into(), value: Some("60".into()) }),
        ("export", Command::Export(export)),
        ("arrange", Command::Arrange(Layout::default())),
        ("layout", Command::Layout),
        ("annotate", Command::Annotate(Annotation::Erase { points: vec![Point { x: 1, y: 2 }], radius: 3 })),
        ("stop", Command::Stop),
        ("login", Command::Login { server: "http://127.0.0.1:1".into(), token: Some(Secret("seed".into())) }),
        ("logout", Command::Logout),
        ("sync", Command::Sync { id: Some(id()) }),
        ("upload-pause", Command::UploadPause),
        ("upload-resume", Command::UploadResume),
        ("upload-verify", Command::UploadVerify { id: id() }),
    ];
    let mut all = Vec::new();
    for (name, command) in commands {
        let line = serde_json::to_vec(&Request { v: PROTOCOL_VERSION, id: 3, command })?;
        save("request", name, &line)?;
        if name != "begin" {
            all.extend([&line[..], b"\n"].concat());
        }
    }
    save("socket", "everything", &all)?;
    let diagnose = Command::Diagnose { output: "/tmp/diagnosis.txt".into() };
    let diagnose = Request { v: PROTOCOL_VERSION, id: 3, command: diagnose };
    save("request", "diagnose", &serde_json::to_vec(&diagnose)?)?;
    save("socket", "without-an-end", br#"{"v":1,"id":3,"command":"status"}"#)?;
    save("socket", "too-long", b"\x01\n{}\n")?;
    save("socket", "other-versions", b"{\"v\":2,\"id\":9,\"command\":\"dance\"}\n[]\n\xff\n\n{\"id\":-1}\n")?;
    let replies = [
        (
            "reply",
            Message::Reply {
                id: 3,
                reply: Reply::Status(Box::new(Snapshot { fps: 29.97, ..Snapshot::default() })),
            },
        ),
        ("event", Message::Event(Event::Progress { output: "/tmp/out.mp4".into(), share: 0.1 })),
        (
            "recovered",
            Message::Event(Event::Recovered {
                recording: RecordingId(library::id().0),
                title: "Talk".into(),
                lost_ms: 250,
            }),
        ),
    ];
    for (name, message) in replies {
        save("request", name, &serde_json::to_vec(&message)?)?;
    }
    Ok(())
}

fn texts() -> Result {
    let settings = [
        ("empty", "{}"),
        (
            "all",
            r#"{"fps":"60","chunk":"2.25s","disk-reserve":"500MB","idle-exit":"1.5m","mic":"off","preset":"480p",
                "keep-days":"30","keep-size":"100GB","trash-keep":"7d","hotkey-mark":"Ctrl+Shift+M","theme":"dark"}"#,
        ),
        ("nonsense", r#"{"fps":"31","colour":"red","chunk":"1e400s","disk-warning":"99999999999TB"}"#),
    ];
    for (name, text) in settings {
        save("settings", name, text.as_bytes())?;
    }
    let hash = "ab".repeat(32);
    for (number, text) in (1..).zip([
        "10s", "250ms", "1.5m", "2h", "5 GB", "500MB", "mix", "480p", "30", &hash, "20%,80%", "top-left",
        "circle", "never", "both",
    ]) {
        save("text", &format!("text-{number}"), text.as_bytes())?;
    }
    save("text", "id", library::id().to_string().as_bytes())
}

/// What people do, and how they arrange it.
fn people() -> Result {
    let at = Point { x: 12, y: -7 };
    let drawing = |id, tool| Drawing {
        id,
        tool,
        points: vec![at, Point { x: 200, y: 120 }],
        color: Color::WHITE,
        width: 6,
        fade_after_ms: Some(3000),
    };
    let tools = [Tool::Pen, Tool::Highlighter, Tool::Line, Tool::Arrow, Tool::Rectangle, Tool::Ellipse];
    let tools = tools.into_iter().chain([Tool::Text("Seed".into())]);
    let draw = |(id, tool)| InputEvent::Annotation(Annotation::Draw(drawing(id, tool)));
    let erase = Annotation::Erase { points: vec![at], radius: 9 };
    let shape =
        PointerShape { size: Size::new(1, 1), hot: Point::default(), pixels: vec![1, 2, 3, 255].into() };
    let mut events: Vec<_> = (1..).zip(tools).map(draw).collect();
    events.extend([Annotation::Undo, erase].map(InputEvent::Annotation));
    let drawn = InputSample { state: None, events };
    let mut state = InputState { pointer: Some(at), shape: Some(shape.clone()), ..InputState::default() };
    drawn.events.iter().for_each(|event| state.apply(event, Timestamp(1_000_000)));
    let events = vec![
        InputEvent::Pointer(at),
        InputEvent::PointerShape(shape),
        InputEvent::Button { button: 1, pressed: true, at },
        InputEvent::Key { name: "Ctrl".into(), pressed: true },
        InputEvent::PointerGone,
    ];
    save("input", "drawn", &serde_json::to_vec(&drawn)?)?;
    save("input", "keyframe", &serde_json::to_vec(&InputSample { state: Some(state), events })?)?;

    let layout = |camera| Layout { camera, ..Layout::default() };
    for (name, size, inset) in [
        ("circle", [1280u16, 720], Inset::default()),
        ("rounded", [640, 1136], Inset { shape: Shape::Rounded, ..Inset::default().at(Corner::TopLeft) }),
        ("large", [2, 2], Inset { shape: Shape::Rectangle, size: 1.0, ..Inset::default() }),
    ] {
        let mut out =
            [640u16, 480, 1920, 1080].into_iter().chain(size).flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        out.extend(serde_json::to_vec(&layout(inset))?);
        save("layout", name, &out)?;
    }
    Ok(())
}
