//! The language, form by form.

#![expect(
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes expectations so, and `check` reads best with them by value"
)]

mod arguments;
mod heredocs;
mod lines;

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use lrops_model::finding::{Finding, Place};
use proptest::prelude::*;

use super::{Arguments, LineIndex, Parsed, Position, Span, Statement, Word, parse, quoted};

fn check(source: &str, expected: Expect) {
    let parsed = parse(source);
    check_spans(source, &parsed);
    let mut out = String::new();
    for statement in &parsed.statements {
        let (first, last) = (statement.first_line, statement.last_line);
        writeln!(out, "{first}-{last} {}", shown(source, statement)).unwrap();
        for comment in &statement.comments {
            writeln!(out, "    # {comment}").unwrap();
        }
        for heredoc in &statement.heredocs {
            let flags = [(heredoc.expand, "expand"), (heredoc.strip_tabs, "strip-tabs")];
            let flags: Vec<&str> = flags
                .into_iter()
                .filter_map(|(on, name)| on.then_some(name))
                .collect();
            let (name, number) = (&heredoc.name, heredoc.file_descriptor);
            writeln!(out, "    {number}<<{name} {flags:?} {:?}", heredoc.content).unwrap();
        }
    }
    for finding in &parsed.findings {
        writeln!(out, "{}", shown_finding(source, finding)).unwrap();
    }
    expected.assert_eq(&out);
}

