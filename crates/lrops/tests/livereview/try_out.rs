//! The amd64 image as its users start it: its own entry point, its own user, a real database, a real browser.
//!
//! Both the database and the image run in sandboxes of lrops: the commands of a build are processes in the image's root file
//! system. What a service is told in production by its environment comes as build arguments here.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::laboratory::{Ended, Laboratory};
use crate::{VERSION, livereview, web};

/// How long a service has until it answers, a browser until it has the page, and a job until it is done.
const PATIENCE: Duration = Duration::from_mins(1);

/// Debian's `PostgreSQL`, from packages. Perl is only for the wrappers that manage several clusters of it.
const DATABASE: &str = "\
[bases.postgresql]
distribution = 'debian'
suite = 'bookworm'
packages = ['base-files', 'coreutils', 'dash', 'postgresql-15', 'tzdata']
exclude_packages = ['perl', 'postgresql-common', 'ssl-cert', 'libllvm14']
env = { PATH = '/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin' }
users = [{ name = 'postgres', uid = 5432, gid = 5432 }]
";

const DATABASE_DOCKERFILE: &str = "\
FROM postgresql
RUN mkdir /data && chown 5432:5432 /data
USER postgres
RUN initdb --username livereview --auth trust --encoding UTF8 --no-locale /data
ARG PORT
RUN exec postgres -D /data -h 127.0.0.1 -p $PORT -c unix_socket_directories='' -c fsync=off
";

const SERVICES_DOCKERFILE: &str = "\
FROM livereview AS image
ARG DATABASE_URL

FROM image AS service
ARG LIVEREVIEW_ADDR
RUN exec /usr/local/bin/livereview-entrypoint

FROM image AS jobs
ARG RIVER_HOST=127.0.0.1 PORT
RUN exec riverui

FROM image AS early
RUN DATABASE_WAIT_SECONDS=1 /usr/local/bin/livereview-entrypoint

FROM image AS looked-at
ARG LIVEREVIEW_ADDR
RUN id -u && curl --fail --silent http://$LIVEREVIEW_ADDR/health && river validate --database-url $DATABASE_URL \\
    && psql --no-align --tuples-only $DATABASE_URL \\
    -c 'SELECT count(*), max(version) FROM schema_migrations' \\
    -c \"SELECT kind, state, attempt FROM river_job\"
";

/// A build whose last command goes on until it is stopped.
struct Service {
    child: Child,
    /// Where its output goes.
    log: std::path::PathBuf,
}

impl Service {
    fn start(laboratory: &Laboratory, name: &str, arguments: &[String]) -> Self {
        let log = laboratory.path(&format!("{name}.log"));
        let child = laboratory
            .command(arguments)
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// Waits until something holds, and fails with the service's output when it does not in time.
    #[track_caller]
    fn until<T>(&mut self, what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = holds() {
                return value;
            }
            let ended = self.child.try_wait().unwrap();
            let late = Instant::now() > deadline;
            let log = || std::fs::read_to_string(&self.log).unwrap();
            assert!(ended.is_none() && !late, "{what}: {ended:?}\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Service {
    /// SIGTERM, which lets lrops end what it started.
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").arg(id).status();
        let _ = self.child.wait();
    }
}

/// The services' image and their database's address.
struct TryOut {
    laboratory: Laboratory,
    database: String,
}

impl TryOut {
    fn new(database: &str) -> Self {
        let laboratory = Laboratory::new();
        laboratory.dockerfile(SERVICES_DOCKERFILE);
        let database = format!("DATABASE_URL=postgres://livereview@{database}/livereview?sslmode=disable");
        Self { laboratory, database }
    }

    fn arguments(&self, target: &str, more: &[&str]) -> Vec<String> {
        let image = format!("livereview=oci-layout://{}:test", livereview().layout().display());
        let mut arguments = vec![
            "build",
            "--progress=plain",
            "--platform=linux/amd64",
            "--target",
            target,
        ];
        arguments.extend(["--build-context", &image, "--build-arg", &self.database]);
        for argument in more {
            arguments.extend(["--build-arg", argument]);
        }
        arguments.push(".");
        arguments.into_iter().map(str::to_owned).collect()
    }

    fn start(&self, target: &str, more: &[&str]) -> Service {
        Service::start(&self.laboratory, target, &self.arguments(target, more))
    }

    fn run(&self, target: &str, more: &[&str]) -> Ended {
        self.laboratory.run(self.arguments(target, more))
    }
}

/// Starts a `PostgreSQL` on an address of this machine.
fn database(laboratory: &Laboratory, address: &str) -> Service {
    laboratory
        .file("lrops.toml", DATABASE)
        .dockerfile(DATABASE_DOCKERFILE);
    let (_, port) = address.rsplit_once(':').unwrap();
    let port = format!("PORT={port}");
    let arguments = [
        "build",
        "--progress=plain",
        "--platform=linux/amd64",
        "--build-arg",
        &port,
        ".",
    ];
    let mut database = Service::start(laboratory, "database", &arguments.map(str::to_owned));
    database.until("the database takes connections", || {
        std::net::TcpStream::connect(address).ok()
    });
    database
}

/// Returns a page as a browser shows it once its scripts have run.
fn seen_by_a_browser(laboratory: &Laboratory, address: &str) -> String {
    let profile = format!("--user-data-dir={}", laboratory.path("profile").display());
    // As root it has no sandbox of its own. The page's scripts have five seconds by the browser's clock, which runs ahead.
    let page = Command::new("chromium")
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-proxy-server",
        ])
        .args([&profile, "--virtual-time-budget=5000", "--dump-dom", address])
        .env("HOME", laboratory.path("."))
        .output()
        .expect("chromium (Debian package chromium) is installed");
    String::from_utf8(page.stdout).unwrap()
}

