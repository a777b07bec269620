//! `lrops login`, and whose credentials a registry is shown, with the program as a user starts it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

/// A registry that lets `a` with the password `sesame` in, and says what it was shown.
struct Guarded {
    name: String,
    shown: Arc<Mutex<Vec<String>>>,
}

/// `a:sesame`, as it is shown.
const RIGHT: &str = "Basic YTpzZXNhbWU=";

impl Guarded {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = listener.local_addr().unwrap().to_string();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let seen = shown.clone();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut headers = BTreeMap::new();
                for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                    if line.is_empty() {
                        break;
                    }
                    let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                    headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
                }
                let value = headers.get("authorization").cloned();
                let status = match value.as_deref() {
                    Some(RIGHT) => "200 OK",
                    _ => "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"",
                };
                seen.lock().unwrap().extend(value);
                let answer =
                    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}");
                // Who hangs up early is no matter.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { name, shown }
    }

    /// The last that was shown.
    fn last(&self) -> Option<String> {
        self.shown.lock().unwrap().pop()
    }
}

/// A home, and variables.
struct Home {
    directory: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl Home {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            variables: BTreeMap::new(),
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// Writes a file with credentials.
    fn write_login(&self, name: &str, registry: &Guarded, user: &str) {
        self.write(name, &login(registry, user));
    }

    fn prepare(&self, command: &mut Command) {
        command
            .current_dir(self.directory.path())
            .env_clear()
            .env("HOME", self.directory.path())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LROPS_ROOT", self.path("store"))
            .envs(&self.variables);
    }

    fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lrops"));
        self.prepare(&mut command);
        let command = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that does not read ends all the same.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ran(child.wait_with_output().unwrap())
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, "")
    }

    /// Builds an image from one of the registry's, which refuses everybody; returns what it was shown.
    fn shown_to(&self, registry: &Guarded) -> Option<String> {
        self.write("Dockerfile", &format!("FROM {}/team/app\n", registry.name));
        self.run(&["plan", "."]).exits(6).says("unauthorized");
        registry.last()
    }
}

fn login(registry: &Guarded, user: &str) -> String {
    format!(
        r#"{{"auths":{{"{}":{{"username":"{user}","password":"x"}}}}}}"#,
        registry.name
    )
}

struct Ran(Output);

impl Ran {
    fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(code), "{}", self.stderr());
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(
            self.stderr().contains(text),
            "{text:?} is not in:\n{}",
            self.stderr()
        );
        self
    }
}

const CONFIG: &str = ".docker/config.json";

#[test]
fn a_login_is_tried_and_kept_and_removed() {
    let (home, registry) = (Home::new(), Guarded::start());
    let arguments = ["login", &registry.name, "-u", "a", "--password-stdin"];
    let ran = home.run_with_input(&arguments, "sesame\n").exits(0);
    let ran = ran
        .says("Login Succeeded")
        .says("stored unencrypted")
        .says(CONFIG);
    assert!(!ran.stderr().contains("sesame"), "{}", ran.stderr());
    let text = fs::read_to_string(home.path(CONFIG)).unwrap();
    assert!(text.contains("YTpzZXNhbWU="), "{text}");
    let mode = fs::metadata(home.path(CONFIG)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(registry.last().as_deref(), Some(RIGHT));
    let arguments = ["logout", &registry.name];
    home.run(&arguments).exits(0).says("Removed login credentials");
    home.run(&arguments).exits(0).says("Not logged in to");
    assert!(
        !fs::read_to_string(home.path(CONFIG))
            .unwrap()
            .contains("YTpzZXNhbWU=")
    );
}

#[test]
fn a_wrong_password_exits_with_6_and_is_not_kept() {
    let (home, registry) = (Home::new(), Guarded::start());
    let arguments = ["login", &registry.name, "-u", "a", "-p", "wrong"];
    home.run(&arguments)
        .exits(6)
        .says("failed to log in to 127.0.0.1:")
        .says("unauthorized")
        .says("use --password-stdin");
    assert!(!home.path(CONFIG).exists());
}

#[test]
fn a_login_without_a_terminal_needs_all_on_the_command_line() {
    let (home, registry) = (Home::new(), Guarded::start());
    let check = |arguments: &[&str], words: &str| {
        let all = [&["login", &registry.name], arguments].concat();
        home.run(&all).exits(2).says(words);
    };
    check(&[], "there is no terminal");
    check(&["-u", "a"], "--password-stdin");
    check(&["--password-stdin"], "needs --username");
    check(
        &["-u", "a", "--password-stdin"],
        "there is no password on standard input",
    );
    check(&["-p", "x", "--password-stdin"], "cannot be used with");
    home.run(&["login", "no registry", "-u", "a", "-p", "b"])
        .exits(2)
        .says("is no registry");
    home.run(&[
        "login",
        &registry.name,
        "-u",
        "a",
        "-p",
        "b",
        "--registry-ca",
        "none.pem",
    ])
    .exits(2)
    .says("there is no file");
    assert_eq!(registry.last(), None);
}

#[test]
fn a_registry_that_cannot_be_reached_exits_with_1() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let name = free.to_string();
    let arguments = [
        "login",
        &name,
        "-u",
        "a",
        "-p",
        "b",
        "--retries=1",
        "--retry-wait=0",
    ];
    Home::new().run(&arguments).exits(1).says("the connection failed");
}

