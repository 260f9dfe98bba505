//! The container's health check. The image has no shell and no curl, so the binary asks itself.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

use crate::config::Environment;

const TIMEOUT: Duration = Duration::from_secs(2);

pub fn check(environment: &Environment) -> anyhow::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, environment.port()?));
    let status = status(address).with_context(|| format!("asking http://{address}/healthz"))?;
    anyhow::ensure!(status == 200, "http://{address}/healthz answered {status}");
    Ok(())
}

fn status(address: SocketAddr) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    // `HTTP/1.1 200` is 12 bytes.
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let head = std::str::from_utf8(&head).context("not HTTP")?;
    let (_, status) = head.split_once(' ').context("not HTTP")?;
    Ok(status.parse()?)
}
