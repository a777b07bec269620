//! Downloads against a server that misbehaves as told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lrops_model::cancel::CancelToken;
use lrops_remote::http::{HostTrust, HttpClient, HttpError, HttpProblem, HttpSettings, Proxies, Timeouts};

/// Serves one answer a connection, in order, and keeps what was asked.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn answering(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                seen.lock().unwrap().push(read_request(&stream));
                (&stream).write_all(&answer).unwrap();
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> String {
    let mut request = String::new();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if line.is_empty() {
            break;
        }
        request += &line.to_ascii_lowercase();
        request += "\n";
    }
    request
}

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

fn client() -> HttpClient {
    HttpClient::new(HttpSettings {
        user_agent: "test".to_owned(),
        timeouts: Timeouts {
            idle: Duration::from_millis(500),
            ..Timeouts::USUAL
        },
        proxies: Proxies::default(),
        certificate_authorities: Vec::new(),
        trust: HostTrust::default(),
        retry_waits: vec![Duration::from_millis(1); 3],
    })
}

fn get(server: &Server) -> Result<String, HttpError> {
    client()
        .get(&server.url, 1000, &CancelToken::new())
        .map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_cut_download_goes_on_at_the_byte_where_it_stopped() {
    let server = Server::answering(vec![
        answer("200 OK\r\nETag: \"v1\"\r\nContent-Length: 10", "01234"),
        answer(
            "206 Partial Content\r\nETag: \"v1\"\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5",
            "56789",
        ),
    ]);
    assert_eq!(get(&server).unwrap(), "0123456789");
    let second = &server.requests()[1];
    assert!(
        second.contains("range: bytes=5-") && second.contains("if-range: \"v1\""),
        "{second}"
    );
}

#[test]
fn a_server_without_ranges_sends_all_again_and_each_byte_is_kept_once() {
    let server = Server::answering(vec![
        answer("200 OK\r\nContent-Length: 10", "01234"),
        answer("200 OK\r\nContent-Length: 10", "0123456789"),
    ]);
    assert_eq!(get(&server).unwrap(), "0123456789");
}

#[test]
fn a_file_that_changes_during_the_download_is_refused() {
    let server = Server::answering(vec![
        answer("200 OK\r\nETag: \"v1\"\r\nContent-Length: 10", "01234"),
        answer("200 OK\r\nETag: \"v2\"\r\nContent-Length: 10", "abcdefghij"),
    ]);
    assert!(matches!(get(&server).unwrap_err().problem, HttpProblem::Changed));
}

#[test]
fn a_busy_server_is_asked_again_and_then_given_up() {
    let busy = || answer("503 Service Unavailable\r\nContent-Length: 0", "");
    let server = Server::answering(vec![
        answer("429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0", ""),
        busy(),
        answer("200 OK\r\nContent-Length: 2", "ok"),
    ]);
    assert_eq!(get(&server).unwrap(), "ok");
    let server = Server::answering(vec![busy(), busy(), busy(), busy()]);
    let error = get(&server).unwrap_err();
    assert_eq!((error.status(), error.attempts), (Some(503), 4));
    assert!(error.advice().unwrap().contains("try again later"));
}

#[test]
fn a_server_that_asks_for_a_long_wait_is_left_alone() {
    let server = Server::answering(vec![answer(
        "503 Service Unavailable\r\nRetry-After: 86400\r\nContent-Length: 0",
        "",
    )]);
    let error = get(&server).unwrap_err();
    assert_eq!((error.status(), error.attempts), (Some(503), 1));
    assert!(
        error.problem.to_string().contains("24 hours"),
        "{}",
        error.problem
    );
    assert!(error.advice().unwrap().contains("try again later"));
}

#[test]
fn a_missing_file_is_not_asked_for_again() {
    let server = Server::answering(vec![answer("404 Not Found\r\nContent-Length: 0", "")]);
    let error = get(&server).unwrap_err();
    assert_eq!((error.status(), error.attempts), (Some(404), 1));
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}

#[test]
fn too_long_an_answer_is_refused_with_and_without_a_length() {
    let long = "x".repeat(2000);
    for head in ["200 OK\r\nContent-Length: 2000", "200 OK"] {
        let server = Server::answering(vec![answer(head, &long)]);
        assert!(matches!(
            get(&server).unwrap_err().problem,
            HttpProblem::TooLarge { limit: 1000 }
        ));
    }
}

#[test]
fn a_silent_server_is_left_after_the_idle_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            read_request(&stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
                .unwrap();
            held.push(stream);
        }
    });
    let error = client().get(&url, 1000, &CancelToken::new()).unwrap_err();
    assert_eq!(error.attempts, 4);
    assert!(matches!(error.problem, HttpProblem::Connection(_)));
}

#[test]
fn bytes_come_as_they_are_stored() {
    let server = Server::answering(vec![answer(
        "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4",
        "\u{1f}abc",
    )]);
    assert_eq!(get(&server).unwrap(), "\u{1f}abc");
    assert!(server.requests()[0].contains("accept-encoding: identity"));
}

#[test]
fn redirects_are_followed_and_circles_left() {
    let target = Server::answering(vec![answer("200 OK\r\nContent-Length: 2", "ok")]);
    let location = format!("302 Found\r\nLocation: {}\r\nContent-Length: 0", target.url);
    assert_eq!(
        get(&Server::answering(vec![answer(&location, "")])).unwrap(),
        "ok"
    );
    let circle = || answer("302 Found\r\nLocation: /file\r\nContent-Length: 0", "");
    let error = get(&Server::answering((0..11).map(|_| circle()).collect())).unwrap_err();
    assert!(matches!(error.problem, HttpProblem::Redirects(_)));
}

#[test]
fn a_cancelled_download_stops() {
    let server = Server::answering(vec![answer("200 OK\r\nContent-Length: 2", "ok")]);
    let cancel = CancelToken::new();
    cancel.cancel();
    assert!(
        client()
            .get(&server.url, 1000, &cancel)
            .unwrap_err()
            .is_cancelled()
    );
}

#[test]
fn a_proxy_is_asked_for_the_other_host() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = proxy.accept().unwrap();
        let request = read_request(&stream);
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        let _ = stream.read(&mut [0; 1]);
        request
    });
    let client = HttpClient::new(HttpSettings {
        user_agent: "test".to_owned(),
        timeouts: Timeouts::USUAL,
        proxies: Proxies {
            http: Some(format!("http://u:secret@{address}")),
            ..Proxies::default()
        },
        certificate_authorities: Vec::new(),
        trust: HostTrust::default(),
        retry_waits: Vec::new(),
    });
    let error = client
        .get("http://elsewhere.invalid/x", 10, &CancelToken::new())
        .unwrap_err();
    assert!(asked.join().unwrap().contains("elsewhere.invalid"));
    assert!(!format!("{error:?} {error}").contains("secret"));
}
