//! The commands: each takes what was typed, and prints what was asked for.

mod base;
mod build;
mod builder;
mod bump;
mod by_builder;
mod cache;
mod check;
mod doctor;
mod image;
mod init;
mod login;
mod manual;
mod metadata;
mod plan;
mod publishing;
mod pull;
mod push;
mod release;
mod summary;
mod verify;
mod version;

use std::io::Write;

use serde::Serialize;

use crate::arguments::{Command, CommandLine};
use crate::environment::Environment;
use crate::failure::Failure;

pub(crate) use publishing::{overwrite, push_settings};

/// Carries out a command line.
///
/// # Errors
/// Whatever hinders it.
pub(crate) fn run(command_line: CommandLine, environment: &Environment) -> Result<(), Failure> {
    match command_line.command {
        Command::Init(arguments) => init::run(&arguments, environment),
        Command::Build(arguments) => build::run(&arguments, environment),
        Command::Check(arguments) => check::run(&arguments, environment),
        Command::Plan(arguments) => plan::run(&arguments, environment),
        Command::Verify(arguments) => verify::run(&arguments, environment),
        Command::Push(arguments) => push::run(&arguments, environment),
        Command::Pull(arguments) => pull::run(&arguments, environment),
        Command::Image(command) => image::run(*command, environment),
        Command::Builder(command) => builder::run(command, environment),
        Command::Cache(command) => cache::run(command, environment),
        Command::Base(command) => base::run(command, environment),
        Command::Version(arguments) => version::run(&arguments, environment),
        Command::Bump(arguments) => bump::run(&arguments, environment),
        Command::Release(arguments) => release::run(&arguments, environment),
        Command::Doctor(arguments) => doctor::run(&arguments, environment),
        Command::Login(arguments) => login::login(&arguments, environment),
        Command::Logout(arguments) => login::logout(&arguments, environment),
        Command::Completions(arguments) => manual::completions(&arguments),
        Command::Man(arguments) => manual::man(&arguments, environment),
    }
}

/// Writes what was asked for to standard output. A reader that has seen enough, as `head`, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut output = anstream::stdout();
    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::work("failed to write to standard output", error))
        }
        _ => Ok(()),
    }
}

/// Writes a value to standard output as JSON.
fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).expect("what is printed has string keys");
    print(&format!("{text}\n"))
}

/// Says something to the person at the terminal.
fn say(text: &str) {
    // Nobody is there to be told that telling fails.
    let _ = writeln!(anstream::stderr(), "{text}");
}
