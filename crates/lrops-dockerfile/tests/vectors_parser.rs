//! Other people's cases for the parser and for instructions: trees, heredocs and messages that `BuildKit` computed.
//!
//! The cases lie outside the repository; `LROPS_CONFORMANCE` names the directory that holds their `vectors/`. Without it
//! only the project's own cases run, and this file says so; where `CI` is set that is a failure.

use std::fmt::Write as _;
use std::path::Path;

use lrops_dockerfile::instruction::{Add, CommandLine, Copy, Dockerfile, InlineFile, Instruction, Source};
use lrops_dockerfile::syntax::{Arguments, Heredoc, PairForm, Parsed, Statement, Word, parse, quoted};
use lrops_model::finding::{Finding, Severity};
use serde_json::{Value, json};

#[test]
fn trees_are_those_of_the_reference() {
    for_each("parser/computed.json", |case| {
        let parsed = parse(text(&case["dockerfile"]));
        assert_eq!(dump(&parsed), text(&case["dump"]));
        assert_eq!(parsed.directives.escape.to_string(), text(&case["escape"]));
        let nodes: Vec<Value> = parsed.statements.iter().map(node).collect();
        assert_eq!(Value::from(nodes), case["nodes"]);
        let warnings: Vec<&str> = parsed
            .findings
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(warnings, texts(&case["warnings"]));
    });
}

#[test]
fn test_files_have_the_tree_they_should_have_or_none() {
    for_each("parser/testfiles.json", |case| {
        let (_, findings) = Dockerfile::parse(text(&case["dockerfile"]));
        if case["kind"] == "testfiles-negative" {
            assert!(findings.iter().any(|finding| finding.severity == Severity::Error));
        } else {
            assert_eq!(
                dump(&parse(text(&case["dockerfile"]))),
                text(&case["result"]).trim()
            );
        }
    });
}

#[test]
fn heredocs_are_found_in_a_line() {
    for_each("parser/TestHeredocsFromLine.json", |case| {
        let mut source = text(&case["input"]["line"]).to_owned();
        for name in texts(&case["input"]["heredocNames"]) {
            write!(source, "\n{name}").unwrap();
        }
        assert_eq!(heredocs(&parse(&source).statements[0]), case["heredocs"]);
    });
}

#[test]
fn heredocs_are_taken_out_of_a_file() {
    const SOURCE: &str = "FROM scratch\nENV X=y\nRUN true\nUSER <<WRONG\nWRONG\nRUN <<EMPTY\nEMPTY\nRUN 3<<EMPTY2\nEMPTY2\n\
        RUN \"<<QUOTED\"\nRUN <<INDENT\n\tfoo\n\tbar\nINDENT\nRUN <<-UNINDENT\n\tbaz\n\tquux\nUNINDENT\n\
        RUN <<-UNINDENT2\n\tbaz\n\tquux\n\t\tUNINDENT2\nRUN <<-EXPAND\n\texpand $NAME\nEXPAND\n\
        RUN <<-'NOEXPAND'\n\tdon't expand $NAME\nNOEXPAND\nRUN <<COPY\necho hello world\necho foo bar\nCOPY\n\
        RUN <<COMMENT\n# internal comment\necho hello world\necho foo bar # trailing comment\nCOMMENT\n\
        RUN --mount=type=cache,target=/c <<MOUNT\necho hello\nMOUNT\n\
        COPY <<FILE1 <<FILE2 /to\ncontent 1\nFILE1\ncontent 2\nFILE2\nCOPY <<EOF /to\n\"foo\"\n'bar'\nEOF\n\
        ADD <<X <<Y /to\nY\nX\nX\nY\nRUN <<COMPLEX python3\nprint('hello world')\nCOMPLEX\n\
        COPY <<file.txt /to\nhello world\nfile.txt\nRUN <<e'of'\necho foo\neof\nRUN <<eo\\'f\necho foo\neo'f\n\
        RUN <<\"e\"o\\'f\necho foo\neo'f\nRUN <<'one two'\necho bar\none two\nRUN <<$EOF\n$EOF\n\
        RUN << \tEOF\nEOF\nRUN <<   EOF >file\nEOF\n";
    let statements = parse(SOURCE).statements;
    let mut count = 0;
    for_each("parser/TestParseExtractsHeredoc.tests.json", |expected| {
        count += 1;
        assert_eq!(heredocs(&statements[count]), *expected);
    });
}

