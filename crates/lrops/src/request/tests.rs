use std::fs;
use std::path::Path;

use clap::Parser;
use expect_test::{Expect, expect};
use lrops_model::oci::Compression;
use lrops_model::request::{NamedContext, Timestamps};

use super::*;
use crate::arguments::{Command, CommandLine};
use crate::report;

/// A directory with a Dockerfile, where the commands of a test are typed.
struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        desk.write("Dockerfile", "FROM scratch\n");
        desk
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn intent_in(&self, variables: &[(&str, &str)], flags: &[&str]) -> Result<Intent, Failure> {
        let line = CommandLine::try_parse_from(["lrops", "build"].iter().chain(flags)).unwrap();
        let Command::Build(arguments) = line.command else {
            panic!("{flags:?}")
        };
        let home = self.path().join("home").display().to_string();
        let mut all = vec![("HOME", home.as_str())];
        all.extend(variables);
        resolve(&arguments, &Environment::for_test(self.path(), &all))
    }

    #[track_caller]
    fn intent(&self, flags: &[&str]) -> Intent {
        self.intent_in(&[], flags)
            .unwrap_or_else(|error| panic!("{}", report::failure(&error)))
    }

    #[expect(clippy::needless_pass_by_value, reason = "expect! gives a value")]
    #[track_caller]
    fn check_refusal(&self, flags: &[&str], expected: Expect) {
        let failure = self.intent_in(&[], flags).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        let text = anstream::adapter::strip_str(&report::failure(&failure)).to_string();
        expected.assert_eq(&text.replace(&self.path().display().to_string(), "DESK"));
    }
}

fn names(platforms: &[Platform]) -> Vec<String> {
    platforms.iter().map(Platform::to_string).collect()
}

#[test]
fn the_older_command_line_is_understood() {
    let desk = Desk::new();
    let intent = desk.intent(&["--architectures", "amd64", "arm64", "arm/v7", "."]);
    assert_eq!(
        names(&intent.request.platforms),
        ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    );
    let intent = desk.intent(&["--architectures", "amd64", "--dry-run"]);
    assert_eq!(intent.method, Method::Plan(Format::Text));
    assert_eq!(
        names(&desk.intent(&["--multiarch"]).request.platforms),
        ["linux/amd64", "linux/arm64"]
    );
    let intent = desk.intent(&["--no-push", "--allow-dirty"]);
    assert!(intent.publish.is_none());
    assert!(intent.notices[0].starts_with("--allow-dirty means nothing here"));
}

#[test]
fn flags_come_before_environment_before_file_before_defaults() {
    let desk = Desk::new();
    let platforms = |variables: &[(&str, &str)], flags: &[&str]| {
        names(&desk.intent_in(variables, flags).unwrap().request.platforms)
    };
    assert_eq!(platforms(&[], &[]), [Platform::host().to_string()]);
    desk.write(
        "lrops.toml",
        "[build]\nplatforms = ['linux/arm64']\nargs = { A = 'file', B = 'file' }\n",
    );
    assert_eq!(platforms(&[], &[]), ["linux/arm64"]);
    assert_eq!(platforms(&[], &["--multiarch"]), ["linux/arm64"]);
    let variable = [("DOCKER_DEFAULT_PLATFORM", "linux/s390x")];
    assert_eq!(platforms(&variable, &[]), ["linux/s390x"]);
    assert_eq!(
        platforms(&variable, &["--platform", "linux/386,linux/386,arm"]),
        ["linux/386", "linux/arm/v7"]
    );
    let intent = desk.intent_in(
        &[("C", "variable")],
        &["--build-arg", "A=flag", "--build-arg", "C", "--build-arg", "D"],
    );
    let args: Vec<_> = intent.unwrap().request.build_args.into_iter().collect();
    let expected = [("A", "flag"), ("B", "file"), ("C", "variable")];
    assert_eq!(
        args,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn progress_is_what_the_nearest_wish_says() {
    let desk = Desk::new();
    let mode =
        |variables: &[(&str, &str)], flags: &[&str]| desk.intent_in(variables, flags).unwrap().progress;
    assert_eq!(mode(&[], &[]), ProgressMode::Plain);
    assert_eq!(
        mode(&[("BUILDKIT_PROGRESS", "rawjson")], &[]),
        ProgressMode::Rawjson
    );
    assert_eq!(
        mode(&[("BUILDKIT_PROGRESS", "rawjson")], &["--progress=none"]),
        ProgressMode::None
    );
    assert_eq!(mode(&[], &["--progress=tty", "-q"]), ProgressMode::Quiet);
}

#[test]
fn an_image_is_as_old_as_its_commit() {
    let desk = Desk::new();
    let created = || desk.intent(&[]).request.created.0;
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_COMMITTER_DATE", "2001-02-03T04:05:06Z")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-C"])
            .arg(desk.path())
            .args(arguments);
        assert!(git.status().unwrap().success(), "{arguments:?}");
    };
    assert_eq!(created(), 0);
    git(&["init", "--quiet"]);
    assert_eq!(created(), 0, "there is no commit");
    git(&["commit", "--quiet", "--allow-empty", "--message=x"]);
    assert_eq!(created(), 981_173_106);
    if rustix::process::geteuid().is_root() {
        // Only its time is read, whoever owns it.
        std::os::unix::fs::chown(desk.path(), Some(65_534), Some(65_534)).unwrap();
        assert_eq!(created(), 981_173_106);
    }
}

