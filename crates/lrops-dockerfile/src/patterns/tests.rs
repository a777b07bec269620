use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// Shows which of the paths the patterns mean.
#[expect(clippy::needless_pass_by_value, reason = "expect![] is written at the call")]
fn check(patterns: &[&str], paths: &[&str], expected: Expect) {
    let patterns = PathPatterns::new(patterns).unwrap();
    let matched: Vec<&str> = paths
        .iter()
        .copied()
        .filter(|path| patterns.matches(path))
        .collect();
    expected.assert_eq(&matched.join(" "));
}

fn check_wildcard(pattern: &str, name: &str, expected: Result<bool, ()>) {
    let result = Wildcard::parse(pattern).map(|wildcard| wildcard.matches(name));
    assert_eq!(result.map_err(|_| ()), expected, "{pattern:?} against {name:?}");
}

#[test]
fn a_plain_pattern_is_a_path_and_all_below_it() {
    check(
        &["dir"],
        &["dir", "dir/a", "dir/a/b", "dirt", "x/dir"],
        expect!["dir dir/a dir/a/b"],
    );
    check(
        &["dir/a"],
        &["dir", "dir/a", "dir/a/b", "a"],
        expect!["dir/a dir/a/b"],
    );
    check(&["./dir/../dir/"], &["dir", "dir/a"], expect!["dir dir/a"]);
}

#[test]
fn special_characters_of_regular_expressions_are_plain() {
    check(
        &["a.b", "(c)", "d+", "{e}", "f|g", "^h$"],
        &["a.b", "axb", "(c)", "d+", "dd", "{e}", "f|g", "^h$"],
        expect!["a.b (c) d+ {e} f|g ^h$"],
    );
    check(
        &["a.b*", "(c)*", "^h*"],
        &["a.b1", "axb1", "(c)1", "^h1", "h1"],
        expect!["a.b1 (c)1 ^h1"],
    );
}

#[test]
fn a_star_and_a_question_mark_stay_within_a_component() {
    check(
        &["*.txt"],
        &["a.txt", "dir/a.txt", ".txt", "atxt"],
        expect!["a.txt .txt"],
    );
    check(&["*/a"], &["a", "x/a", "x/y/a", "x/a/b"], expect!["x/a x/a/b"]);
    check(&["a?c"], &["abc", "a/c", "aäc", "ac"], expect!["abc aäc"]);
}

#[test]
fn two_stars_are_any_depth() {
    check(&["**"], &["a", "a/b", ".x"], expect!["a a/b .x"]);
    check(
        &["**/x"],
        &["x", "a/x", "a/b/x", "ax", "a/x/y"],
        expect!["x a/x a/b/x a/x/y"],
    );
    check(&["a/**"], &["a", "a/b", "a/b/c", "ab"], expect!["a/b a/b/c"]);
    check(
        &["a/**/z"],
        &["a/z", "a/b/z", "a/b/c/z", "az", "a/bz"],
        expect!["a/z a/b/z a/b/c/z"],
    );
    check(
        &["**/*.o"],
        &["a.o", "x/a.o", "x/y/a.o", "a.oo"],
        expect!["a.o x/a.o x/y/a.o"],
    );
    check(
        &["**/m/**"],
        &["m", "m/a", "x/m/a", "x/m", "xm/a"],
        expect!["m/a x/m/a"],
    );
    check(
        &["a**"],
        &["a", "ab", "a/b", "ab/c", "ba"],
        expect!["a ab a/b ab/c"],
    );
    check(
        &["**b"],
        &["b", "ab", "a/b", "a/ab", "ba"],
        expect!["b ab a/b a/ab"],
    );
    check(&["**b*"], &["b", "ab", "a/b", "a/bc"], expect!["b a/b a/bc"]);
    check(
        &["a**/b"],
        &["ab", "a/b", "ac/b", "a/c/b"],
        expect!["ab a/b ac/b a/c/b"],
    );
}

#[test]
fn a_set_is_one_of_its_characters() {
    check(&["[a-c]1"], &["a1", "c1", "d1", "-1"], expect!["a1 c1"]);
    check(&["[^a-c]1"], &["a1", "d1", "ä1"], expect!["d1 ä1"]);
    check(&["[\\]\\-x]"], &["]", "-", "x", "\\"], expect!["] - x"]);
    check(
        &["[*?.&&~[]"],
        &["*", "?", ".", "&", "~", "[", "a"],
        expect!["* ? . & ~ ["],
    );
}

#[test]
fn an_escape_takes_the_meaning_away() {
    check(&["\\*"], &["*", "a", "\\*"], expect!["*"]);
    check(&["\\!a"], &["!a", "a"], expect!["!a"]);
    check(&["\\d"], &["d", "5"], expect!["d"]);
}

