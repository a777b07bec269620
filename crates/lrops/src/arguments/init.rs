//! `lrops init`, and what other programs are told of the commands: completions and manual pages.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// `lrops init`.
#[derive(Args, Debug)]
pub(crate) struct InitArguments {
    /// The project's directory [default: the working directory]
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Print what would be written to standard output, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `lrops completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// `lrops man`.
#[derive(Args, Debug)]
pub(crate) struct ManArguments {
    /// Write a page for each command into this directory, which is made when it is not there
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}
