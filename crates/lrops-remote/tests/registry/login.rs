//! Logging in and out.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use lrops_model::cancel::CancelToken;
use lrops_remote::registry::{Credentials, LoginFile, LoginPlace, Reception};
use serde_json::{Value, json};

use crate::case::chain;
use crate::service::{Client, Reply, Service, helper_settings, write_program};

fn login(user: &str, password: &str) -> Credentials {
    Credentials::Basic {
        user: user.to_owned(),
        password: password.to_owned(),
    }
}

#[test]
fn a_registry_that_wants_a_password_says_whether_it_is_right() {
    let service =
        Service::start(
            |request, _| match request.headers.get("authorization").map(String::as_str) {
                Some("Basic YTpi") => Reply::new(200, "{}"),
                _ => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\"".to_owned()),
            },
        );
    let check = |password: &str| {
        let registry = Client::new().open();
        registry.check_login(&service.name(), &login("a", password), &CancelToken::new())
    };
    check("b").unwrap();
    let error = check("c").unwrap_err();
    assert!(error.is_refused());
    let text = chain(&error);
    assert!(
        text.starts_with(&format!("failed to log in to {}: unauthorized", service.name())),
        "{text}"
    );
    assert!(error.advice().unwrap().contains("check user and password"));
}

#[test]
fn a_registry_with_tokens_says_whether_the_password_is_right() {
    let service = Service::start(|request, address| {
        let shown = request.headers.get("authorization").map(String::as_str);
        match (request.line.as_str(), shown) {
            ("GET /token?service=s", Some("Basic YTpi")) => Reply::new(200, r#"{"token":"t"}"#),
            ("GET /v2/", Some("Bearer t")) => Reply::new(200, "{}"),
            ("GET /v2/", None) => Reply::new(401, "").with(
                "WWW-Authenticate",
                format!("Bearer realm=\"http://{address}/token\",service=\"s\""),
            ),
            _ => Reply::new(
                401,
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}"#,
            ),
        }
    });
    let registry = Client::new().open();
    let cancel = CancelToken::new();
    registry
        .check_login(&service.name(), &login("a", "b"), &cancel)
        .unwrap();
    let error = registry
        .check_login(&service.name(), &login("a", "c"), &cancel)
        .unwrap_err();
    assert!(
        chain(&error).ends_with("unauthorized: wrong password"),
        "{}",
        chain(&error)
    );
    assert!(error.is_refused());
}

#[test]
fn a_registry_says_how_it_receives_whom() {
    let check = |config: &str, lets_everybody_in: bool| {
        let service = Service::start(move |request, _| {
            let shown = request.headers.get("authorization").map(String::as_str);
            match shown {
                _ if lets_everybody_in => Reply::new(200, "{}"),
                Some("Basic YTpi") => Reply::new(200, "{}"),
                _ => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\"".to_owned()),
            }
        });
        let name = service.name();
        let config = config.replace("NAME", &name);
        let registry = Client::new().with_config(&config, Path::new("/none")).open();
        let (cancel, image) = (CancelToken::new(), format!("{name}/a/b:c").parse().unwrap());
        let received = [
            registry.greet(&image, &cancel),
            registry.greet_mirror(&name.parse().unwrap(), &cancel),
        ];
        received.map(|received| received.map_err(|error| error.is_refused()))
    };
    let right = r#"{"auths":{"NAME":{"auth":"YTpi"}}}"#;
    assert_eq!(check(right, true), [Ok(Reception::Open); 2]);
    assert_eq!(check(right, false), [Ok(Reception::Accepted); 2]);
    assert_eq!(check("{}", false), [Err(true); 2]);
}

#[test]
fn who_has_no_credentials_may_be_let_in() {
    let service = Service::start(|request, address| {
        let shown = request.headers.get("authorization").map(String::as_str);
        match (request.line.as_str(), shown) {
            ("GET /token?service=s", None) => Reply::new(200, r#"{"token":"t"}"#),
            ("GET /v2/", Some("Bearer t")) => Reply::new(200, "{}"),
            _ => Reply::new(401, "").with(
                "WWW-Authenticate",
                format!("Bearer realm=\"http://{address}/token\",service=\"s\""),
            ),
        }
    });
    let image = format!("{}/a/b:c", service.name()).parse().unwrap();
    let received = Client::new().open().greet(&image, &CancelToken::new());
    assert_eq!(received.unwrap(), Reception::Anonymous);
}

#[test]
fn what_is_no_registry_is_told_from_a_refusal() {
    let service = Service::start(|_, _| Reply::new(404, "<html>"));
    let registry = Client::new().open();
    let cancel = CancelToken::new();
    let error = registry
        .check_login(&service.name(), &login("a", "b"), &cancel)
        .unwrap_err();
    assert!(!error.is_refused());
    assert!(error.advice().unwrap().contains("does not speak the protocol"));
}

/// A file with credentials, and helpers beside it.
struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn file(&self, name: &str) -> LoginFile {
        let settings = helper_settings(self.path(), Duration::from_secs(20));
        LoginFile::new(self.path().join(name), settings)
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path().join(name)).unwrap()).unwrap()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_file_is_for_its_owner_alone() {
    let desk = Desk::new();
    let file = desk.file("new/config.json");
    let cancel = CancelToken::new();
    assert_eq!(
        file.store("docker.io", "a", "b", &cancel).unwrap(),
        LoginPlace::File
    );
    let path = desk.path().join("new/config.json");
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let expected = json!({"auths": {"https://index.docker.io/v1/": {"auth": "YTpi"}}});
    assert_eq!(desk.json("new/config.json"), expected);
    assert_eq!(file.erase("docker.io", &cancel).unwrap(), [LoginPlace::File]);
    assert_eq!(desk.json("new/config.json"), json!({"auths": {}}));
    assert_eq!(file.erase("docker.io", &cancel).unwrap(), []);
}

