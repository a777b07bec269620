//! The images that an example starts from, made before anything is measured: the same bytes for every program.
//!
//! lrops puts them together as the example's `lrops.toml` says, adds where packages come from to those that run
//! commands, and pushes them to a registry on loopback. For the bare commands they are plain directories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lrops_dockerfile::lower::{ImageRef, Resolved};
use lrops_model::graph::{Graph, ImageOp, Op, Step, StepLabel};
use lrops_model::oci::ImageConfig;
use lrops_model::platform::Platform;
use lrops_testkit::package_mirror::{PackageMirror, Sources};
use serde_json::Value;

use crate::chroot::Chroot;
use crate::example::{Example, listed, read};

/// What lrops is told about the images that it makes; nobody delivers these. Go's own test data has foreign programs.
const PERMISSION: &str = "\n[verify]\nallow = [\"/**\"]\n";

/// The images of one example.
pub(crate) struct Images {
    /// The example's arguments, with the names that the images have in the registry.
    pub(crate) arguments: BTreeMap<String, String>,
    /// Those that run commands, by the name that they have in the registry.
    tools: BTreeMap<String, Tool>,
}

/// An image that runs commands on this machine.
struct Tool {
    config: ImageConfig,
    root: PathBuf,
}

/// What makes images.
pub(crate) struct Workshop {
    /// lrops' program.
    pub(crate) lrops: &'static str,
    /// What is kept from run to run.
    pub(crate) directory: PathBuf,
    /// The registry's name.
    pub(crate) registry: String,
}

/// An example's images as directories, by the names that its Dockerfile knows.
pub(crate) struct Roots {
    example: Example,
    tools: BTreeMap<String, PathBuf>,
}

impl Workshop {
    /// Unpacks the images of an example that run commands.
    pub(crate) fn unpack(&self, example: &Example) -> Roots {
        let place = self.directory.join(&example.name);
        let _ = fs::remove_dir_all(&place);
        let copy = place.join("example");
        fs::create_dir_all(&copy).expect("a directory for the example");
        let example = example.copy_to(&copy);
        let mut tools = BTreeMap::new();
        for (name, platforms) in example.images() {
            if is_tool(&platforms) {
                let root = place.join("roots").join(&name);
                let output = format!("type=local,dest={}", root.display());
                let host = Platform::host().to_string();
                self.build(
                    &example,
                    &name,
                    &format!("FROM {name}\n"),
                    &["--platform", &host, "--output", &output],
                );
                tools.insert(name, root);
            }
        }
        Roots { example, tools }
    }

    /// Pushes an example's images; those with tools also for `foreign` platforms.
    pub(crate) fn push(&self, roots: Roots, mirror: &PackageMirror, foreign: &[Platform]) -> Images {
        let Roots {
            example,
            tools: mut roots,
        } = roots;
        let mut images = Images {
            arguments: example.arguments.clone(),
            tools: BTreeMap::new(),
        };
        for (name, mut platforms) in example.images() {
            let mut text = format!("FROM {name}\n");
            let root = roots.remove(&name);
            if root.is_some() {
                platforms.extend(foreign.iter().cloned());
                let (go, npm) = (mirror.go(), mirror.npm());
                text = format!(
                    "{text}ENV GOPROXY={go} NPM_CONFIG_REGISTRY={npm}
"
                );
            }
            let pushed = format!("{}/{}/{name}:bench", self.registry, example.name);
            let platforms: Vec<Platform> = platforms.into_iter().collect();
            self.build(
                &example,
                &name,
                &text,
                &["--platform", &listed(&platforms), "--tag", &pushed, "--push"],
            );
            if let Some(root) = root {
                let layout = root.with_added_extension("layout");
                let output = format!("type=oci,tar=false,dest={}", layout.display());
                let host = Platform::host().to_string();
                self.build(
                    &example,
                    &name,
                    &text,
                    &["--platform", &host, "--output", &output],
                );
                images.tools.insert(
                    pushed.clone(),
                    Tool {
                        config: config_of(&layout),
                        root,
                    },
                );
            }
            for value in images.arguments.values_mut().filter(|value| **value == name) {
                value.clone_from(&pushed);
            }
        }
        images
    }