#[test]
fn source_date_epoch_is_an_argument_a_time_and_the_date() {
    let desk = Desk::new();
    let request = desk
        .intent_in(&[("SOURCE_DATE_EPOCH", "1234")], &[])
        .unwrap()
        .request;
    assert_eq!(request.build_args["SOURCE_DATE_EPOCH"], "1234");
    assert_eq!(
        (request.created.0, request.timestamps),
        (1234, Timestamps::Fixed(lrops_model::timestamp::Timestamp(1234)))
    );
    let request = desk
        .intent(&["--timestamps=keep", "--build-arg", "SOURCE_DATE_EPOCH=5"])
        .request;
    assert_eq!((request.created.0, request.timestamps), (5, Timestamps::Keep));
    let request = desk.intent(&["--timestamps=77"]).request;
    assert_eq!(
        (request.created.0, request.timestamps),
        (0, Timestamps::Fixed(lrops_model::timestamp::Timestamp(77)))
    );
    assert_eq!(
        desk.intent_in(&[("SOURCE_DATE_EPOCH", "soon")], &[])
            .unwrap_err()
            .exit_code(),
        2
    );
}

#[test]
fn proxies_reach_commands_from_arguments_and_from_dockers_configuration() {
    let desk = Desk::new();
    desk.write(
        "docker/config.json",
        r#"{"auths":{},"proxies":{"default":{"httpProxy":"http://p:1","noProxy":"x"}}}"#,
    );
    let docker = desk.path().join("docker").display().to_string();
    let flags = ["--build-arg", "HTTPS_PROXY=http://q:2", "--build-arg", "OTHER=x"];
    let request = desk
        .intent_in(&[("DOCKER_CONFIG", &docker)], &flags)
        .unwrap()
        .request;
    let proxies: Vec<String> = request
        .proxy_variables
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let expected = [
        "HTTPS_PROXY=http://q:2",
        "HTTP_PROXY=http://p:1",
        "NO_PROXY=x",
        "http_proxy=http://p:1",
        "https_proxy=http://q:2",
        "no_proxy=x",
    ];
    assert_eq!(proxies, expected);
}

#[test]
fn who_gives_both_spellings_of_a_proxy_means_each_as_it_is() {
    let desk = Desk::new();
    let flags = ["--build-arg", "no_proxy=small", "--build-arg", "NO_PROXY=CAPITAL"];
    let proxies = desk.intent(&flags).request.proxy_variables;
    assert_eq!(
        (&*proxies["no_proxy"], &*proxies["NO_PROXY"]),
        ("small", "CAPITAL")
    );
}

#[test]
fn a_dockerfile_in_small_letters_is_found_where_there_is_no_other() {
    let desk = Desk::new();
    desk.write("web/dockerfile", "FROM scratch AS small\n");
    let name = |flags: &[&str]| desk.intent(flags).request.dockerfile.name;
    assert_eq!(name(&["web"]), "dockerfile");
    assert_eq!(name(&["-f", "web/Dockerfile", "web"]), "dockerfile");
    desk.write("web/Dockerfile", "FROM scratch\n");
    assert_eq!(name(&["-f", "web/Dockerfile", "web"]), "web/Dockerfile");
}

#[test]
fn the_dockerfiles_own_ignore_file_comes_before_the_contexts() {
    let desk = Desk::new();
    desk.write("web/.dockerignore", "# all\n/a\n!b\n");
    desk.write("web/Dockerfile", "FROM scratch\n");
    assert_eq!(desk.intent(&["web"]).request.context.ignore, ["a", "!b"]);
    desk.write("other.Dockerfile", "FROM scratch\n");
    assert_eq!(
        desk.intent(&["-f", "other.Dockerfile", "web"])
            .request
            .context
            .ignore,
        ["a", "!b"]
    );
    desk.write("other.Dockerfile.dockerignore", "c\n");
    let request = desk.intent(&["-f", "other.Dockerfile", "web"]).request;
    assert_eq!(
        (request.context.ignore, request.dockerfile.name.as_str()),
        (vec!["c".to_owned()], "other.Dockerfile")
    );
}