#[test]
fn a_named_file_is_what_logins_go_to() {
    let (mut home, registry) = (Home::new(), Guarded::start());
    home.set("REGISTRY_AUTH_FILE", "own/auth.json");
    let arguments = ["login", &registry.name, "-u", "a", "--password-stdin"];
    home.run_with_input(&arguments, "sesame")
        .exits(0)
        .says("own/auth.json");
    assert!(home.path("own/auth.json").exists() && !home.path(CONFIG).exists());
}

#[test]
fn a_person_at_a_terminal_is_asked_and_the_password_not_shown() {
    let (home, registry) = (Home::new(), Guarded::start());
    // `script` gives a terminal.
    let line = format!("{} login {}", env!("CARGO_BIN_EXE_lrops"), registry.name);
    let mut command = Command::new("script");
    home.prepare(&mut command);
    let command = command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut seen = String::new();
    for (question, answer) in [("Username: ", "a\n"), ("Password: ", "wrong\u{15}sesame\n")] {
        while !seen.ends_with(question) {
            let mut byte = [0];
            assert_eq!(screen.read(&mut byte).unwrap(), 1, "{seen}");
            seen.push(char::from(byte[0]));
        }
        keys.write_all(answer.as_bytes()).unwrap();
    }
    screen.read_to_string(&mut seen).unwrap();
    assert!(child.wait().unwrap().success(), "{seen}");
    assert!(seen.contains("Login Succeeded"), "{seen}");
    assert!(!seen.contains("sesame") && !seen.contains("wrong"), "{seen}");
    assert_eq!(registry.last().as_deref(), Some(RIGHT));
}

#[test]
fn credentials_come_from_the_first_place_that_has_some() {
    let (mut home, registry) = (Home::new(), Guarded::start());
    let runtime = home.path("run").display().to_string();
    let basic = |user: &str| match user {
        "job" => "Basic am9iOng=",
        "user" => "Basic dXNlcjp4",
        "runtime" => "Basic cnVudGltZTp4",
        "docker" => "Basic ZG9ja2VyOng=",
        "text" => "Basic dGV4dDp4",
        "named" => "Basic bmFtZWQ6eA==",
        _ => "",
    };
    let check = |home: &Home, user: &str| {
        assert_eq!(
            home.shown_to(&registry).unwrap_or_default(),
            basic(user),
            "{user}"
        );
    };
    check(&home, "nobody");
    home.set("CI_REGISTRY", &registry.name)
        .set("CI_REGISTRY_USER", "job")
        .set("CI_REGISTRY_PASSWORD", "x");
    check(&home, "job");
    home.write_login(".config/containers/auth.json", &registry, "user");
    check(&home, "user");
    home.set("XDG_RUNTIME_DIR", &runtime);
    home.write_login("run/containers/auth.json", &registry, "runtime");
    check(&home, "runtime");
    home.write_login(CONFIG, &registry, "docker");
    check(&home, "docker");
    home.write_login("named.json", &registry, "named");
    home.set("REGISTRY_AUTH_FILE", "named.json");
    check(&home, "named");
    home.set("DOCKER_AUTH_CONFIG", &login(&registry, "text"));
    check(&home, "text");
}

#[test]
fn a_helper_on_the_path_is_asked_by_a_build() {
    let (mut home, registry) = (Home::new(), Guarded::start());
    home.write(CONFIG, r#"{"credsStore":"test"}"#);
    home.set(
        "PATH",
        &format!("{}:/usr/bin:/bin", home.path("programs").display()),
    );
    fs::create_dir(home.path("programs")).unwrap();
    write_program(
        &home.path("programs/docker-credential-test"),
        "#!/bin/sh\necho '{\"Username\":\"docker\",\"Secret\":\"x\"}'\n",
    );
    assert_eq!(home.shown_to(&registry).as_deref(), Some("Basic ZG9ja2VyOng="));
}

/// Another process writes it: one that has a program open for writing, as a thread's child may have for a moment, hinders
/// its start.
fn write_program(path: &Path, script: &str) {
    let mut shell = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}

#[test]
fn a_registry_of_the_configuration_is_reached_as_it_says() {
    let (home, registry) = (Home::new(), Guarded::start());
    let section = |keys: &str| {
        let text = format!("[registries.'{}']\n{keys}\n", registry.name);
        home.write("lrops.toml", &text);
    };
    section("mirrors = ['ftp://x']");
    let arguments = ["login", &registry.name, "-u", "a", "-p", "sesame", "--retries=0"];
    home.run(&arguments).exits(2).says("is no mirror");
    section("client-cert = 'x'");
    home.run(&arguments).exits(2).says("need each other");
    section("secure = true");
    home.run(&arguments).exits(1).says("failed to log in");
    section("insecure = true\nmirrors = ['mirror.example']");
    home.run(&arguments).exits(0);
}
