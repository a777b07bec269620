//! Flags that buildx gets as they were typed: the request does not hold them, or holds only what they lead to.

use std::collections::BTreeSet;
use std::fs;

use lrops_buildx::PassedOn;
use lrops_model::request::BuildRequest;

use crate::arguments::BuildArguments;
use crate::configuration::{Configuration, DeliverWord};
use crate::request::{Output, Outputs};

/// The longest secret that BuildKit takes, in bytes.
const SECRET_BYTES_MAX: u64 = 500 * 1024;

/// The name under which a `RUN` mounts the host's certificate authorities.
const HOST_CA: &str = "host-ca";

/// What the flags say that concerns the build farm alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct FarmFlags {
    /// Who publishes the image.
    pub(crate) deliver: DeliverWord,
    /// Where the builder brings the image besides, each by flags of its own: `--load`.
    pub(crate) besides: Vec<Vec<String>>,
    /// Where the cache is written besides the image: `--cache-to`.
    pub(crate) caches: Vec<String>,
    layers: Vec<String>,
    everywhere: Vec<String>,
    main: Vec<String>,
    attests: bool,
    bare_arguments: BTreeSet<String>,
}

/// Reads the flags.
pub(crate) fn farm_flags(
    arguments: &BuildArguments,
    configuration: &Configuration,
    outputs: &Outputs,
) -> FarmFlags {
    let foreign = &arguments.foreign;
    let mut everywhere = Words::default();
    everywhere.all("--secret", &arguments.secret);
    everywhere.all("--ssh", &arguments.ssh);
    everywhere.all("--ulimit", &foreign.ulimit);
    everywhere.all("--resource", &foreign.resource);
    everywhere.one("--cgroup-parent", foreign.cgroup_parent.as_ref());
    // `security.insecure` is in the request already.
    let allowed = arguments
        .allow
        .iter()
        .filter(|allowed| *allowed != "security.insecure");
    everywhere.all("--allow", &allowed.cloned().collect::<Vec<_>>());
    let host = arguments.network.as_ref().filter(|network| *network == "host");
    everywhere.one("--network", host);
    let mut main = Words::default();
    main.all("--policy", &foreign.policy);
    main.all("--cache-from", &arguments.cache_from);
    main.all("--cache-to", &arguments.cache_to);
    let mut attestations = Words::default();
    attestations.all("--attest", &arguments.attest);
    attestations.one("--sbom", arguments.sbom.as_ref());
    attestations.one("--provenance", arguments.provenance.as_ref());
    // buildx adds provenance by itself unless it is told about provenance, whatever else is asked for.
    let is_provenance = |text: &String| text.contains("type=provenance");
    let attests = arguments.provenance.is_some() || arguments.attest.iter().any(is_provenance);
    main.0.extend(attestations.0);
    FarmFlags {
        deliver: arguments
            .deliver
            .or(configuration.sections.buildx.deliver)
            .unwrap_or_default(),
        besides: besides(arguments, outputs),
        caches: caches(&arguments.cache_to),
        layers: outputs.layers.clone(),
        everywhere: everywhere.0,
        main: main.0,
        attests,
        bare_arguments: bare_arguments(&arguments.build_arg),
    }
}

/// Returns the flags by which the builder brings the image to where only it can bring it.
fn besides(arguments: &BuildArguments, outputs: &Outputs) -> Vec<Vec<String>> {
    let load = (arguments.load == Some(true)).then(|| vec!["--load".to_owned()]);
    let typed = outputs.places.iter().filter_map(|place| match place {
        Output::Docker(text) => Some(vec!["--output".to_owned(), text.clone()]),
        _ => None,
    });
    load.into_iter().chain(typed).collect()
}

/// Returns the places of caches that are not in the image itself.
fn caches(typed: &[String]) -> Vec<String> {
    let is_inline = |text: &&String| text.split(',').any(|field| field.trim() == "type=inline");
    typed.iter().filter(|text| !is_inline(text)).cloned().collect()
}

/// Returns the names that get their values from the environment: those whose last mention has none.
fn bare_arguments(typed: &[String]) -> BTreeSet<String> {
    let mut bare = BTreeSet::new();
    for text in typed {
        match text.split_once('=') {
            Some((name, _)) => bare.remove(name),
            None => bare.insert(text.clone()),
        };
    }
    bare
}

impl FarmFlags {
    /// Returns the flags for a request; with the host's certificate authorities where a `RUN` mounts them. `note` hears
    /// of what cannot be handed over.
    pub(super) fn passed_on(
        &self,
        request: &BuildRequest,
        mounts_host_ca: bool,
        note: impl Fn(String),
    ) -> PassedOn {
        let mut everywhere = self.everywhere.clone();
        let wanted = mounts_host_ca && !request.secrets.contains_key(HOST_CA);
        if let Some(path) = request.host_ca.as_ref().filter(|_| wanted) {
            let size = fs::metadata(path).map_or(0, |file| file.len());
            if size > SECRET_BYTES_MAX {
                note(format!(
                    "the machine's certificate authorities in {} are not handed over as the secret {HOST_CA}: BuildKit takes \
                     {SECRET_BYTES_MAX} bytes, and they are {size}; name a smaller file: --secret id={HOST_CA},src=FILE",
                    path.display()
                ));
            } else {
                everywhere.extend([
                    "--secret".to_owned(),
                    format!("id={HOST_CA},src={}", path.display()),
                ]);
            }
        }
        PassedOn {
            everywhere,
            main: self.main.clone(),
            layers: self.layers.clone(),
            attests: self.attests,
            bare_arguments: self.bare_arguments.clone(),
        }
    }
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn one(&mut self, flag: &str, value: Option<&String>) {
        let words = value.map(|value| [flag.to_owned(), value.clone()]);
        self.0.extend(words.into_iter().flatten());
    }

    fn all(&mut self, flag: &str, values: &[String]) {
        for value in values {
            self.one(flag, Some(value));
        }
    }
}
