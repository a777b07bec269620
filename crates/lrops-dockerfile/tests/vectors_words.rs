//! Other people's tables: shell words, path patterns, ports, git addresses.
//!
//! They lie outside the repository. `LROPS_CONFORMANCE` names the directory that holds `vectors/`; without it these
//! tests say so and pass, except where `CI` is set: there they fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use lrops_dockerfile::git_url::{GitUrl, is_commit_id};
use lrops_dockerfile::patterns::{DirectoryMatch, PathPatterns, parse_ignore_file};
use lrops_dockerfile::ports::ExposeWord;
use lrops_dockerfile::words::shell_pattern::{self, Anchor, Reach};
use lrops_dockerfile::words::{Escapes, Expander, Quotes, UnsetVariables, WordProblem};
use lrops_model::platform::Platform;
use serde_json::Value;

#[expect(
    clippy::disallowed_methods,
    reason = "the place of the tables is not the program's business"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads one table; `None` where the tables are not at hand.
fn vectors(file: &str) -> Option<Value> {
    let Some(root) = variable("LROPS_CONFORMANCE") else {
        assert!(
            variable("CI").is_none(),
            "LROPS_CONFORMANCE must name the conformance directory on CI"
        );
        eprintln!("LROPS_CONFORMANCE is not set: {file} is not tried, only the project's own cases are");
        return None;
    };
    let path = PathBuf::from(root).join("vectors").join(file);
    let content = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_slice(&content).unwrap())
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn texts(value: &Value) -> Vec<&str> {
    items(value).iter().map(text).collect()
}

fn names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(names) => names.keys().cloned().collect(),
        list => texts(list).into_iter().map(str::to_owned).collect(),
    }
}

fn environment(value: &Value) -> BTreeMap<&str, &str> {
    texts(value)
        .into_iter()
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect()
}

#[test]
fn words_expand_as_buildkit_computed() {
    let Some(table) = vectors("shell/computed.json") else {
        return;
    };
    let environment = environment(&table["env"]);
    let lookup = |name: &str| environment.get(name).copied();
    assert_eq!(items(&table["vectors"]).len(), 4396);
    for vector in items(&table["vectors"]) {
        let expander = Expander {
            escape: text(&vector["escape"]).chars().next().unwrap(),
            quotes: match (&vector["skip_process_quotes"], &vector["raw_quotes"]) {
                (Value::Bool(true), _) => Quotes::Ordinary,
                (_, Value::Bool(true)) => Quotes::Keep,
                _ => Quotes::Remove,
            },
            escapes: if vector["raw_escapes"] == true {
                Escapes::Keep
            } else {
                Escapes::Remove
            },
            unset: if vector["skip_unset_env"] == true {
                UnsetVariables::Keep
            } else {
                UnsetVariables::Empty
            },
        };
        let input = text(&vector["input"]);
        match expander.expand(input, &lookup) {
            Ok(expanded) => {
                assert_eq!(vector.get("error"), None, "{vector}");
                assert_eq!(expanded.text, text(&vector["word"]), "{vector}");
                assert_eq!(expanded.unset, names(&vector["unmatched"]), "{vector}");
            }
            Err(error) => check_message(&error.problem, &vector["error"]),
        }
        match expander.expand_words(input, &lookup) {
            Ok(expanded) => assert_eq!(expanded.words, texts(&vector["words"]), "{vector}"),
            Err(error) => check_message(&error.problem, &vector["words_error"]),
        }
    }
}

/// The messages are BuildKit's, except where it prints the end of the word as a broken character.
fn check_message(problem: &WordProblem, expected: &Value) {
    let expected = text(expected);
    match problem {
        WordProblem::MissingBrace
            if expected.ends_with("unsupported modifier (\u{fffd}) in substitution") => {}
        WordProblem::InvalidPattern { .. } => assert!(expected.contains(&problem.to_string()), "{expected}"),
        _ => assert!(
            expected.ends_with(&format!("\": {problem}")),
            "{problem} instead of {expected}"
        ),
    }
}

#[test]
fn words_expand_as_the_table_of_variables_says() {
    let Some(table) = vectors("shell/envVarTest.json") else {
        return;
    };
    let environment = environment(&table["env"]);
    for vector in items(&table["vectors"]) {
        if vector["platform"] == "W" {
            continue;
        }
        let result =
            Expander::new('\\').expand(text(&vector["input"]), &|name| environment.get(name).copied());
        let result = result.map_or("error".to_owned(), |expanded| expanded.text);
        assert_eq!(result, text(&vector["expected"]), "{vector}");
    }
}

#[test]
fn words_split_as_the_table_of_words_says() {
    let Some(table) = vectors("shell/wordsTest.json") else {
        return;
    };
    for vector in items(&table["vectors"]) {
        let environment = environment(&vector["env"]);
        let result =
            Expander::new('\\').expand_words(text(&vector["input"]), &|name| environment.get(name).copied());
        let result = result.map_or(vec!["error".to_owned()], |expanded| expanded.words);
        assert_eq!(result, texts(&vector["expected"]), "{vector}");
    }
}

