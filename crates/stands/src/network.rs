//! A bad network: a proxy that stands between a client and a server of HTTP/1.1 and does to their requests what networks
//! and servers do on bad days, by a plan or at random from a seed.
//!
//! Each request gets a connection of its own to the server, so that whatever happens to one leaves the next alone.

use crate::{process::wait_for, random::Random};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// A request that is larger is not kept to be sent again.
const KEPT_MAX: usize = 64 << 20;
/// A header that is larger is nonsense.
const HEAD_MAX: usize = 64 << 10;
const PIECE: usize = 16 << 10;
/// Nobody who waits for a stalled answer waits longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it is passed on.
    Pass,
    /// The connection is closed before anything is read.
    Refuse,
    /// The connection breaks after so many bytes of the body.
    CutRequest(u64),
    /// All is read, and nothing is ever answered.
    Stall,
    /// The body is passed on at so many bytes a second.
    Throttle(u64),
    /// The server gets it twice, and the second answer is passed on.
    Twice,
    /// The server does it, and its answer is lost.
    LoseAnswer,
    /// The server does it, and half of its answer arrives.
    CutAnswer,
    /// One bit of the body is flipped on the way, at this byte (from the end where there are fewer).
    Flip(u64),
    /// This status is answered, once all was read.
    Status(u16),
    /// This status is answered before the body is read, and the connection is closed.
    Early(u16),
}

impl Fault {
    /// One of all, from a random number.
    pub fn of(random: u64) -> Self {
        let size = random >> 16;
        match random % 16 {
            0 => Self::Refuse,
            1 => Self::CutRequest(size % 200_000),
            2 => Self::Throttle(200_000 + size % 2_000_000),
            3 | 4 => Self::Twice,
            5 | 6 => Self::LoseAnswer,
            7 => Self::CutAnswer,
            8 => Self::Flip(size % 100_000),
            9 => Self::Status(400),
            10 => Self::Status(403),
            11 => Self::Status(429),
            12 => Self::Status(500),
            13 => Self::Status(503),
            14 => Self::Early(503),
            _ => Self::Early(403),
        }
    }
}

/// Which requests have bad luck.
#[derive(Debug, Clone)]
pub enum Weather {
    /// None.
    Calm,
    /// All: there is no way to the server.
    Away,
    /// So many of a hundred, by chance.
    Storm {
        /// Of a hundred requests.
        percent: u64,
    },
    /// Each has this.
    Always(Fault),
    /// Those whose first line contains this text.
    Only(&'static str, Fault),
}

/// The proxy. It ends with this guard.
#[derive(Debug)]
pub struct Network {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: Mutex<SocketAddr>,
    weather: Mutex<Weather>,
    delay: Mutex<Duration>,
    random: Mutex<Random>,
    requests: AtomicU64,
    faults: AtomicU64,
    bytes: AtomicU64,
    lines: Mutex<Vec<String>>,
    ended: AtomicBool,
}

impl Network {
    /// In front of this server, in calm weather.
    pub fn to(server: SocketAddr) -> Self {
        Self::seeded(server, 0)
    }

    /// The same, with this chance.
    pub fn seeded(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            server: Mutex::new(server),
            weather: Mutex::new(Weather::Calm),
            delay: Mutex::new(Duration::ZERO),
            random: Mutex::new(Random::new(seed)),
            requests: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            lines: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.ended.load(Ordering::Acquire) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // Whatever breaks here breaks for the client, which is what it is there for.
                thread::spawn(move || drop(shared.serve(&client)));
            }
        });
        Self { address, shared }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub fn set(&self, weather: Weather) {
        *lock(&self.shared.weather) = weather;
    }

    /// The server has moved.
    pub fn lead_to(&self, server: SocketAddr) {
        *lock(&self.shared.server) = server;
    }

    /// Each request takes so much longer.
    pub fn delay(&self, delay: Duration) {
        *lock(&self.shared.delay) = delay;
    }

    /// Requests so far, and those of them that had bad luck.
    pub fn counts(&self) -> (u64, u64) {
        (self.shared.requests.load(Ordering::Acquire), self.shared.faults.load(Ordering::Acquire))
    }

    /// Bytes of bodies that were passed on.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Acquire)
    }

    /// First lines of requests, in order of arrival, without queries.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.shared.lines).clone()
    }

    /// Waits until so many requests have had bad luck.
    pub fn wait_for_faults(&self, faults: u64, limit: Duration) {
        wait_for("bad luck", limit, || (self.counts().1 >= faults).then_some(()));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // Wakes whoever accepts.
        let _woken = TcpStream::connect(self.address);
    }
}

/// A request: its head, how long its body is, and whether the client waits to be told to send it.
struct Head {
    text: String,
    length: u64,
    expects: bool,
}

