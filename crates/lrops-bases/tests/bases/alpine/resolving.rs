//! Which packages are taken: apk's rules.

use lrops_testkit::alpine::ApkPackage;

use super::scene::{Scene, package};

fn providing(name: &str, version: &str, provides: &str) -> ApkPackage {
    package(name, version).with("p", provides)
}

#[test]
fn versions_are_bounded_as_the_dependencies_say() {
    let needs = |name: &str, what: &str| package(name, "1-r0").with("D", what);
    let scene = Scene::publishing(&[
        package("b", "1-r0"),
        package("b", "1.5-r3"),
        package("b", "2.1-r0"),
        needs("least", "b>=2"),
        needs("below", "b<2"),
        needs("exact", "b=1-r0"),
        needs("about", "b~1"),
        needs("above", "b>2.1-r0"),
        needs("through", "below"),
    ]);
    for (wanted, chosen) in [
        ("['least']", "b-2.1-r0"),
        ("['below']", "b-1.5-r3"),
        ("['exact']", "b-1-r0"),
        ("['about']", "b-1.5-r3"),
        ("['b~2']", "b-2.1-r0"),
        ("['b<1.5']", "b-1-r0"),
        ("['b', 'through']", "b-1.5-r3"),
    ] {
        let names = scene.names(wanted, "");
        assert!(names.contains(&chosen.to_owned()), "{wanted}: {names:?}");
    }
    let text = scene.error("['above']", "");
    assert!(
        text.contains(
            "b>2.1-r0 is needed and cannot be had: above 1-r0; there is b 2.1-r0; there is b 1.5-r3"
        ),
        "{text}"
    );
    let text = scene.error("['least', 'through']", "");
    assert!(text.contains("is needed and cannot be had"), "{text}");
}

#[test]
fn provided_names_choose_their_package_by_version_and_priority() {
    let scene = Scene::publishing(&[
        providing("openssl", "3.1-r0", "so:libssl.so.3=3.1 pc:libssl=3.1"),
        providing("old-ssl", "1-r0", "so:libssl.so.1=1 pc:libssl=1"),
        package("curl", "8-r0").with("D", "so:libssl.so.3 pc:libssl>2"),
        providing("exim", "1-r0", "mail"),
        providing("postfix", "1-r0", "mail"),
        package("a", "1-r0").with("D", "mail"),
        providing("tool-x", "1-r0", "tool").with("k", "10"),
        providing("tool-y", "1-r0", "tool").with("k", "20"),
        package("c", "1-r0").with("D", "tool"),
        providing("busybox", "1-r0", "/bin/sh"),
        package("script", "1-r0").with("D", "/bin/sh"),
        providing("sh-a", "1-r0", "cmd:sh=1").with("k", "1"),
        providing("sh-b", "1-r0", "cmd:sh=1").with("k", "9"),
        package("d", "1-r0").with("D", "cmd:sh"),
    ]);
    assert_eq!(scene.names("['curl']", ""), ["curl-8-r0", "openssl-3.1-r0"]);
    assert_eq!(scene.names("['a', 'postfix']", ""), ["a-1-r0", "postfix-1-r0"]);
    assert_eq!(scene.names("['c']", ""), ["c-1-r0", "tool-y-1-r0"]);
    assert_eq!(scene.names("['c', 'tool-x']", ""), ["c-1-r0", "tool-x-1-r0"]);
    assert_eq!(scene.names("['d']", ""), ["d-1-r0", "sh-b-1-r0"]);
    assert_eq!(
        scene.names("['script']", ""),
        ["busybox-1-r0", "script-1-r0"],
        "the only one"
    );
    let text = scene.error("['a']", "");
    assert!(
        text.contains(
            "mail is needed and cannot be had: a 1-r0; name one of these in packages: exim 1-r0, postfix 1-r0"
        ),
        "{text}"
    );
    let text = scene.error("['sh-a', 'sh-b']", "");
    assert!(
        text.contains("it conflicts with cmd:sh, which both provide"),
        "{text}"
    );
}