#[test]
fn the_last_pattern_that_matches_decides() {
    let paths = ["dir", "dir/keep", "dir/keep/x", "dir/drop", "top"];
    check(&["dir", "!dir/keep"], &paths, expect!["dir dir/drop"]);
    check(
        &["!dir/keep", "dir"],
        &paths,
        expect!["dir dir/keep dir/keep/x dir/drop"],
    );
    check(&["*", "!dir"], &paths, expect!["top"]);
    check(
        &["**", "!dir/keep", "dir/keep/x"],
        &paths,
        expect!["dir dir/keep/x dir/drop top"],
    );
    check(&["!dir"], &paths, expect![""]);
    check(&[], &paths, expect![""]);
}

#[test]
fn white_space_around_a_pattern_means_nothing() {
    check(&[" a ", "", "  ", "\tb"], &["a", "b", " a "], expect!["a b"]);
}

#[test]
fn a_bad_pattern_is_refused() {
    for pattern in [
        "[", "a[", "[]", "[^]", "[a", "[a-]", "[-a]", "[a-b-c]", "\\", "a\\", "!", " ! ", "![", "[z-a]",
    ] {
        let error = PathPatterns::new(["ok", pattern]).unwrap_err();
        let (PatternError::EmptyException { index } | PatternError::Syntax { index, .. }) = error;
        assert_eq!(index, 1, "{pattern:?}");
    }
}

#[test]
fn names_need_not_be_utf8() {
    let patterns = PathPatterns::new(["*.o", "d/**"]).unwrap();
    assert!(patterns.matches(b"a\xFF.o"));
    assert!(patterns.matches(b"d/\xFF/x"));
    assert!(!patterns.matches(b"e/\xFF.o"));
    assert!(Wildcard::parse("a?b*").unwrap().matches(b"a\xFFb\xFE"));
}

#[test]
fn a_walk_does_not_ask_twice_what_came_too_late() {
    let patterns = PathPatterns::new(["*", "!dir/keep", "dir"]).unwrap();
    let dir = patterns.enter(&DirectoryMatch::root(), "dir");
    assert!(dir.is_matched());
    assert!(!patterns.matches_in(&dir, "dir/keep"));
    assert!(patterns.matches("dir/keep"));
}

#[test]
fn a_directory_is_passed_over_where_no_exception_reaches() {
    let covered = |patterns: &[&str], path: &str| {
        let patterns = PathPatterns::new(patterns).unwrap();
        let mut directory = DirectoryMatch::root();
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            directory = patterns.enter(&directory, &path[..end]);
        }
        patterns.covers_all_below(&directory, path)
    };
    assert!(covered(&["dir"], "dir"));
    assert!(covered(&["dir"], "dir/a/b"));
    assert!(!covered(&["dir"], "other"));
    assert!(!covered(&["dir", "!dir/a"], "dir"));
    assert!(covered(&["dir", "!dir/a"], "dir/b"));
    assert!(!covered(&["*", "!*/keep"], "dir"));
    assert!(covered(&["*", "!*/keep"], "dir/sub"));
    assert!(!covered(&["*", "!**/keep"], "dir/sub"));
    assert!(!covered(&["*", "!a/**/keep"], "a/b/c"));
    assert!(covered(&["*", "!a/**/keep"], "b"));
    assert!(!covered(&["*", "![^x]*"], "a/b"));
    assert!(covered(&["!dir/a", "dir"], "dir"));
    assert!(covered(&["dir", "!other"], "dir"));
}

#[test]
fn a_wildcard_matches_one_whole_name() {
    check_wildcard("a*b*c", "aXbYc", Ok(true));
    check_wildcard("a*b*c", "abcd", Ok(false));
    check_wildcard("*", "a/b", Ok(false));
    check_wildcard("*", "", Ok(true));
    check_wildcard("**", "ab", Ok(true));
    check_wildcard("d*/f?", "dir/f1", Ok(true));
    check_wildcard("[!a]", "!", Ok(true));
    check_wildcard("[^a]", "b", Ok(true));
    check_wildcard("[z-a]", "m", Ok(false));
    check_wildcard("\\[a]", "[a]", Ok(true));
    check_wildcard("ä?", "äö", Ok(true));
    check_wildcard("a[", "b", Err(()));
    check_wildcard("[]a]", "]", Err(()));
}

#[test]
fn a_name_without_special_characters_needs_no_wildcard() {
    assert!(Wildcard::is_needed("a*") && Wildcard::is_needed("a\\b") && Wildcard::is_needed("[x]"));
    assert!(!Wildcard::is_needed("a!b{c}/d"));
}

#[test]
fn a_path_has_one_shortest_spelling() {
    let check = |path, expected| assert_eq!(clean(path), expected, "{path:?}");
    check("", ".");
    check("./", ".");
    check("a//b/./c/", "a/b/c");
    check("a/../../b", "../b");
    check("/../a", "/a");
    check("/", "/");
    check("../..", "../..");
    check("a/..", ".");
}

