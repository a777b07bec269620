//! `lrops completions` and `lrops man`: what shells and `man` are told of the commands, from the same definitions.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{print, say};
use crate::amounts;
use crate::arguments::{CommandLine, CompletionsArguments, HEADING, ManArguments};
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
    let mut main = CommandLine::command().disable_help_subcommand(true);
    main.build();
    let Some(directory) = &arguments.directory else {
        let page = page(&main).map_err(|source| Failure::work("failed to write the manual page", source))?;
        return print(&String::from_utf8_lossy(&page));
    };
    let directory = environment.absolute(directory);
    let written = fs::create_dir_all(&directory).and_then(|()| write_pages(&main, &directory));
    let pages = written.map_err(|source| Failure::write(&directory, source))?;
    say(&format!(
        "wrote {} to {}",
        amounts::count(pages, "page"),
        directory.display()
    ));
    Ok(())
}

/// Writes the pages of a command and of all below it; returns how many these are.
fn write_pages(command: &Command, directory: &Path) -> io::Result<usize> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    fs::write(directory.join(format!("{name}.1")), page(command)?)?;
    let mut pages = 1;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        pages += write_pages(inner, directory)?;
    }
    Ok(pages)
}

/// Returns a command's page. clap would print examples as running text.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).manual("lrops");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    end(command).to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// Returns the sections that the help ends with.
fn end(command: &Command) -> Roff {
    let help = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut lines = help.lines().skip_while(|line| *line == HEADING).peekable();
    let mut roff = Roff::new();
    if lines.peek().is_none() {
        return roff;
    }
    roff.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        roff.text([bold(line.trim())]);
    }
    roff.control("fi", []);
    if lines.peek().is_some() {
        roff.control("SH", ["NOTES"]);
    }
    for line in lines {
        roff.text([roman(line)]);
    }
    roff
}
