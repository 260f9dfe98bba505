//! The gateway against the real emulators. Skipped, with a word, where install.sh has not been run.

use gateway::gaps::GAPS;
use gateway::{Upstreams, home};

/// A gap that an emulator has closed must go from the table, and its repair with it.
#[tokio::test]
async fn gaps_are_still_there() {
    if !home().join("venv").exists() {
        return;
    }
    let upstreams = Upstreams::lazy();
    let mut closed = Vec::new();
    for gap in GAPS {
        let (still, told) = gap.ask(&upstreams).await.expect("the emulator answers");
        if !still {
            closed.push(format!("{:?}: {} ({})\n  {}", gap.emulator, gap.name, gap.why, told.join("\n  ")));
        }
        // Each gap on clean ground.
        upstreams.reset().await.expect("reset");
    }
    assert!(closed.is_empty(), "closed:\n{}", closed.join("\n"));
}