impl Shared {
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        if matches!(*lock(&self.weather), Weather::Away) {
            self.requests.fetch_add(1, Ordering::AcqRel);
            self.faults.fetch_add(1, Ordering::AcqRel);
            return client.shutdown(Shutdown::Both);
        }
        let mut reader = BufReader::new(client);
        let head = read_head(&mut reader)?;
        let first = head.text.lines().next().unwrap_or_default();
        self.requests.fetch_add(1, Ordering::AcqRel);
        lock(&self.lines).push(first.split('?').next().unwrap_or_default().to_owned());
        let fault = self.fault(first);
        if fault != Fault::Pass {
            self.faults.fetch_add(1, Ordering::AcqRel);
        }
        thread::sleep(*lock(&self.delay));
        if head.expects && !matches!(fault, Fault::Early(_) | Fault::Refuse) {
            (&*client).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        match fault {
            Fault::Refuse => client.shutdown(Shutdown::Both),
            Fault::Early(status) => answer(client, status),
            Fault::Status(status) => {
                io::copy(&mut reader.by_ref().take(head.length), &mut io::sink())?;
                answer(client, status)
            }
            Fault::Stall => {
                client.set_read_timeout(Some(PATIENCE))?;
                // Until the client has had enough.
                io::copy(&mut reader, &mut io::sink()).map(drop)
            }
            Fault::CutRequest(after) => {
                let server = self.begin(&head)?;
                self.pass(&mut reader.by_ref().take(head.length.min(after)), &server, None)?;
                server.shutdown(Shutdown::Both)?;
                client.shutdown(Shutdown::Both)
            }
            Fault::Twice | Fault::Flip(_) => self.change(&head, fault, &mut reader, client),
            Fault::Pass | Fault::Throttle(_) | Fault::LoseAnswer | Fault::CutAnswer => {
                let rate = if let Fault::Throttle(rate) = fault { Some(rate) } else { None };
                let server = self.begin(&head)?;
                let body = self.pass(&mut reader.by_ref().take(head.length), &server, rate);
                // A server may answer before it has read everything; then its answer is what counts.
                finish(&server, client, fault).and(body)
            }
        }
    }

    fn fault(&self, first: &str) -> Fault {
        match &*lock(&self.weather) {
            Weather::Calm | Weather::Away => Fault::Pass,
            Weather::Always(fault) => *fault,
            Weather::Only(text, fault) if first.contains(text) => *fault,
            Weather::Only(..) => Fault::Pass,
            Weather::Storm { percent } if self.chance(*percent) => Fault::of(lock(&self.random).bits()),
            Weather::Storm { .. } => Fault::Pass,
        }
    }

    fn chance(&self, percent: u64) -> bool {
        lock(&self.random).below(100) < percent
    }

    fn begin(&self, head: &Head) -> io::Result<TcpStream> {
        let server = TcpStream::connect(*lock(&self.server))?;
        server.set_nodelay(true)?;
        (&server).write_all(head.text.as_bytes())?;
        Ok(server)
    }

    /// Passes a body on, at so many bytes a second.
    fn pass(&self, body: &mut impl Read, mut server: &TcpStream, rate: Option<u64>) -> io::Result<()> {
        let mut piece = [0; PIECE];
        loop {
            let count = body.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            server.write_all(&piece[..count])?;
            self.bytes.fetch_add(count as u64, Ordering::AcqRel);
            if let Some(rate) = rate {
                thread::sleep(Duration::from_secs_f64(count as f64 / rate as f64));
            }
        }
    }

    /// What needs the whole request.
    fn change(
        &self,
        head: &Head,
        fault: Fault,
        reader: &mut BufReader<&TcpStream>,
        client: &TcpStream,
    ) -> io::Result<()> {
        if head.length > KEPT_MAX as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a body that is too large to keep"));
        }
        let mut body = Vec::new();
        reader.take(head.length).read_to_end(&mut body)?;
        if let Fault::Flip(at) = fault
            && let Some(last) = body.len().checked_sub(1)
        {
            body[last.min(at as usize)] ^= 1;
        }
        if fault == Fault::Twice {
            let server = self.begin(head)?;
            self.pass(&mut &*body, &server, None)?;
            io::copy(&mut &server, &mut io::sink())?;
        }
        let server = self.begin(head)?;
        let passed = self.pass(&mut &*body, &server, None);
        finish(&server, client, fault).and(passed)
    }
}

/// Passes the server's answer on.
fn finish(mut server: &TcpStream, mut client: &TcpStream, fault: Fault) -> io::Result<()> {
    match fault {
        Fault::LoseAnswer => io::copy(&mut server, &mut io::sink()).map(drop)?,
        Fault::CutAnswer => {
            let mut answer = Vec::new();
            server.read_to_end(&mut answer)?;
            client.write_all(&answer[..answer.len() / 2])?;
        }
        _ => io::copy(&mut server, &mut client).map(drop)?,
    }
    client.shutdown(Shutdown::Both)
}

/// Reads up to the empty line. The server is asked to close the connection after its answer, which is then known to be
/// whole; nobody signs that header.
fn read_head(reader: &mut BufReader<&TcpStream>) -> io::Result<Head> {
    let mut head = Head { text: String::new(), length: 0, expects: false };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || head.text.len() > HEAD_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "connection" | "keep-alive" => continue,
            // It was told here already.
            "expect" => {
                head.expects = true;
                continue;
            }
            "content-length" => head.length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
        if line == "\r\n" {
            head.text.push_str("connection: close\r\n\r\n");
            return Ok(head);
        }
        head.text.push_str(&line);
    }
}

/// An answer of a server, or of something before it, that has a bad day.
fn answer(mut client: &TcpStream, status: u16) -> io::Result<()> {
    let retry = if matches!(status, 429 | 503) { "retry-after: 1\r\n" } else { "" };
    let text = format!(
        "HTTP/1.1 {status} Bad Luck\r\n{retry}content-type: text/plain\r\ncontent-length: 8\r\nconnection: \
         close\r\n\r\nbad luck"
    );
    client.write_all(text.as_bytes())?;
    client.shutdown(Shutdown::Write)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