#[test]
fn a_dockerfile_in_small_letters_serves_where_no_other_is() {
    let desk = Desk::new();
    desk.write("web/dockerfile", "FROM scratch\n");
    assert_eq!(desk.intent(&["web"]).request.dockerfile.name, "dockerfile");
}

#[test]
fn contexts_of_flags_replace_those_of_the_file_and_they_replace_bases() {
    let desk = Desk::new();
    desk.write("a/x", "");
    desk.write("b/x", "");
    desk.write("tools/Dockerfile", "FROM scratch\n");
    let base = "distribution = 'debian'\nsuite = 'trixie'\npackages = ['libc6']\n";
    desk.write(
        "lrops.toml",
        &format!(
            "[contexts]\none = 'a'\ntwo = 'base:three'\nfour = {{ dockerfile = 'tools/Dockerfile' }}\nfive = 'a'\n\
             [bases.three]\n{base}[bases.five]\n{base}"
        ),
    );
    let contexts = desk.intent(&["--build-context", "one=b"]).request.named_contexts;
    assert_eq!(
        contexts.keys().collect::<Vec<_>>(),
        ["five", "four", "one", "three", "two"]
    );
    assert!(matches!(&contexts["one"], NamedContext::Directory(directory) if directory.path.ends_with("b")));
    assert!(matches!(&contexts["two"], NamedContext::Base(name) if name == "three"));
    assert!(matches!(&contexts["three"], NamedContext::Base(name) if name == "three"));
    assert!(
        matches!(&contexts["four"], NamedContext::Dockerfile(nested) if nested.context.path.ends_with("tools"))
    );
    assert!(matches!(&contexts["five"], NamedContext::Directory(_)));
}

#[test]
fn outputs_have_their_forms() {
    let directory = Path::new("/w");
    let outputs = |text: &str| {
        parse_outputs(&[text.to_owned()], directory)
            .unwrap()
            .places
            .remove(0)
    };
    let file = |path: &str| Destination::File(path.into());
    assert_eq!(
        outputs("out"),
        Output::Files {
            directory: "/w/out".into(),
            split: None
        }
    );
    assert_eq!(
        outputs("-"),
        Output::FilesArchive {
            destination: Destination::Stdout,
            split: None
        }
    );
    assert_eq!(outputs("type=oci,dest=a.tar"), Output::Archive(file("/w/a.tar")));
    assert_eq!(outputs("type=oci,dest=-"), Output::Archive(Destination::Stdout));
    assert_eq!(outputs("type=oci,dest=/x,tar=false"), Output::Layout("/x".into()));
    assert_eq!(
        outputs("type=local,dest=d,platform-split=false"),
        Output::Files {
            directory: "/w/d".into(),
            split: Some(false)
        }
    );
    assert_eq!(
        outputs("type=tar,dest=d"),
        Output::FilesArchive {
            destination: file("/w/d"),
            split: None
        }
    );
    assert_eq!(outputs("type=image"), Output::Store);
    assert_eq!(outputs("type=cacheonly"), Output::CacheOnly);
    let all = [
        "type=oci,dest=a,compression=zstd,name=x:1,annotation.k=v".to_owned(),
        "b".to_owned(),
    ];
    let all = parse_outputs(&all, directory).unwrap();
    assert_eq!(all.compression, Some(Compression::Zstd));
    assert_eq!(
        (all.places.len(), all.names.len(), all.annotations.len()),
        (2, 1, 1)
    );
}

#[test]
fn secrets_come_from_files_and_variables() {
    let desk = Desk::new();
    desk.write("key", "from file");
    let secret = |flag: &str| {
        let intent = desk
            .intent_in(&[("TOKEN", "from variable")], &["--secret", flag])
            .unwrap();
        String::from_utf8(intent.request.secrets.into_values().next().unwrap().0).unwrap()
    };
    for flag in ["id=a,src=key", "id=a,source=key", "id=key", "type=file,id=key"] {
        assert_eq!(secret(flag), "from file", "{flag}");
    }
    for flag in [
        "id=a,env=TOKEN",
        "id=TOKEN",
        "id=a,type=env,src=TOKEN",
        "type=env,id=TOKEN",
    ] {
        assert_eq!(secret(flag), "from variable", "{flag}");
    }
}

