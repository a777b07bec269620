//! `cargo xtask bench push`: a large image to registries on loopback, uncut and with the line cut, beside other programs.
//!
//! Figures are whole-process ones: time from start to end, the processor's time and the peak memory that the kernel
//! counts. Programs take turns, and medians are printed. Every run pushes to a repository of its own, from a store of
//! its own, and every round another image, so that nothing is there already and nobody remembers where it could be.

#![expect(clippy::cast_precision_loss, reason = "three digits are shown")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, MediaType};
use lrops_testkit::debian_registry::DebianRegistry;
use lrops_testkit::proxy::FaultProxy;
use lrops_testkit::registry::{Access, RegistryServer};

/// How often each program pushes.
const ROUNDS: usize = 3;

/// How often the line is cut in a push.
const CUTS: [u64; 4] = [1, 2, 5, 10];

/// The size of lrops' chunks, which is its default.
const CHUNK_SIZE_BYTES: u64 = 16 * 1024 * 1024;

const MEGABYTES_DEFAULT: usize = 500;

fn main() {
    let options = Options::read();
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    println!(
        "An image with one layer of {} MB, on loopback, {ROUNDS} rounds in turn, medians.\n",
        options.megabytes
    );
    let programs = Options::programs();
    let mut table = String::from(
        "| registry | program | wall s | MB/s | processor s | peak memory MiB |\n|---|---|---:|---:|---:|---:|\n",
    );
    for place in options.places() {
        let mut runs: Vec<Vec<Figures>> = programs.iter().map(|_| Vec::new()).collect();
        let mut size = 0;
        for round in 0..ROUNDS {
            let image = Image::write(&directory.path().join("image"), options.megabytes);
            size = image.size;
            for (program, runs) in programs.iter().zip(&mut runs) {
                let name = format!("{}/{}-{round}/app:v1", place.name(), program.name);
                let store = directory.path().join(format!("store-{}-{round}", place.port()));
                let figures = program.push(&image, &name, &store);
                assert!(
                    figures.succeeded,
                    "{} did not push to {}",
                    program.name, place.title
                );
                runs.push(figures);
                // What is not needed any more would fill the disk.
                let _ = fs::remove_dir_all(&store);
            }
        }
        for (program, runs) in programs.iter().zip(&runs) {
            let wall = median(runs.iter().map(|run| run.wall.as_secs_f64()));
            let _ = writeln!(
                table,
                "| {} | {} | {wall:.2} | {:.0} | {:.2} | {:.1} |",
                place.title,
                program.name,
                size as f64 / 1e6 / wall,
                median(runs.iter().map(|run| run.processor.as_secs_f64())),
                median(runs.iter().map(|run| run.peak_kib as f64 / 1024.0)),
            );
        }
    }
    println!("{table}");
    println!("{}", cuts(&options, &programs, directory.path()));
}

/// Pushes while the line is cut, and returns the table of it.
fn cuts(options: &Options, programs: &[Program], directory: &Path) -> String {
    let mut table = format!(
        "Cut k times at equal distances; lrops sends chunks of {} MiB.\n\n\
         | registry | program | cuts | succeeded | MB sent again | chunks sent again a cut | wall s | peak memory MiB |\n\
         |---|---|---:|---|---:|---:|---:|---:|\n",
        CHUNK_SIZE_BYTES / 1024 / 1024
    );
    for place in options.places() {
        for cuts in CUTS {
            let image = Image::write(&directory.join("image"), options.megabytes);
            for program in programs {
                let proxy = FaultProxy::start(place.address());
                proxy.cut_at((1..=cuts).map(|cut| image.size * cut / (cuts + 1)).collect());
                let name = format!("{}/cut-{}-{cuts}/app:v1", proxy.name(), program.name);
                let store = directory.join(format!("store-cut-{}-{cuts}", place.port()));
                let figures = program.push(&image, &name, &store);
                let _ = fs::remove_dir_all(&store);
                let again = proxy.body_bytes_to_upstream().saturating_sub(image.size);
                let _ = writeln!(
                    table,
                    "| {} | {} | {} | {} | {:.1} | {:.2} | {:.2} | {:.1} |",
                    place.title,
                    program.name,
                    proxy.cuts(),
                    if figures.succeeded { "yes" } else { "no" },
                    again as f64 / 1e6,
                    again as f64 / CHUNK_SIZE_BYTES as f64 / proxy.cuts().max(1) as f64,
                    figures.wall.as_secs_f64(),
                    figures.peak_kib as f64 / 1024.0,
                );
            }
        }
    }
    table
}

