//! Sends one request to a process on this machine, for a thread that waits for the answer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub struct Answer {
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

/// Sends the request. It is HTTP/1.0, so that the answer is whole when the connection ends, whatever its length.
pub fn ask(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    json: Option<&str>,
    within: Duration,
) -> Result<Answer> {
    let deadline = Instant::now() + within;
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), within)?;
    stream.set_write_timeout(Some(within))?;
    let body = json.unwrap_or_default();
    let kind = if json.is_some() { "Content-Type: application/json\r\n" } else { "" };
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{kind}{more}Content-Length: {length}\r\n\r\n{body}"
    )?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() || bytes.len() > LONGEST {
            bail!("no whole answer within {} ms", within.as_millis());
        }
        stream.set_read_timeout(Some(rest))?;
        match stream.read(&mut chunk)? {
            0 => break,
            length => bytes.extend_from_slice(&chunk[..length]),
        }
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").context("no HTTP answer")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no HTTP answer")?;
    Ok(Answer { status, head, body: bytes.split_off(end + 4) })
}

const LONGEST: usize = 16 << 20;