#[test]
fn packages_that_exclude_each_other_are_named() {
    let scene = Scene::publishing(&[
        package("b", "1-r0"),
        package("d", "1-r0").with("D", "!b<3"),
        package("asks", "1-r0").with("D", "d"),
        package("fine", "1-r0").with("D", "!b>3"),
    ]);
    assert_eq!(scene.names("['fine', 'b']", ""), ["b-1-r0", "fine-1-r0"]);
    let text = scene.error("['asks', 'b']", "");
    assert!(
        text.contains("d cannot be with b: it conflicts with b<3; asks → d 1-r0; b 1-r0"),
        "{text}"
    );
    let text = scene.error("['asks', '!d']", "");
    assert!(
        text.contains("d is needed and cannot be had: asks 1-r0"),
        "{text}"
    );
}

#[test]
fn a_package_comes_along_when_all_that_it_names_is_there() {
    let scene = Scene::publishing(&[
        package("app", "1-r0"),
        package("init", "1-r0"),
        package("app-init", "1-r0").with("i", "app=1-r0 init"),
        package("app-new", "1-r0").with("i", "app>1-r0"),
        package("more", "1-r0").with("i", "app-init"),
        providing("plain", "1-r0", "cmd:s=1").with("i", "server"),
        providing("rich", "1-r0", "cmd:s=1").with("D", "server"),
        package("server", "1-r0"),
    ]);
    assert_eq!(scene.names("['app']", ""), ["app-1-r0"]);
    assert_eq!(scene.names("['server']", ""), ["plain-1-r0", "server-1-r0"]);
    assert_eq!(
        scene.names("['rich']", ""),
        ["rich-1-r0", "server-1-r0"],
        "not beside what excludes it"
    );
    assert_eq!(
        scene.names("['app', 'init']", ""),
        ["app-1-r0", "app-init-1-r0", "init-1-r0", "more-1-r0"]
    );
    assert_eq!(
        scene.names("['app', 'init', '!app-init']", ""),
        ["app-1-r0", "init-1-r0"]
    );
}

#[test]
fn what_comes_along_is_of_the_suite_of_what_it_comes_with() {
    let pair = |version: &str| {
        [
            package("app", version),
            package("app-init", version).with("i", &format!("app={version}")),
        ]
    };
    let scene = Scene::publishing(&pair("1-r0"));
    let newer = [pair("2-r0").as_slice(), &[package("tool", "2-r0")]].concat();
    scene.archive.publish("edge/main", &newer);
    let edge = "repositories = ['main']\nextra_suites = ['edge']";
    assert_eq!(
        scene.names("['app', 'tool@edge']", edge),
        ["app-1-r0", "app-init-1-r0", "tool-2-r0"]
    );
}

#[test]
fn packages_can_be_left_out_by_name() {
    let scene = Scene::publishing(&[
        package("app", "1-r0").with("D", "so:libdoc.so.1 so:libx.so.1"),
        providing("libdoc", "1-r0", "so:libdoc.so.1=1"),
        providing("libx", "1-r0", "so:libx.so.1=1"),
    ]);
    assert_eq!(
        scene.names("['app']", "exclude_packages = ['libdoc']"),
        ["app-1-r0", "libx-1-r0"]
    );
}

#[test]
fn a_package_that_is_not_there_is_named_with_those_that_look_alike() {
    let scene = Scene::publishing(&[
        package("postgresql16-client", "16-r0"),
        package("e", "1-r0").with("D", "gone"),
    ]);
    let text = scene.error("['postgresql-client']", "");
    assert!(
        text.contains(
            "there is no package postgresql-client in v3.20 for x86_64; did you mean postgresql16-client?"
        ),
        "{text}"
    );
    let text = scene.error("['e']", "");
    assert!(
        text.contains("gone is needed and cannot be had: e 1-r0"),
        "{text}"
    );
}
