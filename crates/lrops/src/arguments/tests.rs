//! The definitions hold for themselves, and every command shows how it is used.

use clap::CommandFactory;

use super::*;

/// Calls a function with each command that has no further ones below it, and the words that lead to it.
fn each_leaf(visit: &mut dyn FnMut(&str, &clap::Command)) {
    fn walk(words: &str, command: &clap::Command, visit: &mut dyn FnMut(&str, &clap::Command)) {
        let mut is_leaf = true;
        for inner in command.get_subcommands() {
            is_leaf = false;
            walk(&format!("{words} {}", inner.get_name()), inner, visit);
        }
        if is_leaf {
            visit(words, command);
        }
    }
    walk("lrops", &CommandLine::command(), visit);
}

/// Returns the examples of a command's help.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut lines = help.lines();
    if lines.next() != Some(HEADING) {
        return Vec::new();
    }
    lines
        .take_while(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns the command lines of lrops in an example: substituted ones too, without redirections and pipes.
fn command_lines(example: &str) -> Vec<Vec<String>> {
    let starts = example.match_indices("lrops ").filter(|(start, _)| {
        let before = example[..*start].chars().next_back();
        before.is_none_or(|before| before == ' ' || before == '(')
    });
    starts
        .map(|(start, _)| {
            let line = &example[start..];
            let end = line.find([')', '|', '>']).unwrap_or(line.len());
            shlex::split(&line[..end]).unwrap()
        })
        .collect()
}

#[test]
fn the_definitions_are_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn every_command_shows_examples_and_they_parse() {
    let mut leaves = 0;
    each_leaf(&mut |words, command| {
        leaves += 1;
        let examples = examples(command);
        assert!(
            !examples.is_empty(),
            "the help of {words} does not begin its end with {HEADING}"
        );
        let mut own = 0;
        for example in &examples {
            let text = example
                .strip_prefix("  ")
                .unwrap_or_else(|| panic!("{words}: not indented: {example:?}"));
            for line in command_lines(text) {
                let parsed = CommandLine::command().try_get_matches_from(&line);
                assert!(parsed.is_ok(), "{words}: {text:?}: {}", parsed.unwrap_err());
                own += usize::from(line.join(" ").starts_with(words));
            }
        }
        assert!(own > 0, "no example of {words} is one of it: {examples:#?}");
    });
    assert!(leaves > 25, "{leaves} commands were looked at");
}

#[test]
fn command_lines_are_found_in_what_a_shell_gets() {
    assert_eq!(
        command_lines("x $(lrops version --build-info | sed y)"),
        [["lrops", "version", "--build-info"]]
    );
    assert_eq!(command_lines("lrops man | man -l -"), [["lrops", "man"]]);
}