/// Returns the body of an answer that has a status.
#[track_caller]
fn answered(address: &str, method: &str, path: &str, body: &str, status: &str) -> String {
    let answer = web::ask(address, method, path, body).expect("the service answers");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with(&format!("HTTP/1.0 {status} ")),
        "{method} {path}: {answer}"
    );
    body.to_owned()
}

fn is_healthy(address: &str) -> Option<()> {
    let answer = web::ask(address, "GET", "/health", "")?;
    answer.starts_with("HTTP/1.0 200 ").then_some(())
}

#[test]
fn the_image_serves_its_page_and_does_its_jobs_on_a_real_database() {
    let [at, address, jobs_at] = [(); 3].map(|()| web::free_address());
    let rack = Laboratory::new();
    let _database = database(&rack, &at);
    let try_out = TryOut::new(&at);
    let listen = format!("LIVEREVIEW_ADDR={address}");
    let mut service = try_out.start("service", &[&listen]);
    service.until("the service is healthy", || is_healthy(&address));

    let version = answered(&address, "GET", "/api/version", "", "200");
    assert!(
        version.contains(&format!("\"version\":\"{VERSION}\"")),
        "{version}"
    );
    let diff = r"+++ b/main.go\n@@ -0,0 +7,2 @@\n+// TODO: more\n+x := 1 \n";
    let review = format!(r#"{{"title": "Try it", "author": "Ada", "diff": "{diff}"}}"#);
    let opened = answered(&address, "POST", "/api/reviews", &review, "201");
    assert!(opened.contains(r#""id":1,"title":"Try it""#), "{opened}");
    let found = service.until("the job is done", || {
        let found = answered(&address, "GET", "/api/reviews/1", "", "200");
        found.contains("comments").then_some(found)
    });
    assert!(
        found.contains(r#"{"file":"main.go","line":7,"text":"there is work left here"#),
        "{found}"
    );
    assert!(
        found.contains(r#""line":8,"text":"the line ends with white space""#),
        "{found}"
    );
    answered(&address, "POST", "/api/reviews/1/approve", "", "200");
    answered(&address, "POST", "/api/reviews/2/approve", "", "404");

    let page = seen_by_a_browser(&rack, &format!("http://{address}/"));
    assert!(
        page.contains(&format!("<span id=\"version\">{VERSION}</span>")),
        "{page}"
    );
    assert!(page.contains("Try it by Ada: approved"), "{page}");

    let (_, port) = jobs_at.rsplit_once(':').unwrap();
    let mut jobs = try_out.start("jobs", &[&format!("PORT={port}")]);
    jobs.until("River's page answers", || {
        web::ask(&jobs_at, "GET", "/api/states", "")
    });
    let listed = answered(&jobs_at, "GET", "/api/jobs?state=completed", "", "200");
    assert!(listed.contains("\"inspection\""), "{listed}");
    let page = seen_by_a_browser(&rack, &format!("http://{jobs_at}/jobs?state=completed"));
    assert!(page.contains("inspection"), "{page}");

    let looked = try_out.run("looked-at", &[&listen]).succeeded().stderr;
    for line in [
        " 1001\n",
        "{\"status\":\"ok\"}",
        " 2|20240201000000\n",
        " inspection|completed|1\n",
    ] {
        assert!(looked.contains(line), "{line:?} in {looked}");
    }

    // A service that is started again finds its tables there.
    drop(service);
    let mut again = try_out.start("service", &[&listen]);
    again.until("the service is healthy again", || is_healthy(&address));
    let listed = answered(&address, "GET", "/api/reviews", "", "200");
    assert!(listed.contains("Try it"), "{listed}");
}

#[test]
fn without_a_database_the_entry_point_says_so() {
    let nowhere = web::free_address();
    let ended = TryOut::new(&nowhere).run("early", &[]).failed(1);
    let said = "livereview: the database did not answer within 1 s";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}
