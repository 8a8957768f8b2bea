//! The bad network, looked at with curl and a server that counts what arrives.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use spool_stands::{
    Fault, Network, Weather,
    process::{output, tool},
};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

/// A server of HTTP that sends on the bodies that it gets and answers their lengths.
fn server() -> (SocketAddr, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, (send, receive)) = (listener.local_addr().unwrap(), channel());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let _gone = serve(&client, &send);
        }
    });
    (address, receive)
}

fn serve(client: &std::net::TcpStream, send: &Sender<Vec<u8>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    // Long enough for half of it to be cut off.
    let text = format!("{:>200} bytes", body.len());
    let _nobody = send.send(body);
    let mut client = client;
    write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

/// A file with bytes that are all different from their neighbours.
fn file(folder: &tempfile::TempDir) -> (PathBuf, Vec<u8>) {
    let (path, bytes) =
        (folder.path().join("body"), (0..300_000_u32).map(|i| (i % 251) as u8).collect::<Vec<_>>());
    std::fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

#[test]
fn each_kind_of_bad_luck_is_what_it_says() {
    let ((address, arrived), folder) = (server(), tempfile::tempdir().unwrap());
    let (network, (path, body)) = (Network::to(address), file(&folder));
    let send = |fault: Fault| {
        network.set(Weather::Always(fault));
        let mut curl = tool("curl");
        curl.args(["-s", "--max-time", "5", "-w", "%{http_code}", "-H", "Expect:", "-T"]).arg(&path);
        let output = output(curl.arg(format!("http://{}/x?secret", network.address())));
        let heard = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        // How many bytes of each body are not as they were sent.
        let wrong = |arrived: Vec<u8>| {
            let pairs = arrived.iter().zip(&body);
            pairs.filter(|(arrived, sent)| arrived != sent).count() + body.len() - arrived.len()
        };
        (output.status.success(), heard, arrived.try_iter().map(wrong).collect::<Vec<_>>())
    };
    let whole = "300000 bytes200".to_owned();
    assert_eq!(send(Fault::Pass), (true, whole.clone(), vec![0]));
    assert_eq!(send(Fault::Throttle(2_000_000)), (true, whole.clone(), vec![0]));
    assert_eq!(send(Fault::Twice), (true, whole.clone(), vec![0, 0]));
    assert_eq!(send(Fault::Flip(1_000)), (true, whole, vec![1]));
    assert_eq!(send(Fault::LoseAnswer), (false, "000".to_owned(), vec![0]));
    let (succeeded, heard, wrong) = send(Fault::CutAnswer);
    assert!(!succeeded && wrong == [0], "{heard} {wrong:?}");
    assert!(send(Fault::Status(503)).1.ends_with("503"));
    assert!(send(Fault::Early(403)).1.ends_with("403"));
    for fault in [Fault::Refuse, Fault::Stall, Fault::CutRequest(100_000)] {
        let (succeeded, heard, wrong) = send(fault);
        assert!(!succeeded && heard == "000" && !wrong.contains(&0), "{fault:?}: {heard} {wrong:?}");
    }
    network.set(Weather::Only("PUT /elsewhere", Fault::Refuse));
    assert_eq!(network.counts(), (11, 10));
    assert!(network.lines().iter().all(|line| line == "PUT /x"), "{:?}", network.lines());
}

#[test]
fn a_storm_comes_back_with_its_seed_and_has_everything_in_it() {
    let faults = |seed| {
        let mut random = spool_stands::Random::new(seed);
        (0..200).map(|_| Fault::of(random.bits())).collect::<Vec<_>>()
    };
    assert_eq!(faults(1), faults(1));
    assert_ne!(faults(1), faults(2));
    let kinds: BTreeSet<String> =
        faults(3).iter().map(|fault| format!("{fault:?}").split('(').next().unwrap().to_owned()).collect();
    assert_eq!(kinds.len(), 9, "{kinds:?}");
}

#[test]
fn a_network_that_comes_back_carries_on() {
    let (address, arrived) = server();
    let network = Network::to(address);
    let ask = || {
        let url = format!("http://{}/", network.address());
        output(tool("curl").args(["-s", "--max-time", "5", "-d", "hello", &url])).status.success()
    };
    network.set(Weather::Away);
    assert!(!ask());
    network.set(Weather::Calm);
    assert!(ask());
    assert_eq!(arrived.recv_timeout(Duration::from_secs(5)).unwrap(), b"hello");
    network.wait_for_faults(1, Duration::from_secs(5));
}