#[test]
fn what_a_word_reads_is_what_the_table_says() {
    let Some(table) = vectors("shell/TestProcessWithMatches.tc.json") else {
        return;
    };
    for vector in items(&table) {
        let environment = vector["envs"].as_object().unwrap();
        let lookup = |name: &str| environment.get(name).map(text);
        match Expander::new('\\').expand(text(&vector["input"]), &lookup) {
            Ok(expanded) => {
                assert_eq!(vector["expectedErr"], false, "{vector}");
                assert_eq!(expanded.text, text(&vector["expected"]), "{vector}");
                assert_eq!(expanded.used, names(&vector["matches"]), "{vector}");
                assert_eq!(expanded.unset, names(&vector["unmatched"]), "{vector}");
            }
            Err(error) => assert_eq!(vector["expectedErr"], true, "{vector}: {error:?}"),
        }
    }
}

#[test]
fn shell_patterns_translate_and_reverse_as_the_tables_say() {
    let translate = |pattern: &str| shell_pattern::regex_source(pattern, Reach::Longest, Anchor::Start);
    if let Some(table) = vectors("shell/TestConvertShellPatternToRegex.cases.json") {
        for (pattern, expected) in table.as_object().unwrap() {
            assert_eq!(translate(pattern).unwrap(), text(expected));
        }
    }
    if let Some(table) = vectors("shell/TestConvertShellPatternToRegex.invalid.json") {
        for pattern in texts(&table) {
            assert!(translate(pattern).is_err(), "{pattern}");
        }
    }
    if let Some(table) = vectors("shell/TestReversePattern.cases.json") {
        for (pattern, expected) in table.as_object().unwrap() {
            assert_eq!(shell_pattern::reversed(pattern), text(expected));
        }
    }
}

/// Asks both ways: at once, and as a walk from the top does.
fn matches_both_ways(patterns: &PathPatterns, path: &str) -> bool {
    let mut parent = DirectoryMatch::root();
    for (end, _) in path.match_indices('/').filter(|&(end, _)| end > 0) {
        parent = patterns.enter(&parent, &path[..end]);
    }
    let matched = patterns.matches(path);
    assert_eq!(
        patterns.matches_in(&parent, path),
        matched,
        "{patterns:?} {path:?}"
    );
    matched
}

#[test]
fn path_patterns_match_as_moby_computed() {
    let Some(table) = vectors("patternmatcher/computed.json") else {
        return;
    };
    let paths = texts(&table["paths"]);
    for vector in items(&table["vectors"]) {
        match PathPatterns::new(texts(&vector["patterns"])) {
            Err(error) => assert!(
                error.to_string().starts_with(text(&vector["error"])),
                "{error}: {vector}"
            ),
            Ok(patterns) => {
                assert_eq!(vector.get("error"), None, "{vector}");
                assert_eq!(vector["exclusions"], patterns.has_exceptions(), "{vector}");
                let matched: Vec<&str> = paths
                    .iter()
                    .copied()
                    .filter(|path| matches_both_ways(&patterns, path))
                    .collect();
                assert_eq!(
                    matched,
                    texts(&vector["matches_or_parent_matches"]),
                    "{:?}",
                    vector["patterns"]
                );
            }
        }
    }
}

#[test]
fn path_patterns_match_as_the_tables_say() {
    for file in ["TestMatches.tests.json", "TestMatches.multiPatternTests.json"] {
        let Some(table) = vectors(&format!("patternmatcher/{file}")) else {
            return;
        };
        for vector in items(&table) {
            let patterns = vector
                .get("pattern")
                .map_or_else(|| texts(&vector["patterns"]), |one| vec![text(one)]);
            let patterns = PathPatterns::new(patterns).unwrap();
            assert_eq!(
                vector["pass"],
                matches_both_ways(&patterns, text(&vector["text"])),
                "{vector}"
            );
        }
    }
    let Some(table) = vectors("patternmatcher/TestMatch.matchTests.json") else {
        return;
    };
    for vector in items(&table) {
        match PathPatterns::new([text(&vector["pattern"])]) {
            Err(_) => assert!(!vector["err"].is_null(), "{vector}"),
            Ok(patterns) => {
                assert!(vector["err"].is_null(), "{vector}");
                assert_eq!(
                    vector["match"],
                    matches_both_ways(&patterns, text(&vector["s"])),
                    "{vector}"
                );
            }
        }
    }
}

