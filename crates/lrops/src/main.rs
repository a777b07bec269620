//! The terminal: arguments, rendering, exit codes.
//!
//! The way of a command line: [`arguments`] holds what was typed, [`configuration`] what `lrops.toml` says and
//! [`environment`] what the process was started with; [`request`] makes of the three one request with nothing open;
//! [`registries`] makes of them the clients of the network;
//! [`git`] and [`version`] say what its state is called, [`hooks`] run what a release wants done before, and [`init`] says
//! what a new project needs;
//! [`session`] puts together what carrying it out takes; [`commands`] carry it out; [`progress`] shows what happens and
//! [`report`] what went wrong; [`delivery`] brings the result to where it was asked for.
//!
//! Invariants: only this crate reads the environment, prints, or ends the process · standard output is data, standard
//! error is for people · no thread starts before the namespaces were entered · no flag is silently ignored.

mod amounts;
mod arguments;
mod commands;
mod configuration;
mod delivery;
mod diff;
mod early;
mod environment;
mod failure;
mod farm;
mod fields;
mod git;
mod hooks;
mod image;
mod init;
mod progress;
mod prompt;
mod proof;
mod publish;
mod registries;
mod report;
mod request;
mod session;
mod signals;
mod style;
mod table;
mod version;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::CommandLine;
use environment::Environment;
use failure::Failure;

fn main() -> ExitCode {
    lrops_sandbox::run_if_child();
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => {
            // Help and version are data; everything else is for people. clap knows which.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(2)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match Environment::of_process().and_then(|environment| commands::run(command_line, &environment)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ended(&failure),
    }
}

/// Shows a failure and returns its exit code.
fn ended(failure: &Failure) -> ExitCode {
    // Nobody is there to be told that telling fails.
    let _ = writeln!(anstream::stderr(), "{}", report::failure(failure));
    ExitCode::from(failure.exit_code())
}
