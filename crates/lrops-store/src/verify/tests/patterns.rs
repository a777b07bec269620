//! Patterns for paths.

use std::path::Path;

use crate::verify::PathPattern;

#[track_caller]
fn covers(pattern: &str, path: &str) -> bool {
    let pattern: PathPattern = pattern.parse().unwrap();
    pattern.covers(Path::new(path))
}

#[test]
fn a_pattern_counts_from_the_root_and_covers_what_lies_below() {
    assert!(covers("/usr/lib/x", "usr/lib/x"));
    assert!(covers("usr/lib/x/", "usr/lib/x"));
    assert!(covers("/usr/lib", "usr/lib/x/y"));
    assert!(!covers("/lib", "usr/lib/x"));
    assert!(!covers("/usr/lib/x/y", "usr/lib/x"));
    assert!(!covers("/usr/li", "usr/lib"));
}

#[test]
fn stars_stand_for_names_and_parts_of_them() {
    assert!(covers("/opt/*/bin", "opt/a/bin/tool"));
    assert!(!covers("/opt/*/bin", "opt/a/b/bin"));
    assert!(covers("/opt/**/bin", "opt/bin"));
    assert!(covers("/opt/**/bin", "opt/a/b/bin/tool"));
    assert!(covers("**/*.so", "a/b/c.so"));
    assert!(covers("**/*.so", "c.so"));
    assert!(!covers("**/*.so", "a/c.so.1"));
    assert!(covers("/**", "anything"));
    assert!(covers("/lib*.so.?", "libfoo.so.so.1"));
    assert!(!covers("/lib*.so.?", "libfoo.so."));
    assert!(covers("/a*b*c", "aXbYbZc"));
    assert!(!covers("/a*b*c", "aXbYbZ"));
}

#[test]
fn brackets_are_ordinary_and_backslashes_take_meanings_away() {
    assert!(covers("/[slug].js", "[slug].js"));
    assert!(covers(r"/\*", "*"));
    assert!(!covers(r"/\*", "a"));
}

#[test]
fn what_is_no_pattern_is_refused() {
    for text in ["", "/", "//.", "/a/../b", "/a**", r"/a\", &"a".repeat(5000)] {
        assert!(text.parse::<PathPattern>().is_err(), "{text:?}");
    }
}

#[test]
fn a_hostile_pattern_takes_no_long_time() {
    let pattern = format!("/{}b", "**/*a*a*a*a*a/".repeat(100));
    let path = format!("{}/", "a".repeat(200)).repeat(100);
    assert!(!covers(&pattern, &path));
}