fn shown(source: &str, statement: &Statement) -> String {
    let mut out = statement.keyword.text.clone();
    for flag in &statement.flags {
        write!(out, " {}", flag.text).unwrap();
    }
    let words = |words: &[Word]| {
        words
            .iter()
            .map(|word| shown_word(source, word))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let arguments = match &statement.arguments {
        Arguments::Nothing => "nothing".to_owned(),
        Arguments::Text(word) => format!("text {}", shown_word(source, word)),
        Arguments::Json(list) => format!("json {}", words(list)),
        Arguments::Words(list) => format!("words {}", words(list)),
        Arguments::Pairs(pairs) => pairs.iter().fold("pairs".to_owned(), |out, pair| {
            let (name, value) = (shown_word(source, &pair.name), shown_word(source, &pair.value));
            format!("{out} {name} {:?} {value}", pair.form)
        }),
        Arguments::Healthcheck { kind, command } => format!("{kind} {}", words(command.words())),
        Arguments::Trigger(trigger) => format!("({})", shown(source, trigger)),
        Arguments::Unknown => "unknown".to_owned(),
        Arguments::Unreadable => "unreadable".to_owned(),
    };
    write!(out, " | {arguments}").unwrap();
    out
}

/// Shows a word; where the source differs from its text, the source too.
fn shown_word(source: &str, word: &Word) -> String {
    let written = &source[word.span.clone()];
    if written == word.text {
        format!("{:?}", word.text)
    } else {
        format!("{:?} ← {written:?}", word.text)
    }
}

fn shown_finding(source: &str, finding: &Finding) -> String {
    let place = finding.place.as_ref().unwrap();
    let Position { line, column } = LineIndex::new(source).position(place.span.start);
    let advice = finding
        .advice
        .as_ref()
        .map(|advice| format!(" ({advice})"))
        .unwrap_or_default();
    format!(
        "{line}:{column} {:?} {}: {}{advice}",
        finding.severity, finding.rule, finding.message
    )
}

/// Fails if anything points outside the source or between the bytes of a character.
fn check_spans(source: &str, parsed: &Parsed) {
    for statement in &parsed.statements {
        check_statement(source, statement);
        for heredoc in &statement.heredocs {
            assert_eq!(source.get(heredoc.span.clone()), Some(heredoc.content.as_str()));
        }
    }
    let lines = LineIndex::new(source);
    for finding in &parsed.findings {
        let Place { span, line } = finding.place.clone().unwrap();
        assert!(source.get(span.clone()).is_some());
        assert_eq!(lines.position(span.start).line, line);
    }
}

fn check_statement(source: &str, statement: &Statement) {
    let inside = |span: &Span| {
        assert!(
            source.get(span.clone()).is_some(),
            "{span:?} is not in {source:?}"
        );
        assert!(
            statement.span.start <= span.start && span.end <= statement.span.end,
            "{span:?} in {statement:?}"
        );
    };
    inside(&statement.span);
    inside(&statement.keyword.span);
    statement
        .flags
        .iter()
        .chain(statement.arguments.words())
        .for_each(|word| inside(&word.span));
    match &statement.arguments {
        Arguments::Pairs(pairs) => pairs.iter().for_each(|pair| {
            inside(&pair.name.span);
            inside(&pair.value.span);
        }),
        Arguments::Healthcheck { kind, command } => {
            inside(&kind.span);
            command.words().iter().for_each(|word| inside(&word.span));
        }
        Arguments::Trigger(trigger) => check_statement(source, trigger),
        _ => {}
    }
}

#[test]
fn several_mistakes_come_out_at_once() {
    check(
        "FROM x\nENV a\nRUN [1]\nWORKDIR /\nLABEL a=b c\nRUN <<E\n",
        expect![[r#"
        1-1 FROM | words "x"
        2-2 ENV | unreadable
        3-3 RUN | unreadable
        4-4 WORKDIR | text "/"
        5-5 LABEL | unreadable
        6-6 RUN | text "<<E"
            0<<E ["expand"] ""
        2:5 Error InvalidArguments: ENV must have two arguments (write ENV name=value)
        3:5 Error InvalidArguments: when using JSON array syntax, arrays must be comprised of strings only
        5:11 Error InvalidArguments: Syntax error - can't find = in "c". Must be of the form: name=value (put the value in quotes if it holds spaces)
        6:1 Error UnterminatedHeredoc: unterminated heredoc (end it with a line that holds "E" and nothing else)
    "#]],
    );
}

#[test]
fn a_file_without_instructions_is_a_mistake() {
    check(
        "",
        expect![[r#"
        1:1 Error NoInstructions: file with no instructions
    "#]],
    );
    check(
        "# only\n\n  \n# comments",
        expect![[r#"
        4:11 Error NoInstructions: file with no instructions
    "#]],
    );
}

#[test]
fn unknown_keywords_are_statements_too() {
    check(
        "FORM x\n!ignore/**\n{\"a\": 1}\n",
        expect![[r#"
        1-1 FORM | unknown
        2-2 !ignore/** | unknown
        3-3 {"a": | unknown
    "#]],
    );
}

#[test]
fn quoted_texts_hide_no_character() {
    let text = quoted("a \"b\" \\ \n\t\r\u{7}\u{8}\u{b}\u{c}\u{0}\u{7f}\u{85}\u{a0}\u{2028}é☃");
    expect![[r#""a \"b\" \\ \n\t\r\a\b\v\f\x00\x7f\u0085\u00a0\u2028é☃""#]].assert_eq(&text);
}

/// Pieces that Dockerfiles are made of, and that meet badly.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "FROM ",
        "RUN ",
        "COPY ",
        "ADD ",
        "ENV ",
        "LABEL ",
        "ARG ",
        "ONBUILD ",
        "HEALTHCHECK ",
        "CMD ",
        "VOLUME ",
        "SHELL ",
        "# escape=`",
        "# ",
        "#",
        "\n",
        "\r\n",
        "\\\n",
        "`\n",
        "\\",
        " ",
        "\t",
        "<<E",
        "<<-E",
        "<<'E'",
        "3<<",
        "<",
        "E\n",
        "\nE\n",
        "--",
        "--x=",
        "--from=a ",
        "\"",
        "'",
        "[",
        "]",
        "[\"a\"",
        ", ",
        "${",
        "}",
        "$",
        ":-",
        "/",
        "=",
        "a",
        "é",
        "☃",
        "\u{feff}",
        "\u{a0}",
        "\0",
        "CMD [\"x\",\"y\"]",
    ];
    prop_oneof![8 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #[test]
    fn parsing_never_panics_and_points_inside_the_source(pieces in proptest::collection::vec(piece(), 0..40)) {
        let source = pieces.concat();
        check_spans(&source, &parse(&source));
    }
}
