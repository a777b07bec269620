//! `lrops check`: what it says, and what it writes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use serde_json::Value;

use super::{Desk, Ran};

const TWO: &str = "linux/amd64,linux/arm64";
const BAD: &str = "FROM scratch\r\n# why\r\nARG TARGETARCH=amd64\r\nCOPY a-$TARGETARCH /a";
const GOOD: &str = "FROM scratch\r\n# why\r\nARG TARGETARCH\r\nCOPY a-$TARGETARCH /a";
const DIFF: &str = "--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1,4 +1,4 @@\n FROM scratch\r\n # why\r\n-ARG TARGETARCH=amd64\r\n\
                    +ARG TARGETARCH\r\n COPY a-$TARGETARCH /a\n\\ No newline at end of file\n";

fn text(desk: &Desk, name: &str) -> String {
    fs::read_to_string(desk.path().join(name)).unwrap()
}

#[test]
fn findings_are_data_and_warnings_are_no_failure() {
    let desk = Desk::new();
    desk.write("Dockerfile", BAD);
    let ran = desk.run(&["check", "--platform", TWO]).exits(0);
    assert!(ran.stdout().contains("PlatformArgDefault"), "{}", ran.stdout());
    assert!(ran.stdout().contains("Dockerfile:3:1"), "{}", ran.stdout());
    ran.says("1 finding found")
        .says("1 can be mended: lrops check --platform linux/amd64,linux/arm64 --fix");
    desk.write("Dockerfile", GOOD)
        .run(&["check"])
        .exits(0)
        .says("no warnings found");
    desk.write("Dockerfile", "FROM scratch\nCOPPY a b\n")
        .run(&["check"])
        .exits(3)
        .says("the check found 1 error");
}

#[test]
fn a_check_before_a_build_says_which_command_mends() {
    let desk = Desk::new();
    desk.write("Dockerfile", BAD);
    desk.run(&["build", "--check", "--platform", TWO, "."])
        .exits(0)
        .says("1 can be mended: lrops check --fix --platform linux/amd64,linux/arm64 --file Dockerfile");
}

#[test]
fn fix_writes_the_file_and_shows_the_difference() {
    let desk = Desk::new();
    desk.write("real", BAD);
    let real = desk.path().join("real");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real", desk.path().join("Dockerfile")).unwrap();

    let ran = desk.run(&["check", "--diff", "--platform", TWO]).exits(0);
    assert_eq!(ran.stdout(), DIFF);
    assert_eq!(text(&desk, "real"), BAD, "--diff writes nothing");

    let ran = desk.run(&["check", "--fix", "--platform", TWO]).exits(0);
    assert_eq!(ran.stdout(), DIFF);
    ran.says("mended PlatformArgDefault").says("no warnings found");
    assert_eq!(text(&desk, "real"), GOOD);
    assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o640);
    assert!(desk.path().join("Dockerfile").is_symlink());

    let ran = desk.run(&["check", "--fix", "--platform", TWO]).exits(0);
    assert_eq!(ran.stdout(), "", "there is nothing left to mend");
    let left = fs::read_dir(desk.path()).unwrap().count();
    assert_eq!(left, 3, "the file, the link, the store");
}

#[test]
fn what_fix_leaves_is_said_and_counts() {
    let desk = Desk::new();
    let text = "# check=error=true\nFROM scratch\nARG TARGETARCH=amd64\nMAINTAINER me\n";
    desk.write("Dockerfile", text)
        .run(&["check", "--fix", "--platform", TWO])
        .exits(3)
        .says("mended PlatformArgDefault")
        .says("MaintainerDeprecated")
        .says("2 findings left");
}

#[test]
fn nothing_is_written_where_the_file_is_not_what_was_read() {
    let desk = Desk::new();
    let bytes = b"FROM scratch\n# caf\xe9\nARG TARGETARCH=amd64\n";
    fs::write(desk.path().join("Dockerfile"), bytes).unwrap();
    desk.run(&["check", "--fix", "--platform", TWO])
        .exits(1)
        .says("failed to write")
        .says("it is not UTF-8");
    assert_eq!(fs::read(desk.path().join("Dockerfile")).unwrap(), bytes);
}

#[test]
fn what_was_written_is_shown_though_another_file_fails() {
    let desk = Desk::new();
    desk.write("Dockerfile", BAD);
    fs::write(
        desk.path().join("other"),
        b"FROM scratch\n# \xe9\nARG TARGETARCH=a\n",
    )
    .unwrap();
    let files = ["-f", "Dockerfile", "-f", "other"];
    let ran = desk.run(&[&["check", "--fix", "--platform", TWO][..], &files].concat());
    let ran = ran.exits(1).says("Dockerfile: mended PlatformArgDefault");
    assert_eq!(ran.stdout(), DIFF);
    assert_eq!(text(&desk, "Dockerfile"), GOOD);
}

#[test]
fn a_file_that_is_named_twice_is_mended_once() {
    let desk = Desk::new();
    desk.write("Dockerfile", BAD);
    symlink("Dockerfile", desk.path().join("link")).unwrap();
    let files = ["-f", "Dockerfile", "-f", "./Dockerfile", "-f", "link"];
    let ran = desk.run(&[&["check", "--fix", "--platform", TWO][..], &files].concat());
    assert_eq!(ran.exits(0).stdout(), DIFF);
    assert_eq!(text(&desk, "Dockerfile"), GOOD);
}

#[test]
fn standard_input_is_checked_and_cannot_be_written() {
    let desk = Desk::new();
    desk.write("in", BAD);
    let run = |arguments: &[&str]| {
        let mut command = desk.command(arguments);
        command.stdin(fs::File::open(desk.path().join("in")).unwrap());
        Ran(command.output().unwrap())
    };
    run(&["check", "--fix", "-"])
        .exits(2)
        .says("the Dockerfile comes from standard input")
        .says("--diff");
    let ran = run(&["check", "--diff", "--platform", TWO, "-"]).exits(0);
    assert_eq!(ran.stdout(), DIFF);
}

#[test]
fn several_dockerfiles_are_checked_one_after_the_other() {
    let desk = Desk::new();
    desk.write("one.Dockerfile", "FROM scratch\nARG TARGETARCH=a\n")
        .write("two.Dockerfile", "FROM scratch\nCOPPY a b\n");
    let files = ["-f", "one.Dockerfile", "-f", "two.Dockerfile"];
    let check = |more: &[&str]| {
        let arguments = [&["check", "--platform", TWO][..], &files, more].concat();
        desk.run(&arguments).exits(3)
    };
    check(&[])
        .says("one.Dockerfile: 1 finding found")
        .says("two.Dockerfile: 1 finding found")
        .says("the check found 1 error");
    let documents: Value = serde_json::from_str(&check(&["--format=json", "--diff"]).stdout()).unwrap();
    assert_eq!(documents[0]["mended"][0]["ruleName"], "PlatformArgDefault");
    assert!(
        documents[0]["diff"]
            .as_str()
            .unwrap()
            .contains("-ARG TARGETARCH=a")
    );
    assert_eq!(documents[0]["warnings"].as_array().unwrap().len(), 0);
    assert_eq!(
        documents[1]["errors"][0]["location"]["ranges"][0]["start"]["line"],
        2
    );
    let document: Value = serde_json::from_str(
        &desk
            .run(&[
                "check",
                "--format=json",
                "--platform",
                TWO,
                "-f",
                "one.Dockerfile",
            ])
            .stdout(),
    )
    .unwrap();
    assert_eq!(document["warnings"][0]["cure"][0]["span"]["start"], 27);
}
