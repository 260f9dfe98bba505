//! Finds the runtime that goes into the artefacts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    X86_64,
    Arm64,
}

/// The path of the runtime. It is `$PROVISION_RUNTIME`, else `runtime` beside this executable, else the one that
/// `runtime/build.sh` made in the source checkout that holds the current directory or this executable. The last two are
/// passed over if they cannot run in the image. The `runtime` that a plain `cargo build` leaves beside `provision`
/// cannot.
pub fn find_runtime(architecture: Architecture) -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("PROVISION_RUNTIME") {
        let path = PathBuf::from(path);
        fits(&path, architecture).with_context(|| format!("PROVISION_RUNTIME: {}", path.display()))?;
        return Ok(path);
    }
    let executable = std::env::current_exe().ok();
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let from = std::env::current_dir()?;
    first_that_fits(candidates(executable.as_deref(), target.as_deref(), &from, architecture), architecture)
}

/// The script that builds the runtime, in the source checkout that holds the current directory or this executable.
pub fn build_script() -> Option<PathBuf> {
    let from = std::env::current_dir().ok();
    let executable = std::env::current_exe().ok();
    let above = [from, executable];
    let mut scripts =
        above.iter().flatten().flat_map(|path| path.ancestors()).map(|directory| directory.join("runtime/build.sh"));
    scripts.find(|script| script.is_file())
}

/// Builds the runtime, which takes some minutes. The compiler's output goes to standard error.
pub fn build_runtime(script: &Path, architecture: Architecture) -> anyhow::Result<()> {
    let mut command = Command::new(script);
    command.arg(machine(architecture)).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status().with_context(|| format!("starting {}", script.display()))?;
    ensure!(status.success(), "building the runtime: {} ended with {status}", script.display());
    Ok(())
}

fn candidates(
    executable: Option<&Path>,
    target: Option<&Path>,
    from: &Path,
    architecture: Architecture,
) -> Vec<PathBuf> {
    let mut targets: Vec<_> = target.map(|target| from.join(target)).into_iter().collect();
    let above = from.ancestors().chain(executable.into_iter().flat_map(Path::ancestors));
    targets.extend(above.map(|directory| directory.join("target")));
    let machine = machine(architecture);
    let built = targets.iter().flat_map(|target| {
        ["musl", "gnu"].map(|libc| target.join(format!("{machine}-unknown-linux-{libc}/runtime/runtime")))
    });
    let beside = executable.map(|executable| executable.with_file_name("runtime"));
    beside.into_iter().chain(built).collect()
}

fn first_that_fits(candidates: Vec<PathBuf>, architecture: Architecture) -> anyhow::Result<PathBuf> {
    let mut passed_over = String::new();
    for path in candidates {
        if !path.is_file() {
            continue;
        }
        match fits(&path, architecture) {
            Ok(()) => return Ok(path),
            Err(error) => passed_over.push_str(&format!("\npassed over: {}: {error:#}", path.display())),
        }
    }
    let machine = machine(architecture);
    bail!(
        "no runtime for {machine}: build it with `runtime/build.sh {machine}` in the source checkout, \
         or name one with PROVISION_RUNTIME{passed_over}"
    )
}

/// The name that Linux and Rust have for the architecture.
fn machine(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "aarch64",
    }
}

fn fits(path: &Path, architecture: Architecture) -> anyhow::Result<()> {
    ensure!(path.metadata()?.is_file(), "not a file");
    let binary = std::fs::read(path)?;
    let elf = elf(&binary).context("not a Linux executable of 64 bits")?;
    let machine = machine(architecture);
    let number = match architecture {
        Architecture::X86_64 => 62,
        Architecture::Arm64 => 183,
    };
    ensure!(elf.machine == number, "not built for {machine}");
    ensure!(!elf.needs_interpreter, "not static, and the image has no C library");
    Ok(())
}

struct Elf {
    machine: u16,
    needs_interpreter: bool,
}

/// Reads the header and the program headers of a 64-bit little-endian file. See elf(5).
fn elf(binary: &[u8]) -> Option<Elf> {
    const PT_INTERP: u32 = 3;
    if !binary.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = usize::try_from(u64::from_le_bytes(at(binary, 32)?)).ok()?;
    let size = usize::from(u16::from_le_bytes(at(binary, 54)?));
    let count = usize::from(u16::from_le_bytes(at(binary, 56)?));
    let mut needs_interpreter = false;
    for number in 0..count {
        let kind = at(binary, table.checked_add(number * size)?)?;
        needs_interpreter |= u32::from_le_bytes(kind) == PT_INTERP;
    }
    let machine = u16::from_le_bytes(at(binary, 18)?);
    Some(Elf { machine, needs_interpreter })
}

fn at<const N: usize>(binary: &[u8], offset: usize) -> Option<[u8; N]> {
    binary.get(offset..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header and one program header. No other part is read.
    fn executable(machine: u8, program_header: u8) -> Vec<u8> {
        let mut elf = vec![0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[18], elf[32], elf[54], elf[56]) = (machine, 64, 56, 1);
        elf[64] = program_header;
        elf
    }

    #[test]
    fn what_cannot_run_in_the_image_is_passed_over() {
        let checkout = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &[u8]| {
            let path = checkout.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            path
        };
        let provision = checkout.path().join("target/release/provision");
        let from = checkout.path().join("stacks/deep");
        let find =
            |architecture| first_that_fits(candidates(Some(&provision), None, &from, architecture), architecture);

        let error = find(Architecture::Arm64).unwrap_err().to_string();
        assert!(error.contains("`runtime/build.sh aarch64`") && !error.contains("passed over"), "{error}");

        let beside = write("target/release/runtime", &executable(62, 3));
        let error = find(Architecture::X86_64).unwrap_err().to_string();
        assert!(error.ends_with("runtime: not static, and the image has no C library"), "{error}");
        let error = find(Architecture::Arm64).unwrap_err().to_string();
        assert!(error.ends_with("runtime: not built for aarch64"), "{error}");

        let built = write("target/x86_64-unknown-linux-gnu/runtime/runtime", &executable(62, 1));
        assert_eq!(find(Architecture::X86_64).unwrap(), built);
        let musl = write("target/x86_64-unknown-linux-musl/runtime/runtime", &executable(62, 1));
        assert_eq!(find(Architecture::X86_64).unwrap(), musl);
        std::fs::write(&beside, executable(62, 1)).unwrap();
        assert_eq!(find(Architecture::X86_64).unwrap(), beside);
    }

    #[test]
    fn no_file_is_too_odd_to_look_at() {
        let whole = executable(62, 1);
        for length in 0..whole.len() {
            let _ = elf(&whole[..length]);
        }
        let mut far = whole.clone();
        far[32..40].fill(0xff);
        far[56..58].fill(0xff);
        assert!(elf(&far).is_none() && elf(b"#!/bin/sh").is_none());
        assert!(elf(&whole).is_some());
    }
}
