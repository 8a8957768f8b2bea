//! A client of HTTP/1.1 that costs next to nothing, so that what is measured is the server.

use anyhow::{Context, Result, bail, ensure};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// One connection, kept open.
pub(crate) struct Client {
    connection: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let connection = TcpStream::connect(address)?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { connection: BufReader::new(connection) })
    }

    /// Sends a request with a body of JSON and gives the answer's body; anything but a success is an error.
    pub(crate) fn post(&mut self, path: &str, token: &str, body: &str) -> Result<Vec<u8>> {
        let length = body.len();
        // In one piece: two would cost two packets.
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\ncontent-type: \
             application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.connection.get_mut().write_all(request.as_bytes())?;
        self.answer().with_context(|| format!("POST {path}"))
    }

    fn answer(&mut self) -> Result<Vec<u8>> {
        let status = self.line()?;
        let mut length = None;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = Some(value.trim().parse::<usize>()?);
            }
        }
        let mut body = vec![0; length.context("an answer without a length")?];
        self.connection.read_exact(&mut body)?;
        ensure!(status.contains(" 20"), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.connection.read_line(&mut line)? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }
}