/// What was asked for.
struct Options {
    megabytes: usize,
    /// A further registry program, which takes the configuration of the distribution project.
    registry: Option<String>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self {
            megabytes: MEGABYTES_DEFAULT,
            registry: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--megabytes" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    options.megabytes = number.expect("--megabytes takes a number");
                }
                "--registry" => {
                    options.registry = Some(words.next().expect("--registry takes a program"));
                }
                // Cargo says that this is a benchmark.
                "--bench" => {}
                other => {
                    panic!("unknown option {other}; known are --megabytes NUMBER and --registry PROGRAM")
                }
            }
        }
        options
    }

    fn places(&self) -> Vec<Place> {
        let mut places = vec![Place::in_process()];
        if is_here("docker-registry") {
            places.push(Place::start("docker-registry", "docker-registry"));
        }
        if let Some(program) = &self.registry {
            let title = program.rsplit('/').next().unwrap_or(program);
            places.push(Place::start(title, program));
        }
        places
    }

    fn programs() -> Vec<Program> {
        let mut programs = vec![Program {
            name: "lrops",
            words: |image, name, store| {
                let image = format!("oci-layout://{image}");
                [
                    env!("CARGO_BIN_EXE_lrops"),
                    "push",
                    &image,
                    "--tag",
                    name,
                    "--store",
                    store,
                    "--progress",
                    "none",
                ]
                .map(str::to_owned)
                .into()
            },
        }];
        if is_here("skopeo") {
            programs.push(Program {
                name: "skopeo",
                words: |image, name, _| {
                    let (image, name) = (format!("oci:{image}:v1"), format!("docker://{name}"));
                    let flags = [
                        "skopeo",
                        "copy",
                        "--all",
                        "--preserve-digests",
                        "--dest-tls-verify=false",
                        "--insecure-policy",
                    ];
                    flags
                        .map(str::to_owned)
                        .into_iter()
                        .chain([image, name])
                        .collect()
                },
            });
        }
        if is_here("crane") {
            programs.push(Program {
                name: "crane",
                words: |image, name, _| ["crane", "push", image, name].map(str::to_owned).into(),
            });
        }
        programs
    }
}

fn is_here(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// A program that pushes.
struct Program {
    name: &'static str,
    /// Its command line for an image, the image's name, and a directory of its own.
    words: fn(&str, &str, &str) -> Vec<String>,
}

/// What the kernel counted of a run.
struct Figures {
    succeeded: bool,
    wall: Duration,
    processor: Duration,
    peak_kib: u64,
}

impl Program {
    fn push(&self, image: &Image, name: &str, store: &Path) -> Figures {
        let words = (self.words)(
            &image.path.display().to_string(),
            name,
            &store.display().to_string(),
        );
        let started = Instant::now();
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let (mut processor, mut peak_kib) = (Duration::ZERO, 0);
        let status = loop {
            // A process that has ended and was not waited for has no memory any more, so the last look before counts.
            let process = PathBuf::from(format!("/proc/{}", child.id()));
            peak_kib = peak_kib.max(peak_of(&process));
            processor = processor.max(processor_of(&process));
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break status;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Figures {
            succeeded: status.success(),
            wall: started.elapsed(),
            processor,
            peak_kib,
        }
    }
}

fn peak_of(process: &Path) -> u64 {
    let text = fs::read_to_string(process.join("status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
        .unwrap_or(0)
}

/// The kernel counts in hundredths of a second.
fn processor_of(process: &Path) -> Duration {
    let text = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A registry.
struct Place {
    title: String,
    kind: Kind,
}

enum Kind {
    InProcess(RegistryServer),
    Process(DebianRegistry),
}

impl Place {
    fn in_process() -> Self {
        Self {
            title: "in the process".to_owned(),
            kind: Kind::InProcess(RegistryServer::start(Access::Open)),
        }
    }

    fn start(title: &str, program: &str) -> Self {
        let registry = DebianRegistry::start_program(program).expect("the registry starts");
        Self {
            title: title.to_owned(),
            kind: Kind::Process(registry),
        }
    }

    fn address(&self) -> SocketAddr {
        match &self.kind {
            Kind::InProcess(server) => server.address(),
            Kind::Process(registry) => registry.address(),
        }
    }

    fn port(&self) -> u16 {
        self.address().port()
    }

    fn name(&self) -> String {
        self.address().to_string()
    }
}

/// An OCI layout with one image for this machine, whose one layer no compression makes smaller.
struct Image {
    path: PathBuf,
    /// The bytes of its blobs.
    size: u64,
}

impl Image {
    /// Writes another image than any before, in the place of the last one.
    fn write(path: &Path, megabytes: usize) -> Self {
        static WRITTEN: AtomicU64 = AtomicU64::new(1);
        let _ = fs::remove_dir_all(path);
        let blobs = path.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("the layout can be written");
        let put = |media_type: MediaType, bytes: &[u8]| {
            let descriptor = Descriptor::of(media_type, bytes);
            fs::write(blobs.join(descriptor.digest.hex()), bytes).expect("the layout can be written");
            descriptor
        };
        let tar = tar_of_noise(megabytes * 1_000_000, WRITTEN.fetch_add(1, Ordering::Relaxed));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(&tar).expect("memory takes it");
        let layer = put(
            MediaType::OCI_LAYER_GZIP,
            &encoder.finish().expect("memory takes it"),
        );
        let platform = lrops_model::platform::Platform::host();
        let config = serde_json::json!({"architecture": platform.architecture, "os": platform.os, "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&tar).to_string()]}});
        let config = put(MediaType::OCI_CONFIG, config.to_string().as_bytes());
        let manifest = serde_json::json!({"schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST,
            "config": config, "layers": [layer]});
        let root = put(MediaType::OCI_MANIFEST, manifest.to_string().as_bytes());
        let mut entry = serde_json::to_value(&root).expect("it has string keys");
        entry["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "v1"});
        let index = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
        fs::write(path.join("index.json"), index.to_string()).expect("the layout can be written");
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
            .expect("the layout can be written");
        Self {
            path: path.to_owned(),
            size: layer.size + config.size,
        }
    }
}

fn tar_of_noise(length: usize, seed: u64) -> Vec<u8> {
    let mut noise = seed;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        noise.to_be_bytes()[0]
    })
    .take(length)
    .collect();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(length as u64);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::Regular);
    archive
        .append_data(&mut header, "noise", content.as_slice())
        .expect("memory takes it");
    archive.into_inner().expect("memory takes it")
}
