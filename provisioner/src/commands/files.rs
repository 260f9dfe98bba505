//! The files that the command line names: a stack file, a plan, a snapshot.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::failure::Failure;
use crate::printer::Document;
use crate::yaml::{LARGEST_FILE, too_large};

/// The largest plan or snapshot, in bytes. It is enough for 90,000 resources.
const LARGEST: u64 = 128 << 20;

/// The text of a stack file.
pub(crate) fn read_stack(file: &Path) -> Result<String, Failure> {
    let bytes = bytes(file, LARGEST_FILE as u64)?;
    match bytes {
        Some(bytes) => text(file, bytes),
        None => Err(Failure::problems(file.display().to_string(), vec![too_large()])),
    }
}

/// The text of a plan or a snapshot, which this program wrote.
pub(crate) fn read_document(file: &Path) -> Result<String, Failure> {
    match bytes(file, LARGEST)? {
        Some(bytes) => text(file, bytes),
        None => {
            let what = format!("reading {}: it has more than {} MiB", file.display(), LARGEST >> 20);
            Err(Failure::of(what).hint("this program writes no file as large as that"))
        }
    }
}

/// Writes a file whole or not at all, because half a file misleads. A pipe or a device is written to, and not replaced
/// by a file.
pub(crate) fn write_whole(path: &Path, document: &Document) -> Result<(), Failure> {
    let text = format!("{}\n", document.0);
    let written = match std::fs::metadata(path) {
        Ok(there) if !there.is_file() => write_into(path, &text),
        // A file is replaced at the place that a link leads to.
        _ => {
            let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            let mut beside = target.clone().into_os_string();
            beside.push(".part");
            let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, target));
            written.inspect_err(|_| drop(std::fs::remove_file(&beside)))
        }
    };
    written.map_err(|error| Failure::of(format!("writing {}: {error}", path.display())))
}

/// Writes into a pipe or a device. If nobody reads from the pipe, to open it would wait for ever.
fn write_into(path: &Path, text: &str) -> io::Result<()> {
    let opened = OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
    let mut file = opened.map_err(|error| match error.raw_os_error() {
        Some(number) if number == Errno::NXIO.raw_os_error() => io::Error::other("nobody reads from this pipe"),
        _ => error,
    })?;
    // A reader may be slower than this.
    rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
    file.write_all(text.as_bytes())
}

/// The bytes of a regular file. `None` if there are more than so many. Then no more of them are read.
fn bytes(path: &Path, most: u64) -> Result<Option<Vec<u8>>, Failure> {
    let failed = |error: io::Error| Failure::of(format!("reading {}: {error}", path.display()));
    // This look comes first, because to open a device may do something to it.
    if let Some(refused) = refuse(path, std::fs::metadata(path).map_err(failed)?.file_type()) {
        return Err(refused);
    }
    let file = open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    // Somebody may have put something else there since.
    if let Some(refused) = refuse(path, found.file_type()) {
        return Err(refused);
    }
    if found.len() > most {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Opens a file to read it, and waits for nobody: to open a pipe would wait for its writer.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

/// The failure for anything but a regular file. A pipe or a device may never end.
fn refuse(path: &Path, found: FileType) -> Option<Failure> {
    let what = match found {
        found if found.is_file() => return None,
        found if found.is_dir() => "a folder",
        found if found.is_fifo() => "a pipe",
        found if found.is_socket() => "a socket",
        _ => "a device",
    };
    let refused = Failure::of(format!("reading {}: this is {what}, and not a file", path.display()));
    Some(match what {
        "a folder" => refused,
        _ => refused.hint("write what comes from there to a file first"),
    })
}

fn text(file: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Failure::of(format!("{}:{line}:1: this is not a text in UTF-8", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    /// The answer of `read_stack` for a file. It comes from another thread, so that a test that hangs ends.
    fn told(path: &Path) -> String {
        let (path, (say, said)) = (path.to_owned(), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            let result = read_stack(&path).map(|text| format!("{} bytes", text.len()));
            say.send(result.unwrap_or_else(|failure| json(failure).replace(&*path.to_string_lossy(), "FILE")))
        });
        said.recv_timeout(Duration::from_secs(60)).expect("it ends")
    }

    #[test]
    fn a_document_replaces_a_file_and_goes_into_a_pipe() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str| write_whole(&at(name), &Document("new".to_owned()));
        std::fs::write(at("file"), "old").expect("a file");
        std::os::unix::fs::symlink(at("file"), at("link")).expect("a link");
        write("link").expect("it is written");
        assert_eq!(std::fs::read_to_string(at("file")).expect("a file"), "new\n");
        assert!(at("link").is_symlink() && !at("file.part").exists());
        assert!(Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo runs").success());
        let nobody = json(write("pipe").expect_err("nobody reads"));
        assert!(nobody.contains("nobody reads from this pipe"), "{nobody}");
        let mut reader = Command::new("cat").arg(at("pipe")).stdout(Stdio::piped()).spawn().expect("cat runs");
        let deadline = Instant::now() + Duration::from_secs(60);
        while write("pipe").is_err() {
            assert!(Instant::now() < deadline, "it opens the pipe");
        }
        let mut told = String::new();
        reader.stdout.take().expect("its output").read_to_string(&mut told).expect("it is read");
        assert_eq!((told.as_str(), reader.wait().expect("it ends").success()), ("new\n", true));
        assert!(json(write(".").expect_err("a folder")).contains("Is a directory"));
    }

    fn json(failure: Failure) -> String {
        serde_json::to_string(&failure.document()).expect("it is plain data")
    }

    #[test]
    fn only_a_regular_file_of_a_stack_files_size_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        assert!(Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo runs").success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        std::os::unix::fs::symlink("/dev/zero", at("zero")).expect("a link");
        std::os::unix::fs::symlink(at("largest"), at("link")).expect("a link");
        std::fs::write(at("largest"), vec![b' '; LARGEST_FILE]).expect("a file");
        std::fs::write(at("larger"), vec![b' '; LARGEST_FILE + 1]).expect("a file");
        std::fs::write(at("bytes"), b"a: b\nc: \xff\n").expect("a file");
        File::create(at("holes")).and_then(|file| file.set_len(1 << 40)).expect("a file");
        let names = ["pipe", "socket", "zero", ".", "none", "largest", "link", "larger", "holes", "bytes"];
        let told: Vec<String> = names.iter().map(|name| format!("{name}: {}", told(&at(name)))).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        pipe: {"error":{"what":"reading FILE: this is a pipe, and not a file","hint":"write what comes from there to a file first"},"exit":1}
        socket: {"error":{"what":"reading FILE: this is a socket, and not a file","hint":"write what comes from there to a file first"},"exit":1}
        zero: {"error":{"what":"reading FILE: this is a device, and not a file","hint":"write what comes from there to a file first"},"exit":1}
        .: {"error":{"what":"reading FILE: this is a folder, and not a file"},"exit":1}
        none: {"error":{"what":"reading FILE: No such file or directory (os error 2)"},"exit":1}
        largest: 1048576 bytes
        link: 1048576 bytes
        larger: {"error":{"problems":[{"file":"FILE","line":1,"column":1,"what":"the file has more than the 1048576 bytes (1 MiB) that are allowed"}]},"exit":1}
        holes: {"error":{"problems":[{"file":"FILE","line":1,"column":1,"what":"the file has more than the 1048576 bytes (1 MiB) that are allowed"}]},"exit":1}
        bytes: {"error":{"what":"FILE:2:1: this is not a text in UTF-8"},"exit":1}
        "#);
    }
}
