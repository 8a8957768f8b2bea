//! The engine's socket: each line is answered once, and whatever was said, the engine still serves. Input: what a
//! shell writes. A byte of 1 before it all makes
//! the first line too long.

#![no_main]

use engine::{
    Engine, Server,
    command::{Command, Message, PROTOCOL_VERSION, Reply, Request},
};
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::PathBuf,
    sync::OnceLock,
};
use tempfile::TempDir;

/// As many as are answered without anybody reading the answers.
const LINES_MAX: usize = 64;
const LINE_BYTES_MAX: usize = 1 << 20;

struct Serving {
    socket: PathBuf,
    /// Keeps the engine from ending for want of company.
    _company: UnixStream,
    _folder: TempDir,
}

#[expect(unsafe_code, reason = "where sockets lie is said by a variable")]
fn serving() -> &'static Serving {
    static SERVING: OnceLock<Serving> = OnceLock::new();
    SERVING.get_or_init(|| {
        let folder = spool_fuzz::library::folder();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("it is ours");
        // SAFETY: no other thread of ours runs yet, and libFuzzer's do not look at it.
        unsafe { env::set_var("XDG_RUNTIME_DIR", folder.path()) };
        let data = folder.path().join("data");
        let (engine, _running, _) = Engine::start(&data).expect("an engine can start");
        Server::bind(&data).and_then(|server| server.serve(engine)).expect("it can listen");
        let sockets = fs::read_dir(folder.path().join("spool")).expect("it listens there");
        let socket = sockets.flatten().next().expect("it listens").path();
        let company = UnixStream::connect(&socket).expect("it takes shells");
        Serving { socket, _company: company, _folder: folder }
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let serving = serving();
    let said = match data.split_first() {
        Some((1, rest)) => &[&vec![b' '; LINE_BYTES_MAX][..], rest].concat(),
        _ => data,
    };
    let lines: Vec<&[u8]> = said.split_inclusive(|byte| *byte == b'\n').take(LINES_MAX).collect();
    if lines.iter().any(|line| is_work(line)) {
        return;
    }
    // After a line that is too long the engine hangs up.
    let heard =
        lines.iter().position(|line| line.len() > LINE_BYTES_MAX).map_or(lines.len(), |long| long + 1);
    let mut stream = UnixStream::connect(&serving.socket).expect("the engine takes shells");
    // It may hang up before all is said.
    let _cut_short = stream.write_all(&lines.concat()).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answers = BufReader::new(&stream).lines();
    for line in &lines[..heard] {
        let answered = answers.by_ref().find_map(|answer| answer_id(&answer.expect("an answer comes")));
        assert_eq!(answered, Some(id_of(line)), "each line is answered, in order");
    }
    assert_serves(serving);
});

/// Whether a line would start or end something real.
fn is_work(line: &[u8]) -> bool {
    let request = serde_json::from_slice(line).and_then(serde_json::from_value::<Request>);
    let Ok(Request { v: PROTOCOL_VERSION, command, .. }) = request else { return false };
    let asks_system = matches!(
        command,
        Command::Devices { synthetic: false } | Command::Permissions | Command::Diagnose { .. }
    );
    let asks_keychain = matches!(
        command,
        Command::Keys | Command::SaveKeys { .. } | Command::LoadKeys { .. } | Command::NewKey
    );
    let asks_server =
        matches!(command, Command::Login { .. } | Command::Logout | Command::UploadVerify { .. });
    asks_system || asks_keychain || asks_server || matches!(command, Command::Begin(_) | Command::Shutdown)
}

/// The id that an answer to this line carries.
fn id_of(line: &[u8]) -> u64 {
    let request: Option<serde_json::Value> =
        line.get(..LINE_BYTES_MAX).map_or_else(|| serde_json::from_slice(line).ok(), |_| None);
    request.and_then(|request| request.get("id")?.as_u64()).unwrap_or(0)
}

/// None of what was not asked for.
fn answer_id(line: &str) -> Option<u64> {
    match serde_json::from_str(line).expect("the engine says what a shell can read") {
        Message::Reply { id, .. } | Message::Error { id, .. } => Some(id),
        Message::Event(_) => None,
    }
}

fn assert_serves(serving: &Serving) {
    let request = Request { v: PROTOCOL_VERSION, id: 7, command: Command::Environment };
    let mut stream = UnixStream::connect(&serving.socket).expect("the engine takes shells");
    let line = serde_json::to_string(&request).expect("a request can be written") + "\n";
    stream.write_all(line.as_bytes()).expect("the engine listens");
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).expect("the engine answers");
    let answer = serde_json::from_str(&answer).expect("the engine says what a shell can read");
    assert!(matches!(answer, Message::Reply { id: 7, reply: Reply::Environment(_) }));
}