#[test]
fn words_that_start_a_heredoc_are_told_from_others() {
    for_each("parser/TestParseHeredocHelpers.validHeredocs.json", |word| {
        assert_eq!(Heredoc::from_word(text(word)).unwrap().unwrap().name, "EOF");
    });
    for_each("parser/TestParseHeredocHelpers.notHeredocs.json", |word| {
        assert_eq!(Heredoc::from_word(text(word)), Ok(None));
    });
    for_each("parser/TestParseHeredocHelpers.invalidHeredocs.json", |word| {
        Heredoc::from_word(text(word)).unwrap_err();
    });
}

#[test]
fn arrays_of_strings_are_the_exec_form() {
    for_each(
        "parser/TestJSONArraysOfStrings.validJSONArraysOfStrings.json",
        |case| {
            let (array, strings) = (text(&case["key"]), texts(&case["value"]));
            let statement = parse(&format!("CMD {array}")).statements.remove(0);
            assert!(matches!(statement.arguments, Arguments::Json(_)));
            assert_eq!(all(statement.arguments.words()), strings);
        },
    );
    for_each(
        "parser/TestJSONArraysOfStrings.invalidJSONArraysOfStrings.json",
        |array| {
            let parsed = parse(&format!("CMD {}", text(array)));
            assert_eq!(
                parsed.findings[0].message,
                "when using JSON array syntax, arrays must be comprised of strings only"
            );
        },
    );
}

#[test]
fn words_keep_their_quotes() {
    for_each("parser/TestParseWords.tests.json", |case| {
        let statement = parse(&format!("ARG {}", texts(&case["input"]).join(" ")))
            .statements
            .remove(0);
        assert_eq!(all(statement.arguments.words()), texts(&case["expect"]));
    });
}

#[test]
fn stages_and_errors_are_those_of_the_reference() {
    let sources = vectors("parser/computed.json");
    let source_of =
        |name: &Value| sources.iter().find(|case| case["name"] == *name).unwrap()["dockerfile"].clone();
    for_each("instructions/computed.json", |case| {
        let source = source_of(&case["name"]);
        let (dockerfile, findings) = Dockerfile::parse(text(&source));
        let error = findings
            .iter()
            .find(|finding| finding.severity == Severity::Error);
        if let Some(expected) = case.get("error") {
            let expected = text(expected);
            let with_line = expected.starts_with("dockerfile parse error");
            assert_eq!(rendered(error.unwrap(), with_line), expected);
            return;
        }
        assert_eq!(error, None);
        let args: Vec<&str> = dockerfile
            .global_args
            .iter()
            .map(|arg| arg.origin.text.as_str())
            .collect();
        assert_eq!(args, texts(&case["meta_args"]));
        let stages: Vec<Value> = dockerfile
            .stages
            .iter()
            .map(|stage| {
                json!({
                    "base": stage.from.image.text,
                    "commands": stage.instructions.len(),
                    "doc": stage.description.clone().unwrap_or_default(),
                    "name": stage.name.clone().unwrap_or_default(),
                    "platform": stage.from.platform.as_ref().map(Word::as_str).unwrap_or_default(),
                })
            })
            .collect();
        assert_eq!(null_if_empty(stages), case["stages"]);
    });
}

#[test]
fn missing_arguments_are_named() {
    let refused = |file: &str, rest: &str, problem: &str| {
        for_each(file, |command| {
            let (_, findings) = Dockerfile::parse(&format!("FROM scratch\n{}{rest}", text(command)));
            assert_eq!(findings[0].message, format!("{} {problem}", text(command)));
        });
    };
    refused(
        "instructions/TestCommandsAtLeastOneArgument.commands.json",
        "",
        "requires at least one argument",
    );
    refused(
        "instructions/TestCommandsExactlyOneArgument.commands.json",
        "",
        "requires exactly one argument",
    );
    refused(
        "instructions/TestCommandsBlankNames.commands.json",
        " =arg2",
        "names can not be blank",
    );
    refused(
        "instructions/TestCommandsNoDestinationArgument.commands.json",
        " arg1",
        "requires at least two arguments, but only one was provided. Destination could not be determined",
    );
}

#[test]
fn a_fourth_argument_of_the_older_form_belongs_to_the_value() {
    // The reference guards against a tree with four arguments, which its own parser never makes; here no type holds one.
    for_each(
        "instructions/TestCommandsTooManyArguments.commands.json",
        |command| {
            let statement = parse(&format!("{} arg1 arg2 arg3 arg4", text(command)))
                .statements
                .remove(0);
            let Arguments::Pairs(pairs) = &statement.arguments else {
                panic!("{statement:?}")
            };
            assert_eq!(pairs.len(), 1);
            assert_eq!(pairs[0].value.text, "arg2 arg3 arg4");
        },
    );
}