    fn build(&self, example: &Example, name: &str, dockerfile: &str, more: &[&str]) {
        let place = &example.directory;
        fs::write(place.join("bench.Dockerfile"), dockerfile).expect("a Dockerfile can be written");
        let configuration = read(&place.join("lrops.toml")) + PERMISSION;
        fs::write(place.join("bench.toml"), configuration).expect("a configuration can be written");
        let ended = Command::new(self.lrops)
            .args([
                "build",
                "--engine=embedded",
                "--emulation=allow",
                "--progress=plain",
                "--file=bench.Dockerfile",
            ])
            .args(["--config=bench.toml", "--store"])
            .arg(self.directory.join("store"))
            .args(more)
            .arg(".")
            .current_dir(place)
            .output()
            .expect("lrops starts");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "lrops cannot make {name}: {said}");
    }
}

/// An image that only this machine's platform needs runs commands.
fn is_tool(platforms: &BTreeSet<Platform>) -> bool {
    platforms.iter().eq([&Platform::host()])
}

impl Roots {
    /// Asks the tools where they would fetch packages from.
    pub(crate) fn sources(&self) -> Sources {
        // The first of a list of proxies, which is the one that is asked first.
        let go = self.ask("go", &["env", "GOPROXY"]);
        let go = go.split([',', '|']).next().unwrap_or_default();
        let npm = self.ask("npm", &["config", "get", "registry"]);
        let without_slash = |address: &str| address.trim().trim_end_matches('/').to_owned();
        Sources {
            go: without_slash(go),
            npm: without_slash(&npm),
        }
    }

    /// Runs the first such program with this process' environment, and returns what it prints.
    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        for root in self.tools.values() {
            let words = [&[program], arguments].concat().join(" ");
            // Debian has several versions of Go, none of them in the usual places.
            let script = format!("PATH=$(echo /usr/lib/go-*/bin):/usr/local/bin:/usr/bin:/bin exec {words}");
            let command = ["/bin/sh".to_owned(), "-c".to_owned(), script];
            let asked = Chroot::new(root)
                .command("/", &command)
                .output()
                .expect("unshare starts");
            if asked.status.success() {
                return String::from_utf8_lossy(&asked.stdout).into_owned();
            }
        }
        panic!("no image of the example has {program}")
    }
}

impl Images {
    /// Returns what lowering has to know of an image; none of those that run no commands.
    pub(crate) fn resolve(&self, image: &ImageRef) -> Option<Resolved> {
        let tool = self.tools.get(&image.name)?;
        let mut graph = Graph::default();
        let step = Step {
            op: Op::Image(ImageOp {
                name: image.name.clone(),
                manifest: None,
                layers: Vec::new(),
                diff_ids: tool.config.rootfs.diff_ids.clone(),
            }),
            inputs: Vec::new(),
            label: StepLabel::default(),
        };
        let root = graph.add(step, &image.platform);
        Some(Resolved::Image {
            config: Box::new(tool.config.clone()),
            graph,
            root: Some(root),
        })
    }

    /// Returns the directories of all images.
    pub(crate) fn roots(&self) -> Vec<&Path> {
        self.tools.values().map(|tool| tool.root.as_path()).collect()
    }

    /// Returns the directory with an image's files.
    pub(crate) fn root(&self, name: &str) -> &Path {
        &self
            .tools
            .get(name)
            .expect("a step starts from an image with tools")
            .root
    }
}

/// Reads the config of a layout's only image.
fn config_of(layout: &Path) -> ImageConfig {
    let blob = |digest: &Value| {
        let digest = digest.as_str().expect("a digest").replace(':', "/");
        read(&layout.join("blobs").join(digest))
    };
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("a document of a layout");
    let index = parse(&read(&layout.join("index.json")));
    let manifest = parse(&blob(&index["manifests"][0]["digest"]));
    serde_json::from_str(&blob(&manifest["config"]["digest"])).expect("a config")
}
