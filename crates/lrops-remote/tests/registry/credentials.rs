//! Credential helpers, identity tokens and registry tokens.

use std::fs;
use std::time::{Duration, Instant};

use lrops_model::cancel::CancelToken;
use lrops_remote::registry::{HelperProblem, RegistryError, RegistryProblem};
use lrops_testkit::registry::Access;

use crate::case::{Case, chain};
use crate::service::{Client, Reply, Request, Service, keychain, write_program};

/// Asks a registry that wants `a:b`, with a helper for it.
fn resolve_with(script: &str, time_limit: Duration) -> (Case, Result<(), RegistryError>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let case = Case::new(Access::Basic("a:b"));
    write_program(directory.path(), "test", script);
    let config = format!(r#"{{"credHelpers":{{"{}":"test"}}}}"#, case.server.name());
    let mut client = Client::new();
    client.settings.keychain = keychain(&config, directory.path(), time_limit);
    let registry = client.open();
    let reference = case.reference(":1.0");
    let result = registry
        .resolve(&reference, &CancelToken::new())
        .and_then(|_| registry.resolve(&reference, &CancelToken::new()))
        .map(|_| ());
    (case, result, directory)
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_helper_is_asked_once_and_its_answer_shown() {
    let script = r#"echo "$1 $server" >> "$(dirname "$0")/log"
        echo '{"ServerURL":"x","Username":"a","Secret":"b"}'"#;
    let (case, result, directory) = resolve_with(script, PATIENCE);
    result.unwrap();
    let log = fs::read_to_string(directory.path().join("log")).unwrap();
    assert_eq!(log, format!("get {}\n", case.server.name()));
    assert!(
        case.log().last().unwrap().ends_with("Basic YTpi"),
        "{:?}",
        case.log()
    );
}

#[test]
fn a_helper_without_the_credentials_is_no_failure() {
    let script = "echo 'credentials not found in native keychain'; exit 1";
    let (_, result, _directory) = resolve_with(script, PATIENCE);
    let error = result.unwrap_err();
    assert!(error.problem.is_refused(), "{}", chain(&error));
    assert!(error.advice().unwrap().contains("there are no credentials"));
}

#[test]
fn a_helper_that_fails_stops_the_request_with_its_words() {
    let (case, result, _directory) = resolve_with("echo 'the vault is sealed' >&2; exit 3", PATIENCE);
    let error = result.unwrap_err();
    let text = chain(&error);
    let expected = format!(
        "the credential helper docker-credential-test failed to get the credentials for {}: it ended with exit status: \
         3: the vault is sealed",
        case.server.name()
    );
    assert!(text.ends_with(&expected), "{text}");
    assert_eq!(error.attempts, 1);
    assert!(error.advice().unwrap().contains("lrops login"));
}

#[test]
fn a_helper_s_answer_is_never_repeated() {
    for script in [
        r#"echo '{"Username":"a","Secret":"sesame"'"#,
        r#"echo '{"Username":"a","Secret":"sesame"}'; exit 1"#,
        "yes sesame | head -c 1000000",
    ] {
        let (_, result, _directory) = resolve_with(script, PATIENCE);
        let error = result.unwrap_err();
        assert!(matches!(error.problem, RegistryProblem::Helper(_)), "{error:?}");
        assert!(
            !format!("{error:?} {}", chain(&error)).contains("sesame"),
            "{error:?}"
        );
    }
}

#[test]
fn a_helper_that_hangs_is_stopped_with_all_that_it_started() {
    let script = "sleep 1000 & echo $! > \"$(dirname \"$0\")/child\"; wait";
    let started = Instant::now();
    let (_, result, directory) = resolve_with(script, Duration::from_millis(500));
    let error = result.unwrap_err();
    assert!(started.elapsed() < PATIENCE);
    assert!(
        matches!(&error.problem, RegistryProblem::Helper(error) if matches!(error.problem, HelperProblem::TimeOut(_))),
        "{}",
        chain(&error)
    );
    let child = fs::read_to_string(directory.path().join("child")).unwrap();
    let status = format!("/proc/{}/stat", child.trim());
    let runs = || fs::read_to_string(&status).is_ok_and(|status| !status.contains(") Z "));
    while runs() && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!runs(), "the helper's child still runs");
}

#[test]
fn a_helper_that_is_not_installed_is_named() {
    let case = Case::new(Access::Basic("a:b"));
    let directory = tempfile::tempdir().unwrap();
    let resolve = |config: &str| {
        let registry = Client::new().with_config(config, directory.path()).open();
        registry
            .resolve(&case.reference(":1.0"), &CancelToken::new())
            .unwrap_err()
    };
    let error = resolve(r#"{"credsStore":"lrops-none"}"#);
    assert!(
        chain(&error).ends_with("there is no such program on PATH"),
        "{}",
        chain(&error)
    );
    assert!(
        error
            .advice()
            .unwrap()
            .contains("install docker-credential-lrops-none")
    );
    let error = resolve(r#"{"credsStore":"../../bin/sh"}"#);
    assert!(
        chain(&error).contains("its name is not that of a program"),
        "{}",
        chain(&error)
    );
}

/// A registry with a token service that answers POSTs as told.
fn token_registry(post: fn(&Request) -> Reply) -> Service {
    Service::start(move |request, address| {
        let shown = request.headers.get("authorization").map(String::as_str);
        match request.line.split(['?', ' ']).take(2).collect::<Vec<_>>()[..] {
            ["POST", "/token"] => post(request),
            ["GET", "/token"] if shown == Some("Basic YWNyOnJlZnJlc2g=") => {
                Reply::new(200, r#"{"token":"got"}"#)
            }
            ["GET", "/token"] => Reply::new(401, ""),
            _ if matches!(shown, Some("Bearer exchanged" | "Bearer got" | "Bearer own")) => {
                Reply::new(404, r#"{"errors":[{"code":"NAME_UNKNOWN","message":"in"}]}"#)
            }
            _ => {
                let challenge = format!("Bearer realm=\"http://{address}/token\",service=\"s 1\"");
                Reply::new(401, "").with("WWW-Authenticate", challenge)
            }
        }
    })
}

fn ask(service: &Service, entry: &str) -> RegistryError {
    let config = format!(r#"{{"auths":{{"{}":{entry}}}}}"#, service.name());
    let reference = format!("{}/team/app", service.name()).parse().unwrap();
    let registry = Client::new().with_config(&config, "/".as_ref()).open();
    registry.resolve(&reference, &CancelToken::new()).unwrap_err()
}

#[test]
fn an_identity_token_is_exchanged_with_a_post() {
    let service = token_registry(|_| Reply::new(200, r#"{"access_token":"exchanged","expires_in":300}"#));
    let error = ask(&service, r#"{"identitytoken":"refresh&more"}"#);
    assert_eq!(chain(&error).rsplit(": ").next(), Some("in"), "{}", chain(&error));
    let requests = service.requests();
    let lines: Vec<&str> = requests.iter().map(|request| request.line.as_str()).collect();
    let manifest = "GET /v2/team/app/manifests/latest";
    assert_eq!(lines, [manifest, "POST /token", manifest]);
    assert_eq!(
        requests[1].body,
        "grant_type=refresh_token&client_id=lrops&refresh_token=refresh%26more&service=s%201&\
         scope=repository%3Ateam%2Fapp%3Apull"
    );
    assert_eq!(requests[1].headers.get("authorization"), None);
}

#[test]
fn a_service_without_exchange_is_asked_as_for_a_password() {
    for status in ["404", "405"] {
        let service = match status {
            "404" => token_registry(|_| Reply::new(404, "")),
            _ => token_registry(|_| Reply::new(405, "")),
        };
        let error = ask(&service, r#"{"username":"acr","identitytoken":"refresh"}"#);
        assert!(chain(&error).ends_with("in"), "{}", chain(&error));
    }
}

#[test]
fn an_identity_token_that_ran_out_is_refused() {
    let service = token_registry(|_| Reply::new(400, r#"{"error":"invalid_grant"}"#));
    let error = ask(&service, r#"{"identitytoken":"refresh"}"#);
    assert!(error.problem.is_refused(), "{}", chain(&error));
    assert!(error.advice().unwrap().contains("lrops login"));
}

#[test]
fn an_identity_token_follows_no_redirect() {
    let thief = Service::start(|_, _| Reply::new(200, r#"{"access_token":"exchanged"}"#));
    let location = format!("http://{}/token", thief.name());
    let service = Service::start(move |request, address| {
        if request.line.starts_with("POST") {
            return Reply::new(307, "").with("Location", location.clone());
        }
        Reply::new(401, "").with(
            "WWW-Authenticate",
            format!("Bearer realm=\"http://{address}/token\""),
        )
    });
    let error = ask(&service, r#"{"identitytoken":"refresh"}"#);
    assert!(chain(&error).contains("which has no claim"), "{}", chain(&error));
    assert_eq!(thief.log(), Vec::<String>::new());
}

#[test]
fn a_registry_token_is_shown_as_it_is() {
    let service = token_registry(|_| Reply::new(500, ""));
    let error = ask(&service, r#"{"registrytoken":"own"}"#);
    assert!(chain(&error).ends_with("in"), "{}", chain(&error));
    assert!(
        service.log().iter().all(|line| !line.contains("/token")),
        "{:?}",
        service.log()
    );
}