#[test]
fn an_ignore_file_is_read_by_line() {
    let content = "\u{feff}# comment\n/one\r\n\n  two/  \n #three\n! /four\n!\n./five/../six\nlast";
    let lines: Vec<String> = parse_ignore_file(content.as_bytes())
        .into_iter()
        .map(|IgnoreLine { line, pattern }| format!("{line}:{pattern}"))
        .collect();
    expect!["2:one 4:two 5:#three 6:!four 7:! 8:six 9:last"].assert_eq(&lines.join(" "));
}

/// What a clean pattern of letters, `*`, `?`, and whole components `**` means, said as simply as can be.
fn component_match(pattern: &[&str], path: &[&str]) -> bool {
    match pattern {
        [] => path.is_empty(),
        ["**"] => !path.is_empty(),
        ["**", rest @ ..] => (0..=path.len()).any(|taken| component_match(rest, &path[taken..])),
        [first, rest @ ..] => {
            path.first()
                .is_some_and(|name| name_match(first.as_bytes(), name.as_bytes()))
                && component_match(rest, &path[1..])
        }
    }
}

fn name_match(pattern: &[u8], name: &[u8]) -> bool {
    match pattern {
        [] => name.is_empty(),
        [b'*', rest @ ..] => (0..=name.len()).any(|taken| name_match(rest, &name[taken..])),
        [b'?', rest @ ..] => !name.is_empty() && name_match(rest, &name[1..]),
        [literal, rest @ ..] => name.first() == Some(literal) && name_match(rest, &name[1..]),
    }
}

/// The paths that a walk meets and the patterns do not mean.
fn walk(patterns: &PathPatterns, paths: &BTreeSet<String>, pass_over: bool) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    let mut open = vec![(String::new(), DirectoryMatch::root())];
    while let Some((directory, state)) = open.pop() {
        for path in paths {
            let name = path
                .strip_prefix(&directory)
                .filter(|name| !name.is_empty() && !name.contains('/'));
            if name.is_none() {
                continue;
            }
            let entered = patterns.enter(&state, path);
            assert_eq!(entered.is_matched(), patterns.matches_in(&state, path));
            if !entered.is_matched() {
                kept.insert(path.clone());
            }
            if !(pass_over && patterns.covers_all_below(&entered, path)) {
                open.push((format!("{path}/"), entered));
            }
        }
    }
    kept
}

const NAME: &str = "[ab]{1,2}";
const COMPONENT: &str = r"[ab*?]{1,2}|\*\*";

proptest! {
    #[test]
    fn one_pattern_agrees_with_its_plain_meaning(
        pattern in prop::collection::vec(COMPONENT, 1..4),
        path in prop::collection::vec(NAME, 1..5),
    ) {
        let pattern: Vec<&str> = pattern.iter().map(String::as_str).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let expected = (1..=path.len()).any(|length| component_match(&pattern, &path[..length]));
        let read = PathPatterns::new([pattern.join("/")]).unwrap();
        prop_assert_eq!(read.matches(path.join("/")), expected, "{:?} {:?}", pattern, path);
    }

    #[test]
    fn a_wildcard_agrees_with_its_plain_meaning(pattern in "[ab*?]{0,6}", name in "[ab]{0,8}") {
        let wildcard = Wildcard::parse(&pattern).unwrap();
        prop_assert_eq!(wildcard.matches(&name), name_match(pattern.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn passing_over_directories_changes_nothing(
        patterns in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(r"[ab*?]{1,2}|\*\*|\[\^a\]", 1..4)), 0..6),
        paths in prop::collection::btree_set(prop::collection::vec(NAME, 1..5), 0..12),
    ) {
        let lines = patterns.iter().map(|(except, pattern)| {
            format!("{}{}", if *except { "!" } else { "" }, pattern.join("/"))
        });
        let patterns = PathPatterns::new(lines).unwrap();
        let paths: BTreeSet<String> = paths
            .iter()
            .flat_map(|path| (1..=path.len()).map(|length| path[..length].join("/")))
            .collect();
        prop_assert_eq!(walk(&patterns, &paths, true), walk(&patterns, &paths, false));
    }

    #[test]
    fn no_text_makes_patterns_panic(pattern in r"([a-c/!.\\*?]|\[|\]|-|\^|ä){0,12}", path in "[a-c/ä]{0,8}") {
        if let Ok(patterns) = PathPatterns::new([&pattern]) {
            patterns.matches(&path);
            patterns.covers_all_below(&patterns.enter(&DirectoryMatch::root(), &path), &path);
        }
        if let Ok(wildcard) = Wildcard::parse(&pattern) {
            wildcard.matches(&path);
        }
        parse_ignore_file(pattern.as_bytes());
    }
}