#[test]
fn hosts_are_names_with_addresses() {
    let desk = Desk::new();
    let flags = [
        "--add-host",
        "a:10.0.0.5,b=::1",
        "--add-host",
        "c:[::2]",
        "--add-host=d:host-gateway",
    ];
    let hosts = desk.intent(&flags).request.extra_hosts;
    let hosts: Vec<String> = hosts
        .iter()
        .map(|(name, address)| format!("{name} {address}"))
        .collect();
    assert_eq!(hosts, ["a 10.0.0.5", "b ::1", "c ::2", "d 127.0.0.1"]);
}

#[test]
fn what_is_typed_wrongly_is_refused_with_advice() {
    let desk = Desk::new();
    desk.check_refusal(&["--platform", "linux/amd46/x/y"], expect![[r#"error: --platform: "linux/amd46/x/y" is no platform: it has more than three parts (expected os/architecture[/variant], such as linux/arm64 or linux/arm/v7)"#]]);
    desk.check_refusal(
        &["--output", "type=ocl,dest=x"],
        expect![[r#"
        error: --output: there is no output of type "ocl"
         |
         = help: did you mean oci?"#]],
    );
    desk.check_refusal(
        &["--output", "type=oci,dst=x"],
        expect![[r#"error: --output: "type=oci,dst=x" needs dest=PATH"#]],
    );
    desk.check_refusal(
        &["--output", "type=docker,dest=x"],
        expect![[r"
        error: --output=type=docker is not supported yet
         |
         = help: use type=oci,dest=FILE; docker load of an engine with the containerd store reads it"]],
    );
    desk.check_refusal(
        &["nowhere"],
        expect!["error: the context DESK/nowhere is not there"],
    );
    desk.check_refusal(
        &["https://example.com/repository.git"],
        expect![[r"
        error: the context https://example.com/repository.git is not supported yet
         |
         = help: download or clone it, and name the directory"]],
    );
    desk.check_refusal(
        &["-f", "nothing"],
        expect![[r#"
        error: failed to read the Dockerfile: open DESK/nothing: no such file or directory
         |
         = help: name it with --file, or write dockerfile = "…" into lrops.toml's [build]"#]],
    );
    desk.check_refusal(
        &["--push"],
        expect![[r"
            error: --push: the image has no name to be published under
             |
             = help: give it one: --tag registry.example/team/app:1.2.3, or --repository registry.example/team/app for a name by git's version; or tags or repositories under [build] in lrops.toml"]],
    );
    desk.check_refusal(
        &["--network", "bridge"],
        expect![[r#"
        error: --network: there is no network "bridge"
         |
         = help: commands can have the host's network (default) or none"#]],
    );
    desk.check_refusal(&["--tag", "A:b"], expect![[r#"error: --tag: "A:b" is no image reference: a repository has lower-case letters and digits, separated by '.', '_', '__' or '-', and components by '/'"#]]);
    desk.check_refusal(
        &["--build-context", "x=base:nope"],
        expect![[r#"error: the context "x": there is no base "nope" in lrops.toml"#]],
    );
    desk.check_refusal(
        &["--jobs", "0"],
        expect!["error: --jobs: at least one step must run at a time"],
    );
    desk.check_refusal(
        &["--call", "outline"],
        expect![[r"
        error: --call=outline is not supported yet
         |
         = help: `lrops plan` shows the stages that a build uses"]],
    );
}

#[test]
fn an_annotation_of_what_is_not_built_is_answered() {
    let desk = Desk::new();
    let notices = |flags: &[&str]| desk.intent(flags).notices;
    let one = notices(&[
        "--platform=linux/amd64",
        "--annotation=index:a=b",
        "--annotation=manifest[linux/arm64]:a=b",
        "--annotation=manifest[linux/amd64]:a=b",
        "--annotation=a=b",
        ".",
    ]);
    assert_eq!(
        one,
        [
            "--annotation index:a=b: an image for one platform has no index",
            "--annotation manifest[linux/arm64]:a=b: linux/arm64 is not built, but linux/amd64 alone",
        ]
    );
    let two = [
        "--platform=linux/amd64,linux/arm64",
        "--annotation=manifest[linux/arm64],index:a=b",
        ".",
    ];
    assert_eq!(notices(&two), Vec::<String>::new());
    desk.check_refusal(
        &[
            "--platform=linux/amd64,linux/arm64",
            "--annotation=manifest-descriptor[linux/arm/v7]:a=b",
            ".",
        ],
        expect!["error: --annotation manifest-descriptor[linux/arm/v7]:a=b: linux/arm/v7 is not built, but linux/amd64, linux/arm64"],
    );
}
