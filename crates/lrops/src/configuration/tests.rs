use std::path::PathBuf;

use expect_test::{Expect, expect};
use lrops_model::request::LayoutSelector as Selector;

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "expect! gives a value")]
#[track_caller]
fn check_mistake(text: &str, expected: Expect) {
    let mistake = file::parse(text).unwrap_err();
    let line = mistake
        .span
        .as_ref()
        .map(|span| text[..span.start].matches('\n').count() + 1);
    let marked = mistake.span.map(|span| text[span].to_owned()).unwrap_or_default();
    let advice = mistake.advice.unwrap_or_default();
    expected.assert_eq(&format!(
        "line {line:?} {marked:?}\n{}\n{advice}",
        mistake.message
    ));
}

#[test]
fn the_example_is_understood() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/hello/lrops.toml");
    let configuration = read(Path::new(path)).unwrap();
    let sections = configuration.sections;
    assert_eq!(
        sections.build.dockerfile,
        Some(PathBuf::from("Dockerfile.crosscompile"))
    );
    assert_eq!(sections.build.platforms.len(), 3);
    assert_eq!(sections.bases.len(), 4);
    assert!(
        matches!(&sections.contexts["node-toolchain"], ContextEntry::Nested(nested) if nested.target.as_deref() == Some("node"))
    );
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    check_mistake(
        "[build]\nplatform = ['linux/amd64']\n",
        expect![[r#"
            line Some(2) "platform"
            unknown key "platform"
            did you mean platforms?"#]],
    );
    check_mistake(
        "[buidl]\n",
        expect![[r#"
            line Some(1) "buidl"
            unknown key "buidl"
            did you mean build?"#]],
    );
}

#[test]
fn a_wrong_value_is_named_at_its_place() {
    check_mistake(
        "[build]\nplatforms = [\n  'linux/amd64',\n  'nope',\n]\n",
        expect![[r#"
            line Some(2) "[\n  'linux/amd64',\n  'nope',\n]"
            "nope" is no platform: it is neither a known operating system nor a known architecture (expected os/architecture[/variant], such as linux/arm64 or linux/arm/v7)
        "#]],
    );
    check_mistake(
        "[build]\nemulation = 'denied'\n",
        expect![[r#"
            line Some(2) "'denied'"
            unknown value "denied"
            known are deny, warn, allow"#]],
    );
    check_mistake(
        "[contexts]\nweb = { dockerfile = 'D', targte = 'x' }\n",
        expect![[r#"
            line Some(2) "targte"
            unknown key "targte"
            did you mean target?"#]],
    );
    check_mistake(
        "[contexts]\nweb = 'https://example.com/x.git'\n",
        expect![[r#"
            line Some(2) "'https://example.com/x.git'"
            "https://example.com/x.git": contexts from the network are not supported yet
        "#]],
    );
    check_mistake(
        "[store]\nkeep = 'much'\n",
        expect![[r#"
            line Some(2) "'much'"
            "much" is no size: write a number with b, k, m, g or t, such as 64m
        "#]],
    );
}

#[test]
fn places_of_contexts_have_their_forms() {
    let digest = lrops_model::digest::Digest::of("");
    let check = |text: &str, expected: ContextPlace| assert_eq!(text.parse::<ContextPlace>(), Ok(expected));
    check("../lib", ContextPlace::Directory("../lib".into()));
    check("base:tools", ContextPlace::Base("tools".into()));
    check(
        "oci-layout://a/b",
        ContextPlace::Layout("a/b".into(), Selector::Only),
    );
    check(
        "oci-layout://./a:v1",
        ContextPlace::Layout("./a".into(), Selector::Tag("v1".into())),
    );
    check(
        &format!("oci-layout:///a@{digest}"),
        ContextPlace::Layout("/a".into(), Selector::Digest(digest)),
    );
    check(
        &format!("oci-layout:///a:v@{digest}"),
        ContextPlace::Layout("/a".into(), Selector::Digest(digest)),
    );
    check(
        "docker-image://alpine:3",
        ContextPlace::Image("alpine:3".parse().unwrap()),
    );
    check(
        "https://example.com/a.tar",
        ContextPlace::Remote("https://example.com/a.tar".into()),
    );
    assert!("oci-layout://".parse::<ContextPlace>().is_err());
    assert!("target:x".parse::<ContextPlace>().is_err());
}

#[test]
fn the_nearest_file_above_is_found_but_not_beyond_the_repository() {
    let directory = tempfile::tempdir().unwrap();
    let (outer, inner) = (directory.path().join("a"), directory.path().join("a/b/c"));
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(outer.join(FILE_NAME), "").unwrap();
    assert_eq!(find(&inner), Some(outer.join(FILE_NAME)));
    std::fs::create_dir(directory.path().join("a/b/.git")).unwrap();
    assert_eq!(find(&inner), None);
}
