//! The arguments with which a program calls itself. Every program that uses this crate gives them here first.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::{balancer, supervisor};

/// Does what the hidden arguments say (the program's name left out), and `None` if these are no hidden arguments.
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    if arguments.first()? != "local" {
        return None;
    }
    let result = match (arguments.get(1)?.to_str()?, &arguments[2..]) {
        ("supervise", [flag, state]) if flag == "--state" => supervisor::serve::supervise(&PathBuf::from(state)),
        ("child", [parent, program, rest @ ..]) => supervisor::serve::become_child(parent, program, rest),
        ("balance", [config, port]) => balancer::serve::run(&PathBuf::from(config), port),
        _ => return None,
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Into the log file that the caller made standard error.
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    })
}
