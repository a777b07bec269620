//! Credentials and tokens: who sees them, and when.

use lrops_model::blob::BlobSource;
use lrops_model::cancel::CancelToken;
use lrops_model::oci::MediaType;
use lrops_remote::registry::{Offered, RegistryProblem};
use lrops_testkit::registry::{Access, Fault, RegistryServer};

use crate::case::{Case, REPOSITORY, answer, chain, layer_bytes, read};

#[test]
fn a_token_is_got_once_and_shown_until_it_is_refused() {
    let mut case = Case::new(Access::Token {
        credentials: None,
        expires_in_seconds: 300,
    });
    let registry = case.registry();
    let reference = case.reference(":1.0");
    let cancel = CancelToken::new();
    registry.resolve(&reference, &cancel).unwrap();
    let image = registry.image(&reference, &cancel);
    assert!(image.contains(&case.layer).unwrap());
    case.server.once("blobs", Fault::ForgetTokens);
    read(&image, &case.layer).unwrap();
    let expected = [
        "GET manifests nothing",
        "GET /token nothing",
        "GET manifests Bearer token-1",
        "HEAD blobs Bearer token-1",
        "GET blobs Bearer token-1",
        "GET /token nothing",
        "GET blobs Bearer token-2",
    ];
    assert_eq!(case.log(), expected);
    let token = case.server.requests()[1].target.clone();
    assert_eq!(
        token,
        format!("/token?service=test&scope=repository:{REPOSITORY}:pull")
    );
}

#[test]
fn a_token_that_ran_out_is_renewed_without_being_refused() {
    let mut case = Case::new(Access::Token {
        credentials: None,
        expires_in_seconds: 0,
    });
    let registry = case.registry();
    let reference = case.reference(":1.0");
    registry.resolve(&reference, &CancelToken::new()).unwrap();
    registry.resolve(&reference, &CancelToken::new()).unwrap();
    assert_eq!(
        case.log()[3..],
        ["GET /token nothing", "GET manifests Bearer token-2"]
    );
}

#[test]
fn many_threads_share_one_token() {
    let mut case = Case::new(Access::Token {
        credentials: None,
        expires_in_seconds: 300,
    });
    let image = case.image();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(image.contains(&case.layer).unwrap()));
        }
    });
    assert_eq!(
        case.log().iter().filter(|line| line.contains("/token")).count(),
        1,
        "{:?}",
        case.log()
    );
}

#[test]
fn credentials_go_to_the_token_service_and_the_token_to_the_registry() {
    let secret = "Aladdin:open sesame";
    let access = Access::Token {
        credentials: Some("Aladdin:open sesame"),
        expires_in_seconds: 300,
    };
    let mut case = Case::new(access.clone()).with_login(secret);
    case.resolve(":1.0").unwrap();
    let expected = [
        "GET manifests nothing",
        "GET /token Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "GET manifests Bearer token-1",
    ];
    assert_eq!(case.log(), expected);
    let error = Case::new(access)
        .with_login("Aladdin:wrong")
        .resolve(":1.0")
        .unwrap_err();
    assert!(matches!(
        &error.problem,
        RegistryProblem::Unauthorized {
            offered: Offered::Credentials,
            ..
        }
    ));
    assert!(
        chain(&error).ends_with("unauthorized: wrong password"),
        "{}",
        chain(&error)
    );
    assert!(error.advice().unwrap().contains("lrops login 127.0.0.1:"));
}

#[test]
fn basic_credentials_are_shown_only_when_asked_for() {
    let mut case = Case::new(Access::Basic("a:b")).with_login("a:b");
    case.resolve(":1.0").unwrap();
    assert_eq!(case.log(), ["GET manifests nothing", "GET manifests Basic YTpi"]);
    let mut wrong = Case::new(Access::Basic("a:b")).with_login("a:c");
    let error = wrong.resolve(":1.0").unwrap_err();
    assert_eq!((error.problem.status(), wrong.log().len()), (Some(401), 2));
    let error = Case::new(Access::Basic("a:b")).resolve(":1.0").unwrap_err();
    assert!(matches!(
        &error.problem,
        RegistryProblem::Unauthorized {
            offered: Offered::Nothing,
            ..
        }
    ));
    assert!(
        error
            .advice()
            .unwrap()
            .starts_with("there are no credentials for 127.0.0.1:")
    );
}

#[test]
fn a_redirect_to_another_host_carries_no_credentials() {
    let storage = RegistryServer::start(Access::Open);
    storage.put_blob(REPOSITORY, MediaType::OCI_LAYER_GZIP, &layer_bytes());
    for access in [
        Access::Basic("a:b"),
        Access::Token {
            credentials: Some("a:b"),
            expires_in_seconds: 300,
        },
    ] {
        let mut case = Case::new(access).with_login("a:b");
        let layer = case.layer.clone();
        let image = case.image();
        for _ in 0..3 {
            case.server.once("blobs", Fault::RedirectTo(storage.url()));
        }
        storage.once("blobs", Fault::CutAfter(1000));
        assert_eq!(read(&image, &layer).unwrap(), layer_bytes());
        assert!(image.contains(&layer).unwrap());
        assert!(
            case.log().last().unwrap().starts_with("HEAD blobs B"),
            "{:?}",
            case.log()
        );
    }
    let requests = storage.requests();
    assert_eq!(requests.len(), 6);
    assert!(
        requests
            .iter()
            .all(|request| request.header("authorization").is_none()),
        "{requests:?}"
    );
    assert_eq!(requests[1].header("range"), Some("bytes=1000-"));
}

#[test]
fn another_host_that_asks_for_credentials_gets_none() {
    let thief = RegistryServer::start(Access::Basic("x:y"));
    let mut case = Case::new(Access::Basic("a:b")).with_login("a:b");
    case.server.once("blobs", Fault::RedirectTo(thief.url()));
    let layer = case.layer.clone();
    let Err(error) = case.image().open(&layer) else {
        panic!("the thief has no blob")
    };
    assert!(
        chain(&error).contains("the registry redirects to 127.0.0.1"),
        "{}",
        chain(&error)
    );
    assert!(
        thief
            .requests()
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
}

#[test]
fn a_busy_token_service_is_asked_again() {
    let mut case = Case::new(Access::Token {
        credentials: None,
        expires_in_seconds: 300,
    });
    case.server.once("/token", answer(503, Vec::new()));
    case.resolve(":1.0").unwrap();
    for _ in 0..4 {
        case.server.once("/token", answer(503, Vec::new()));
    }
    let error = case.resolve(":1.0").unwrap_err();
    assert!(
        chain(&error).contains("/token gave no token: the server answered 503"),
        "{}",
        chain(&error)
    );
}