#[test]
fn mistakes_are_reported_in_the_words_of_the_reference() {
    for file in [
        "instructions/TestErrorCases.cases.json",
        "instructions/TestErrorCasesHeredoc.cases.json",
    ] {
        for_each(file, |case| {
            let (_, findings) = Dockerfile::parse(text(&case["dockerfile"]));
            let expected = text(&case["expectedError"]);
            assert!(
                findings[0].message.contains(expected),
                "{:?} lacks {expected}",
                findings[0].message
            );
        });
    }
}

#[test]
fn only_json_gives_a_command_several_words() {
    for_each("instructions/TestHandleJSONArgs.testCases.json", |case| {
        let words = texts(&case["args"]);
        let json = case["attributes"] == json!({ "json": true });
        let line = if json {
            json!(words).to_string()
        } else {
            words.join(" ")
        };
        let Instruction::Cmd(cmd) = instruction(&format!("CMD {line}")) else {
            panic!("no CMD")
        };
        assert_eq!(cmd.command.words(), texts(&case["expected"]));
    });
}

#[test]
fn devices_are_read() {
    for_each("instructions/TestParseDevice.cases.json", |case| {
        let (dockerfile, findings) = Dockerfile::parse(&format!(
            "FROM scratch\nRUN --device={} true",
            text(&case["input"])
        ));
        if let Some(message) = case["expectedErr"].get("msg") {
            assert_eq!(findings[0].message, text(message));
            return;
        }
        let Instruction::Run(run) = &dockerfile.stages[0].instructions[0] else {
            panic!("{findings:?}")
        };
        let device = &run.devices[0];
        assert_eq!(
            json!({ "Name": device.name, "Required": device.required }),
            case["expected"]
        );
    });
}

#[test]
fn commands_with_heredocs_are_read() {
    for_each("instructions/TestRunHeredoc.cases.json", |case| {
        let Instruction::Run(run) = instruction(text(&case["dockerfile"])) else {
            panic!("no RUN")
        };
        assert_eq!(run.command.words(), texts(&case["command"]));
        assert_eq!(json!(matches!(run.command, CommandLine::Shell(_))), case["shell"]);
        let files = run.heredocs.iter().map(
            |heredoc| json!({ "Chomp": heredoc.strip_tabs, "Data": heredoc.content, "Name": heredoc.name }),
        );
        assert_eq!(null_if_empty(files.collect()), case["files"]);
    });
}

#[test]
fn files_in_heredocs_are_sources() {
    for_each("instructions/TestCopyHeredoc.cases.json", |case| {
        let (sources, destination) = match instruction(text(&case["dockerfile"])) {
            Instruction::Copy(Copy {
                sources, destination, ..
            })
            | Instruction::Add(Add {
                sources, destination, ..
            }) => (sources, destination),
            other => panic!("{other:?}"),
        };
        let mut paths = Vec::new();
        let mut contents = Vec::new();
        for source in sources {
            match source {
                Source::Path(path) => paths.push(json!(path.text)),
                Source::Inline(InlineFile {
                    name,
                    content,
                    expand,
                    ..
                }) => {
                    contents.push(json!({ "Data": content, "Expand": expand, "Path": name }));
                }
            }
        }
        let (paths, contents) = (null_if_empty(paths), null_if_empty(contents));
        let read = json!({ "DestPath": destination.text, "SourceContents": contents, "SourcePaths": paths });
        assert_eq!(read, case["sourcesAndDest"]);
    });
}

fn instruction(text: &str) -> Instruction {
    let (mut dockerfile, findings) = Dockerfile::parse(&format!("FROM scratch\n{text}"));
    assert_eq!(findings, []);
    dockerfile.stages[0].instructions.remove(0)
}

/// Writes a finding as the reference writes an error.
fn rendered(finding: &Finding, with_line: bool) -> String {
    let mut message = String::new();
    if with_line {
        let line = finding.place.as_ref().unwrap().line;
        write!(message, "dockerfile parse error on line {line}: ").unwrap();
    }
    message.push_str(&finding.message);
    if let Some(advice) = finding
        .advice
        .as_ref()
        .filter(|advice| advice.starts_with("did you mean"))
    {
        write!(message, " ({advice})").unwrap();
    }
    message
}

