//! `lrops completions` and `lrops man`: what shells and `man` are told of the commands, from the same definitions.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use super::{print, say};
use crate::amounts;
use crate::arguments::{CommandLine, CompletionsArguments, ManArguments};
use crate::environment::Environment;
use crate::failure::Failure;

/// Prints a script with which a shell completes command lines.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn completions(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "lrops", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Prints the main manual page, or writes a page for each command into a directory.
///
/// # Errors
/// When the pages cannot be written.
pub(super) fn man(arguments: &ManArguments, environment: &Environment) -> Result<(), Failure> {
    let Some(directory) = &arguments.directory else {
        let mut page = Vec::new();
        let rendered = Man::new(CommandLine::command()).render(&mut page);
        rendered.map_err(|source| Failure::work("failed to write the manual page", source))?;
        return print(&String::from_utf8_lossy(&page));
    };
    let directory = environment.absolute(directory);
    write_pages(&directory).map_err(|source| Failure::write(&directory, source))?;
    let pages = fs::read_dir(&directory).map_or(0, Iterator::count);
    say(&format!(
        "wrote {} to {}",
        amounts::count(pages, "page"),
        directory.display()
    ));
    Ok(())
}

fn write_pages(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    clap_mangen::generate_to(CommandLine::command(), directory)
}
