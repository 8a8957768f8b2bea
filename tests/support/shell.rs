//! A shell that talks to the engine as apps do: over its socket, in its protocol, with nothing of Spool's code.

use serde_json::{Value, json};
use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to an engine.
#[derive(Debug)]
pub struct Shell {
    stream: BufReader<UnixStream>,
    id: u64,
}

/// What was answered: the reply, and the bytes behind it.
pub struct Answer {
    /// `"done"`, or an object with one member that says what it is.
    pub reply: Value,
    /// Of a blob.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {} bytes", self.reply, self.bytes.len())
    }
}

impl Shell {
    /// To the engine that listens at this path.
    pub fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        Self { stream: BufReader::new(stream), id: 0 }
    }

    /// Sends a command and waits for its answer, or for the code of its refusal.
    #[track_caller]
    pub fn ask(&mut self, command: &Value) -> Result<Answer, String> {
        self.id += 1;
        let request = json!({ "v": 1, "id": self.id, "command": command });
        writeln!(self.stream.get_mut(), "{request}").expect("the engine reads");
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the engine answers");
        let mut message: Value = serde_json::from_str(&line).expect("answers are JSON");
        if let Some(problem) = message["error"]["problem"].as_object() {
            return Err(problem["code"].as_str().expect("problems have codes").to_owned());
        }
        let reply = message["reply"]["reply"].take();
        let length = reply["blob"]["length"].as_u64().unwrap_or(0);
        let mut bytes = vec![0; usize::try_from(length).expect("it fits")];
        self.stream.read_exact(&mut bytes).expect("the bytes follow");
        Ok(Answer { reply, bytes })
    }

    /// A live picture newer than `after` and its number, if one comes.
    #[track_caller]
    pub fn look(&mut self, width: u32, after: u64) -> Option<(u64, Vec<u8>)> {
        let answer =
            self.ask(&json!({ "look": { "width": width, "after": after } })).expect("it can be seen");
        let number = answer.reply["blob"]["number"].as_u64()?;
        assert!(number > after, "{number} came after {after}");
        Some((number, answer.bytes))
    }

    /// The first event that is as wanted; for one who has subscribed and asks nothing any more.
    #[track_caller]
    pub fn hear(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("the engine speaks");
            let mut message: Value = serde_json::from_str(&line).expect("messages are JSON");
            let event = message["event"].take();
            if wanted(&event) {
                return event;
            }
        }
    }
}