/// Writes statements as the reference dumps its tree.
fn dump(parsed: &Parsed) -> String {
    let lines: Vec<String> = parsed
        .statements
        .iter()
        .map(|statement| format!("({})", dump_one(statement)))
        .collect();
    lines.join("\n")
}

fn dump_one(statement: &Statement) -> String {
    let mut out = statement.keyword.text.to_lowercase();
    if !statement.flags.is_empty() {
        let flags: Vec<String> = statement.flags.iter().map(|flag| quoted(&flag.text)).collect();
        write!(out, " [{}]", flags.join(" ")).unwrap();
    }
    if let Arguments::Trigger(trigger) = &statement.arguments {
        write!(out, " ({})", dump_one(trigger)).unwrap();
    } else {
        for argument in arguments(statement) {
            write!(out, " {}", quoted(&argument)).unwrap();
        }
    }
    out
}

/// Returns the arguments as the reference lists them: a pair is three, and an unknown instruction has an empty one.
fn arguments(statement: &Statement) -> Vec<String> {
    match &statement.arguments {
        Arguments::Pairs(pairs) => pairs
            .iter()
            .flat_map(|pair| {
                let separator = if pair.form == PairForm::Equals { "=" } else { "" };
                [
                    pair.name.text.clone(),
                    pair.value.text.clone(),
                    separator.to_owned(),
                ]
            })
            .collect(),
        Arguments::Healthcheck { kind, command } => std::iter::once(kind)
            .chain(command.words())
            .map(|word| word.text.clone())
            .collect(),
        Arguments::Trigger(trigger) => vec![String::new(), format!("<child>{}", trigger.keyword)],
        Arguments::Unknown => vec![String::new()],
        other => other.words().iter().map(|word| word.text.clone()).collect(),
    }
}

/// Writes a statement as the vectors write a node, without the keys that would be empty.
fn node(statement: &Statement) -> Value {
    let mut node = json!({ "value": statement.keyword.text });
    let mut put = |key: &str, value: Value| {
        if value != json!([]) && value != Value::Null {
            node[key] = value;
        }
    };
    let json_form = match &statement.arguments {
        Arguments::Healthcheck { command, .. } => matches!(**command, Arguments::Json(_)),
        arguments => matches!(arguments, Arguments::Json(_)),
    };
    put("args", json!(arguments(statement)));
    put("flags", json!(all(&statement.flags)));
    put("original", json!(statement.text));
    put("start", json!(statement.first_line));
    put("end", json!(statement.last_line));
    put("json", if json_form { json!(true) } else { Value::Null });
    put("heredocs", heredocs(statement));
    put("prev_comment", json!(statement.comments));
    node
}

fn heredocs(statement: &Statement) -> Value {
    let heredocs = statement.heredocs.iter().map(|heredoc| {
        json!({
            "Name": heredoc.name,
            "FileDescriptor": heredoc.file_descriptor,
            "Expand": heredoc.expand,
            "Chomp": heredoc.strip_tabs,
            "Content": heredoc.content,
        })
    });
    null_if_empty(heredocs.collect())
}

fn null_if_empty(values: Vec<Value>) -> Value {
    if values.is_empty() {
        Value::Null
    } else {
        Value::from(values)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map(|values| values.iter().map(text).collect())
        .unwrap_or_default()
}

fn all(words: &[Word]) -> Vec<&str> {
    words.iter().map(Word::as_str).collect()
}

/// Runs a check on every case of a file, and names the case that fails.
fn for_each(file: &str, mut check: impl FnMut(&Value)) {
    for (index, case) in vectors(file).iter().enumerate() {
        println!("{file}, case {index}: {case}");
        check(case);
    }
}

/// Returns the cases of a file; of an object, each key with its value.
#[expect(
    clippy::disallowed_methods,
    reason = "the place of the cases comes from outside, and only the environment reaches a test"
)]
fn vectors(file: &str) -> Vec<Value> {
    let Some(directory) = std::env::var_os("LROPS_CONFORMANCE") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must name the vectors in LROPS_CONFORMANCE"
        );
        println!("LROPS_CONFORMANCE is not set: only the project's own cases run, not {file}");
        return Vec::new();
    };
    let path = Path::new(&directory).join("vectors").join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases = match serde_json::from_slice(&bytes).unwrap() {
        Value::Array(cases) => cases,
        Value::Object(object) => object
            .into_iter()
            .map(|(key, value)| json!({ "key": key, "value": value }))
            .collect(),
        other => panic!("{file} holds no cases but {other}"),
    };
    assert!(!cases.is_empty(), "{file} holds no cases");
    cases
}
