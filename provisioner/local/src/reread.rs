//! A configuration file that is read again while its part runs, so that a change needs no restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::watch;

use crate::listen::log;

/// The time between two looks at the file. Each look reads the file and not only its time: the file is small, and times
/// are coarse.
const LOOK: Duration = Duration::from_millis(200);

/// Reads the file again and again. If the file is wrong, this logs it, and the part goes on with the configuration that
/// it had.
pub async fn follow<T>(
    path: PathBuf,
    mut known: Vec<u8>,
    parse: fn(&[u8]) -> Result<T>,
    sender: watch::Sender<Arc<T>>,
) {
    loop {
        tokio::time::sleep(LOOK).await;
        match std::fs::read(&path) {
            Ok(bytes) if bytes != known => {
                match parse(&bytes) {
                    Ok(config) => {
                        log("another configuration");
                        drop(sender.send(Arc::new(config)));
                    }
                    Err(error) => log(&format!("the configuration stays as it was: {error:#}")),
                }
                known = bytes;
            }
            _ => {}
        }
    }
}
