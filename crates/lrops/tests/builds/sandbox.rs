//! What commands see, and what stays of it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::laboratory::Laboratory;

/// Runs one command and returns what it wrote to /out.
fn check(run: &str, more: &[&str], expected: &str) {
    let laboratory = Laboratory::new();
    laboratory
        .dockerfile(&format!("FROM busybox\n{run}\n"))
        .file("a", "from the context")
        .file("d/b", "deep");
    fs::write(laboratory.path("secret"), "s3cr3t-value").unwrap();
    let secret = format!("id=token,src={}", laboratory.path("secret").display());
    let mut arguments = vec!["--secret", &secret];
    arguments.extend(more);
    let files = laboratory.files(&arguments);
    assert_eq!(
        fs::read_to_string(files.join("out")).unwrap().trim_end(),
        expected,
        "{run}"
    );
}

#[test]
fn commands_run_with_their_user_directory_and_environment() {
    check("RUN id -u >/out", &[], "0");
    check(
        "RUN mkdir /o && chmod 777 /o\nUSER app\nRUN id >/o/id\nUSER root\nRUN cp /o/id /out",
        &[],
        "uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)",
    );
    check("WORKDIR /a/b\nRUN pwd >/out", &[], "/a/b");
    check("ENV A=1 B=$A\nARG C=3\nRUN echo $A-$B-$C >/out", &[], "1--3");
    check("USER app\nENV HOME=\nUSER root\nRUN echo $HOME >/out", &[], "");
    check(
        "SHELL [\"/bin/sh\", \"-e\", \"-c\"]
RUN echo reached >/out; true",
        &[],
        "reached",
    );
}

#[test]
fn heredocs_are_scripts() {
    check("RUN <<EOF\necho one >/out\necho two >>/out\nEOF", &[], "one\ntwo");
    check(
        "RUN <<EOF\n#!/bin/busybox sh\necho $0 >/out\nEOF",
        &[],
        "/dev/pipes/EOF",
    );
    check(
        "COPY <<EOF /out\nhello $HOME\nEOF",
        &["--build-arg", "HOME=x"],
        "hello",
    );
}

#[test]
fn mounts_show_what_they_are_asked_for_and_leave_nothing() {
    check(
        "RUN --mount=type=bind,target=/ctx cat /ctx/a /ctx/d/b >/out",
        &[],
        "from the contextdeep",
    );
    check(
        "RUN --mount=type=bind,source=d,target=/ctx,rw echo new >/ctx/b && cat /ctx/b >/out",
        &[],
        "new",
    );
    check(
        "RUN --mount=type=tmpfs,target=/t echo x >/t/x && cp /t/x /out\nRUN test ! -e /t",
        &[],
        "x",
    );
    check(
        "RUN --mount=type=cache,target=/c echo x >>/c/x && cp /c/x /out\nRUN test ! -e /c/x",
        &[],
        "x",
    );
    check(
        "RUN --mount=type=secret,id=token cat /run/secrets/token >/dev/null && echo seen >/out\nRUN test ! -e /run/secrets",
        &[],
        "seen",
    );
    check(
        "RUN --mount=type=secret,id=token,env=TOKEN test \"$TOKEN\" = s3cr3t-value && echo seen >/out",
        &[],
        "seen",
    );
    check("RUN --network=none ls /sys/class/net >/out", &[], "lo");
}

#[test]
fn a_secret_is_in_no_file_of_the_store_and_in_no_output() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("FROM busybox\nRUN --mount=type=secret,id=token --mount=type=secret,id=token,env=TOKEN wc -c /run/secrets/token\n");
    fs::write(laboratory.path("secret"), "s3cr3t-value").unwrap();
    let secret = format!("id=token,src={}", laboratory.path("secret").display());
    let built = laboratory.build(&["--secret", &secret]).succeeded();
    assert!(!built.stderr.contains("s3cr3t-value"));
    let found = std::process::Command::new("grep")
        .args(["-r", "s3cr3t-value"])
        .arg(laboratory.store())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    // Another secret is no reason to do the step again.
    fs::write(laboratory.path("secret"), "0th3r-value!").unwrap();
    assert_eq!(
        laboratory.build(&["--secret", &secret]).succeeded().ran(),
        [""; 0]
    );
}

#[test]
fn a_secret_that_is_required_and_missing_is_named() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("FROM busybox\nRUN --mount=type=secret,id=token,required=true true\n");
    let text = laboratory.build(&[]).failed(1).stderr;
    assert!(text.contains("secret token: not found"), "{text}");
}

#[test]
fn the_users_own_directory_is_never_written() {
    let laboratory = Laboratory::new();
    laboratory
        .dockerfile("FROM busybox\nRUN --mount=type=bind,target=/ctx,rw rm -r /ctx/d && echo x >/ctx/a\n");
    laboratory.file("a", "mine").file("d/b", "mine");
    laboratory.build(&[]).succeeded();
    assert_eq!(
        fs::read_to_string(laboratory.context().join("a")).unwrap(),
        "mine"
    );
    assert!(laboratory.context().join("d/b").exists());
}

#[test]
fn links_in_an_image_never_lead_out_of_it() {
    let laboratory = Laboratory::new();
    let outside = laboratory.path("outside");
    fs::create_dir(&outside).unwrap();
    let text = format!(
        "FROM busybox\nRUN ln -s {0} /way && ln -s / /root-link\nCOPY a /way/a\nCOPY a /root-link/b\n",
        outside.display()
    );
    laboratory.dockerfile(&text).file("a", "content");
    let files = laboratory.files(&[]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(files.join("b")).unwrap(), "content");
}

#[test]
fn copies_get_the_mode_and_owner_that_are_asked_for() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile(
        "FROM busybox AS made\nCOPY --chmod=640 --chown=app:extra a /a\nCOPY --exclude=*.md d /d\nCOPY d/*.txt /t/\n\
         RUN stat -c '%a %u %g' /a >/out && ls /d /t >>/out\nFROM scratch\nCOPY --from=made /out /out\n",
    );
    laboratory
        .file("a", "")
        .file("d/x.md", "")
        .file("d/y.txt", "")
        .file("d/z", "");
    let files = laboratory.files(&[]);
    let out = fs::read_to_string(files.join("out")).unwrap();
    assert_eq!(out, "640 1000 2000\n/d:\ny.txt\nz\n\n/t:\ny.txt\n");
    assert_eq!(fs::metadata(files.join("out")).unwrap().mode() & 0o777, 0o644);
}

#[test]
fn the_hosts_authorities_are_offered_and_leave_no_trace() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("FROM busybox\nRUN test -s \"$SSL_CERT_FILE\" && echo $SSL_CERT_FILE\n");
    let with = laboratory.build(&["--host-ca=on"]).succeeded();
    assert!(
        with.stderr.contains("/run/lrops/ca-certificates.crt"),
        "{}",
        with.stderr
    );
    let without = laboratory.build(&["--host-ca=off"]).succeeded();
    assert_eq!(
        (without.ran(), &without.stdout),
        (Vec::new(), &with.stdout),
        "they enter no key and no image"
    );
}