#[test]
fn everything_else_in_a_file_stays_with_its_mode_and_through_a_link() {
    let desk = Desk::new();
    let text = r#"{"HttpHeaders":{"X":"y"},"auths":{"https://r.example/v1/":{"auth":"b2xkOm9sZA=="},"r.example/team":{},
        "z.example":{"auth":"YTpi"}},"proxies":{"default":{}},"aaa":[1]}"#;
    fs::create_dir(desk.path().join("real")).unwrap();
    let real = desk.path().join("real/config.json");
    fs::write(&real, text).unwrap();
    fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
    symlink("real/config.json", desk.path().join("config.json")).unwrap();
    let file = desk.file("config.json");
    file.store("r.example", "a", "b:c", &CancelToken::new()).unwrap();
    assert!(
        fs::symlink_metadata(desk.path().join("config.json"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(mode(&real), 0o640);
    let written = fs::read_to_string(&real).unwrap();
    let found = desk.json("real/config.json");
    assert_eq!(
        found["auths"],
        json!({"r.example/team": {}, "z.example": {"auth": "YTpi"}, "r.example": {"auth": "YTpiOmM="}})
    );
    let order: Vec<&String> = found.as_object().unwrap().keys().collect();
    assert_eq!(order, ["HttpHeaders", "auths", "proxies", "aaa"]);
    assert!(written.starts_with("{\n\t\"HttpHeaders\": {\n"), "{written}");
    file.erase("r.example", &CancelToken::new()).unwrap();
    assert_eq!(
        desk.json("real/config.json")["auths"]["z.example"],
        json!({"auth": "YTpi"})
    );
    let left: Vec<_> = fs::read_dir(desk.path().join("real")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_helper_keeps_and_forgets_logins() {
    let desk = Desk::new();
    let script = r#"printf '%s %s\n' "$1" "$server" >> "$(dirname "$0")/log""#;
    write_program(desk.path(), "test", script);
    fs::write(
        desk.path().join("config.json"),
        r#"{"credsStore":"test","auths":{"r.example":{"auth":"b2xkOm9sZA=="}}}"#,
    )
    .unwrap();
    let file = desk.file("config.json");
    let cancel = CancelToken::new();
    let place = LoginPlace::Program("test".to_owned());
    assert_eq!(file.store("r.example", "a", "b", &cancel).unwrap(), place);
    assert_eq!(desk.json("config.json")["auths"], json!({"r.example": {}}));
    assert_eq!(file.erase("r.example", &cancel).unwrap(), [place]);
    assert_eq!(desk.json("config.json")["auths"], json!({}));
    file.erase("docker.io", &cancel).unwrap();
    let log = fs::read_to_string(desk.path().join("log")).unwrap();
    assert_eq!(
        log,
        "store {\"ServerURL\":\"r.example\",\"Username\":\"a\",\"Secret\":\"b\"}\nerase r.example\n\
         erase https://index.docker.io/v1/\n"
    );
}

#[test]
fn a_helper_that_fails_leaves_the_file_as_it_was() {
    let desk = Desk::new();
    write_program(desk.path(), "test", "echo 'no space in the vault'; exit 1");
    let text = r#"{"credHelpers":{"r.example":"test"},"auths":{"r.example":{"auth":"YTpi"}}}"#;
    fs::write(desk.path().join("config.json"), text).unwrap();
    let file = desk.file("config.json");
    let error = file
        .store("r.example", "a", "sesame", &CancelToken::new())
        .unwrap_err();
    assert!(
        chain(&error).ends_with("no space in the vault"),
        "{}",
        chain(&error)
    );
    assert!(!format!("{error:?}").contains("sesame"), "{error:?}");
    assert!(file.erase("r.example", &CancelToken::new()).is_err());
    assert_eq!(fs::read_to_string(desk.path().join("config.json")).unwrap(), text);
}

#[test]
fn a_file_that_is_not_understood_is_not_written() {
    let desk = Desk::new();
    for text in ["{", "[]", r#"{"auths":{"r.example":{"auth":"sesame"}}}"#] {
        fs::write(desk.path().join("config.json"), text).unwrap();
        let file = desk.file("config.json");
        let error = file
            .store("r.example", "a", "b", &CancelToken::new())
            .unwrap_err();
        assert!(
            !format!("{error:?} {}", chain(&error)).contains("sesame"),
            "{error:?}"
        );
        assert_eq!(fs::read_to_string(desk.path().join("config.json")).unwrap(), text);
    }
}
