//! The main job: `examples/hello` for three platforms, with the real tool chains from the real mirrors.
//!
//! One cold build serves all tests; each changes a copy of the example and looks at what is done again. The programs
//! are run: amd64's in a sandbox, from its image; the others under QEMU.

#[path = "../builds/laboratory.rs"]
#[expect(dead_code, reason = "these tests need less of it than others")]
mod laboratory;
#[path = "../builds/web.rs"]
mod web;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use laboratory::{Ended, Laboratory, busybox};
use serde_json::Value;

/// The example after its cold build.
struct Hello {
    laboratory: Laboratory,
    cold: Ended,
}

/// Builds the example the first time; the lock keeps tests from changing it under each other. When the cold build fails,
/// every test says why, and none tries it again.
#[track_caller]
fn hello() -> MutexGuard<'static, Hello> {
    static HELLO: OnceLock<Result<Mutex<Hello>, String>> = OnceLock::new();
    let hello = HELLO.get_or_init(|| {
        let laboratory = Laboratory::new();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello");
        let copied = Command::new("cp")
            .args(["-r"])
            .arg(example.join("."))
            .arg(laboratory.context())
            .status();
        assert!(copied.unwrap().success());
        let cold = build(&laboratory);
        if cold.code == Some(0) {
            Ok(Mutex::new(Hello { laboratory, cold }))
        } else {
            Err(cold.stderr)
        }
    });
    match hello {
        Ok(hello) => hello.lock().unwrap_or_else(PoisonError::into_inner),
        Err(why) => panic!("the example was not built: {why}"),
    }
}

fn build(laboratory: &Laboratory) -> Ended {
    let output = format!("type=oci,tar=false,dest={}", layout(laboratory).display());
    laboratory.run([
        "build",
        "--progress=rawjson",
        "--tag",
        "hello:test",
        "--output",
        &output,
        ".",
    ])
}

fn layout(laboratory: &Laboratory) -> PathBuf {
    laboratory.path("layout")
}

/// How often a step that begins so really ran.
fn times(ended: &Ended, what: &str) -> usize {
    ended.ran().iter().filter(|step| step.starts_with(what)).count()
}

#[test]
fn three_platforms_are_built_with_one_ui_and_without_emulation() {
    let hello = hello();
    let planned = hello
        .cold
        .events()
        .into_iter()
        .find(|event| event["event"] == "planned")
        .unwrap();
    assert_eq!(planned["emulated"], 0);
    assert_eq!(
        times(&hello.cold, "RUN --network=none npm run build"),
        1,
        "{:#?}",
        hello.cold.ran()
    );
    assert_eq!(
        times(
            &hello.cold,
            "RUN --mount=type=cache,target=/var/cache/npm --mount=type=secret,id=host-ca"
        ),
        1
    );
    let compiled = hello
        .cold
        .ran()
        .into_iter()
        .filter(|step| step.contains("go build"))
        .count();
    assert_eq!(compiled, 3, "{:#?}", hello.cold.ran());
}

#[test]
fn the_image_is_proved_and_other_tools_read_it() {
    let hello = hello();
    let path = layout(&hello.laboratory);
    let verified = hello
        .laboratory
        .run(["verify", "--format", "json", path.to_str().unwrap()])
        .succeeded();
    let report: Value = serde_json::from_str(&verified.stdout).unwrap();
    let text = report.to_string();
    for platform in ["linux/amd64", "linux/arm64", "linux/arm/v7"] {
        assert!(text.contains(platform), "{text}");
    }
    let copy = hello.laboratory.path("copy");
    let arguments = [
        "--insecure-policy",
        "copy",
        "--all",
        &format!("oci:{}:test", path.display()),
        &format!("oci:{}:x", copy.display()),
    ];
    let copied = Command::new("skopeo").args(arguments).output().unwrap();
    assert!(
        copied.status.success(),
        "{}",
        String::from_utf8_lossy(&copied.stderr)
    );
    let original = fs::read_to_string(path.join("index.json")).unwrap();
    let copied = fs::read_to_string(copy.join("index.json")).unwrap();
    let digest = |text: &str| serde_json::from_str::<Value>(text).unwrap()["manifests"][0]["digest"].clone();
    assert_eq!(digest(&original), digest(&copied), "a copy keeps every byte");
}

#[test]
fn umoci_unpacks_each_platform() {
    let hello = hello();
    let source = format!("oci:{}:test", layout(&hello.laboratory).display());
    for (architecture, variant, library) in [
        ("amd64", "", "x86-64"),
        ("arm64", "", "ARM aarch64"),
        ("arm", "v7", "ARM, EABI5"),
    ] {
        // umoci takes layouts of one platform, so skopeo picks it out of the index first.
        let one = hello.laboratory.path(&format!("one-{architecture}"));
        let mut copy = Command::new("skopeo");
        copy.args([
            "--insecure-policy",
            "--override-os",
            "linux",
            "--override-arch",
            architecture,
        ]);
        if !variant.is_empty() {
            copy.args(["--override-variant", variant]);
        }
        let copied = copy
            .args(["copy", &source, &format!("oci:{}:x", one.display())])
            .output()
            .unwrap();
        assert!(
            copied.status.success(),
            "{}",
            String::from_utf8_lossy(&copied.stderr)
        );
        let bundle = hello.laboratory.path(&format!("bundle-{architecture}"));
        let unpacked = Command::new("umoci")
            .args(["unpack", "--image", &format!("{}:x", one.display())])
            .arg(&bundle)
            .output()
            .unwrap();
        assert!(
            unpacked.status.success(),
            "{}",
            String::from_utf8_lossy(&unpacked.stderr)
        );
        let kind = Command::new("file")
            .arg(bundle.join("rootfs/usr/local/bin/hello"))
            .output()
            .unwrap();
        assert!(
            String::from_utf8_lossy(&kind.stdout).contains(library),
            "{kind:?}"
        );
    }
}