#[test]
fn ignore_files_are_read_as_moby_computed() {
    let Some(table) = vectors("ignorefile/computed.json") else {
        return;
    };
    for vector in items(&table) {
        let lines = parse_ignore_file(text(&vector["input"]).as_bytes());
        let patterns: Vec<&str> = lines.iter().map(|line| line.pattern.as_str()).collect();
        assert_eq!(patterns, texts(&vector["patterns"]), "{vector}");
    }
}

#[test]
fn an_ignore_file_written_twice_reads_the_same() {
    // The table gives only the result of its test; read again, a result must not change.
    let Some(table) = vectors("ignorefile/TestReadAll.expected.json") else {
        return;
    };
    let lines = parse_ignore_file(texts(&table).join("\n").as_bytes());
    let patterns: Vec<&str> = lines.iter().map(|line| line.pattern.as_str()).collect();
    assert_eq!(patterns, texts(&table));
}

#[test]
fn ports_are_read_as_the_tables_say() {
    if let Some(table) = vectors("dockerfile2llb/TestPartPortIPV6.cases.json") {
        for vector in items(&table) {
            let ports = ExposeWord::parse(text(&vector["spec"])).unwrap().exposed();
            let ports: Vec<String> = ports.map(|port| port.to_string()).collect();
            assert_eq!(ports, texts(&vector["expected"]), "{vector}");
        }
    }
    if let Some(table) = vectors("dockerfile2llb/TestParsePortEmptyContainerPort.tests.json") {
        for vector in items(&table) {
            let error = ExposeWord::parse(text(&vector["spec"])).unwrap_err();
            assert_eq!(format!("{error}: {}", error.problem), text(&vector["expError"]));
        }
    }
}

#[test]
fn git_addresses_are_read_as_the_table_says() {
    let Some(table) = vectors("gitutil/TestParseURL.tests.json") else {
        return;
    };
    for vector in items(&table) {
        let Ok(url) = GitUrl::parse(text(&vector["url"])) else {
            assert_eq!(vector["err"], true, "{vector}");
            continue;
        };
        let expected = &vector["result"];
        assert_eq!(vector["err"], false, "{vector}");
        assert_eq!(url.scheme.to_string(), text(&expected["Scheme"]), "{vector}");
        assert_eq!(url.host, text(&expected["Host"]), "{vector}");
        assert_eq!(url.path, text(&expected["Path"]), "{vector}");
        let selection = url.selection.map(|wanted| (wanted.reference, wanted.directory));
        let wanted = &expected["Opts"];
        let wanted = wanted
            .is_object()
            .then(|| (text(&wanted["Ref"]).into(), text(&wanted["Subdir"]).into()));
        assert_eq!(selection, wanted, "{vector}");
        let user = url
            .user
            .map(|user| (user.name, user.password.unwrap_or_default()));
        let asker = &expected["User"];
        let asker = asker
            .is_object()
            .then(|| (text(&asker["username"]).into(), text(&asker["password"]).into()));
        assert_eq!(user, asker, "{vector}");
        let query: BTreeMap<_, _> = url
            .query
            .into_iter()
            .map(|(name, value)| (name, vec![value]))
            .collect();
        let expected_query = expected["Query"].as_object().unwrap();
        let expected_query: BTreeMap<_, Vec<String>> = expected_query
            .iter()
            .map(|(name, values)| {
                (
                    name.clone(),
                    texts(values).into_iter().map(str::to_owned).collect(),
                )
            })
            .collect();
        assert_eq!(query, expected_query, "{vector}");
    }
}

#[test]
fn commit_ids_are_told_from_other_texts() {
    for (file, expected) in [
        ("TestIsCommitSHA.commits.json", true),
        ("TestIsCommitSHA.commits.2.json", false),
    ] {
        let Some(table) = vectors(&format!("gitutil/{file}")) else {
            return;
        };
        for id in texts(&table) {
            assert_eq!(is_commit_id(id), expected, "{id}");
        }
    }
}

#[test]
fn platforms_have_the_normal_form_that_the_table_says() {
    let Some(table) = vectors("dockerui/TestNormalizePlatform.testCases.json") else {
        return;
    };
    for vector in items(&table) {
        let platform = |value: &Value| {
            let part = |name| text(&value[name]);
            Platform::new(part("OS"), part("Architecture"), Some(part("Variant")))
        };
        let expected = &vector["expected"];
        let normal = platform(&vector["p"]);
        // A platform here has no version of its operating system, which Windows images name in parentheses.
        let id = text(&expected["ID"])
            .split_once('(')
            .map_or(text(&expected["ID"]).to_owned(), |(os, rest)| {
                format!("{os}{}", rest.split_once(')').unwrap().1)
            });
        assert_eq!(normal.to_string(), id, "{vector}");
        assert_eq!(normal, platform(&expected["Platform"]), "{vector}");
        assert_eq!(
            normal.variant.as_deref().unwrap_or(""),
            text(&expected["Platform"]["Variant"]),
            "{vector}"
        );
    }
}