#[test]
fn a_second_build_runs_nothing() {
    let hello = hello();
    let again = build(&hello.laboratory).succeeded();
    assert_eq!(again.ran(), [""; 0]);
    assert_eq!(again.stdout, hello.cold.stdout);
}

/// Changes a file of the example, builds, and changes it back.
fn after_change(hello: &Hello, name: &str, change: impl Fn(&str) -> String) -> Ended {
    let path = hello.laboratory.context().join(name);
    let before = fs::read_to_string(&path).unwrap();
    fs::write(&path, change(&before)).unwrap();
    let ended = build(&hello.laboratory);
    fs::write(&path, before).unwrap();
    ended.succeeded()
}

#[test]
fn a_changed_go_file_leaves_the_ui_and_the_bases_cached() {
    let hello = hello();
    let changed = after_change(&hello, "server/main.go", |text| {
        text.to_owned() + "\nvar changedByTest = 1\n\nfunc init() { changedByTest++ }\n"
    });
    let ran = changed.ran();
    assert!(ran.iter().any(|step| step.contains("go build")), "{ran:#?}");
    assert!(
        !ran.iter()
            .any(|step| step.contains("npm") || step.starts_with("FROM")),
        "{ran:#?}"
    );
    let resolved = changed.events().into_iter().filter(|event| {
        event["name"]["activity"]
            .as_str()
            .is_some_and(|name| name.contains("resolving"))
    });
    assert!(
        resolved.count() >= 5,
        "bases are looked up, and not assembled again"
    );
}

#[test]
fn a_changed_ui_file_leaves_what_does_not_depend_on_it() {
    let hello = hello();
    let changed = after_change(&hello, "ui/index.html", |text| {
        text.replace("</body>", "<p>changed</p></body>")
    });
    let ran = changed.ran();
    assert!(ran.iter().any(|step| step.contains("npm run build")), "{ran:#?}");
    assert!(
        !ran.iter()
            .any(|step| step.contains("npm ci") || step.contains("pip")),
        "{ran:#?}"
    );
    assert!(
        !ran.iter().any(|step| step.starts_with("COPY server/")),
        "{ran:#?}"
    );
}

/// Returns the files of one platform's image.
fn files(hello: &Hello, platform: &str) -> PathBuf {
    let path = hello
        .laboratory
        .path(&format!("files-{}", platform.replace('/', "_")));
    let output = format!("type=local,dest={}", path.display());
    hello
        .laboratory
        .run(["build", "--platform", platform, "--output", &output, "."])
        .succeeded();
    path
}

/// A server that is stopped when the test is over.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program of the image under QEMU, and asks it for its page.
fn serves_its_page(platform: &str, emulator: &str, reported: &str) {
    let root = files(&hello(), platform);
    let address = web::free_address();
    let mut command = Command::new(emulator);
    command
        .arg(root.join("usr/local/bin/hello"))
        .args(["--addr", &address]);
    let _server = Server(
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let deadline = Instant::now() + Duration::from_secs(30);
    let page = loop {
        if let Some(page) = web::ask(&address, "GET", "/", "") {
            break page;
        }
        assert!(
            Instant::now() < deadline,
            "{platform}: the server does not answer"
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(page.starts_with("HTTP/1.0 200"), "{page}");
    assert!(
        page.contains("<script"),
        "the page is the one that Vite made: {page}"
    );
    let answer = web::ask(&address, "GET", "/api/hello", "").unwrap();
    assert!(answer.contains(reported), "{answer}");
}

#[test]
fn the_arm64_server_serves_its_page() {
    serves_its_page("linux/arm64", "qemu-aarch64-static", "arm64");
}

#[test]
fn the_arm_v7_server_serves_its_page() {
    serves_its_page("linux/arm/v7", "qemu-arm-static", "arm");
}

#[test]
fn the_amd64_server_serves_its_page_in_a_sandbox_from_its_image() {
    let hello = hello();
    let runner = Laboratory::new();
    runner.dockerfile(
        "FROM hello\nCOPY --from=busybox /bin/busybox /test/busybox\n\
         RUN --network=none [\"/test/busybox\", \"sh\", \"-c\", \"/usr/local/bin/hello & /test/busybox sleep 1; \
         /test/busybox wget -q -O - 'http://127.0.0.1:8080/api/hello?zone=Europe/Berlin' && \
         /test/busybox wget -q -O - http://127.0.0.1:8080/ && /usr/local/bin/hello --healthcheck && /test/busybox id -u\"]\n",
    );
    let image = format!("hello=oci-layout://{}:test", layout(&hello.laboratory).display());
    let tools = format!("busybox=oci-layout://{}", busybox().display());
    let arguments = [
        "build",
        "--progress=plain",
        "--platform",
        "linux/amd64",
        "--build-context",
        &image,
        "--build-context",
        &tools,
        ".",
    ];
    let ended = runner.run(arguments).succeeded();
    let text = &ended.stderr;
    assert!(text.contains("<script"), "{text}");
    assert!(text.contains("Europe/Berlin") && text.contains("10001"), "{text}");
}
