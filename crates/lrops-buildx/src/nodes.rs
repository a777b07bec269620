//! Which node of a builder builds for which platforms, and what tools run on there.
//!
//! buildx sends each platform to one node, and can bring home only what one node built: a builder with several nodes is
//! asked once for each. The rules are those of buildx (`build/resolver`), except that a node that was made for a
//! platform gets it whatever else is asked for.

use lrops_model::platform::Platform;

use crate::builders::{BuilderFacts, NodeFacts};

/// What one node builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeShare<'b> {
    /// The node.
    pub node: &'b NodeFacts,
    /// The platforms, in the order in which they were asked for.
    pub platforms: Vec<Platform>,
}

impl BuilderFacts {
    /// Shares platforms out to the nodes, so that a run of buildx for a share's platforms is carried out by its node
    /// alone. A node may have two shares: for what it was made for, and for what it can do besides.
    pub fn shares(&self, platforms: &[Platform]) -> Vec<NodeShare<'_>> {
        let mut shares: Vec<((usize, bool), NodeShare<'_>)> = Vec::new();
        for platform in platforms {
            let Some(key) = self.node_for(platform) else {
                return Vec::new();
            };
            if let Some((_, share)) = shares.iter_mut().find(|(other, _)| *other == key) {
                share.platforms.push(platform.clone());
                continue;
            }
            let share = NodeShare {
                node: &self.nodes[key.0],
                platforms: vec![platform.clone()],
            };
            shares.push((key, share));
        }
        shares.into_iter().map(|(_, share)| share).collect()
    }

    /// Returns the node that builds for a platform, and whether it was made for it; none where there is no node.
    fn node_for(&self, platform: &Platform) -> Option<(usize, bool)> {
        let position = |is_fit: &dyn Fn(&NodeFacts) -> bool| self.nodes.iter().position(is_fit);
        if let Some(index) = position(&|node| node.chosen.contains(platform)) {
            return Some((index, true));
        }
        let able = position(&|node| node.platforms.contains(platform))
            .or_else(|| position(&|node| node.platforms.iter().any(|own| covers(own, platform))));
        // Where nobody says that they can, the first is asked.
        let first = (!self.nodes.is_empty()).then_some(0);
        able.or(first).map(|index| (index, false))
    }
}

impl NodeFacts {
    /// Returns the platform that tools run on there: what `BUILDPLATFORM` will be. None before the node runs.
    ///
    /// A node lists its own platform first, its variants and what it emulates behind; but those that were chosen for
    /// the node, which may be emulated, stand before all. The first of the others is its own platform, or a variant of
    /// it.
    pub fn build_platform(&self) -> Option<&Platform> {
        if !self.runs() {
            return None;
        }
        let Some(other) = self.platforms.iter().find(|one| !self.chosen.contains(one)) else {
            return self.platforms.first();
        };
        let is_variant = |own: &&Platform| own.architecture == other.architecture || is_half(own, other);
        Some(self.chosen.iter().find(is_variant).unwrap_or(other))
    }
}

impl NodeFacts {
    /// Returns whether it runs, and so says what it can. Before, it names no more than what was chosen for it.
    pub fn runs(&self) -> bool {
        self.buildkit.is_some() || self.status == "running"
    }
}

/// Returns whether buildx takes a node of one platform for another: it has 64-bit ARM run 32-bit programs, too.
fn covers(own: &Platform, wanted: &Platform) -> bool {
    own.runs_natively(wanted) || is_half(own, wanted)
}

/// Returns whether a platform has the short words of another: an x86 or ARM of 32 bits beside that of 64.
fn is_half(own: &Platform, other: &Platform) -> bool {
    matches!(
        (own.architecture.as_str(), other.architecture.as_str()),
        ("amd64", "386") | ("arm64", "arm")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A builder whose nodes list these platforms; a star marks what was chosen.
    fn builder(nodes: &[&str]) -> BuilderFacts {
        let node = |(index, platforms): (usize, &&str)| {
            format!("Name: n{index}\nEndpoint: e\nStatus: running\nPlatforms: {platforms}\n")
        };
        let nodes: String = nodes.iter().enumerate().map(node).collect();
        BuilderFacts::parse(&format!("Name: farm\nDriver: remote\n\nNodes:\n{nodes}")).unwrap()
    }

    fn check_shares(nodes: &[&str], asked: &str, expected: &[&str]) {
        let asked: Vec<Platform> = asked.split(',').map(|name| name.parse().unwrap()).collect();
        let builder = builder(nodes);
        let shares = builder.shares(&asked).into_iter().map(|share| {
            let names: Vec<String> = share.platforms.iter().map(Platform::to_string).collect();
            format!("{}: {}", share.node.name, names.join(","))
        });
        assert_eq!(shares.collect::<Vec<_>>(), expected, "{nodes:?}");
    }

    #[test]
    fn a_platform_goes_to_the_node_that_was_made_for_it_else_to_the_first_that_can() {
        let all = "linux/amd64,linux/arm64,linux/arm/v7";
        let (amd64, arm64) = ("linux/amd64, linux/amd64/v2", "linux/arm64, linux/arm/v7");
        check_shares(
            &[amd64, arm64],
            all,
            &["n0: linux/amd64", "n1: linux/arm64,linux/arm/v7"],
        );
        check_shares(
            &[amd64, "linux/arm64*, linux/arm/v7"],
            all,
            &["n0: linux/amd64", "n1: linux/arm64", "n1: linux/arm/v7"],
        );
        // buildx has 64-bit ARM run programs of 32 bits, whether it is listed or not.
        check_shares(
            &[amd64, "linux/arm64*, linux/amd64"],
            all,
            &["n0: linux/amd64", "n1: linux/arm64", "n1: linux/arm/v7"],
        );
        // The first emulates what the second was made for.
        let emulating = "linux/amd64, linux/arm64, linux/arm/v7";
        check_shares(
            &[emulating, "linux/arm64*, linux/arm/v7"],
            all,
            &["n0: linux/amd64,linux/arm/v7", "n1: linux/arm64"],
        );
        check_shares(&[emulating, arm64], all, &[&format!("n0: {all}")]);
        check_shares(&[amd64], all, &[&format!("n0: {all}")]);
        check_shares(
            &["linux/arm64", "linux/amd64"],
            "linux/386,linux/riscv64",
            &["n1: linux/386", "n0: linux/riscv64"],
        );
        check_shares(&[], all, &[]);
    }

    #[test]
    fn a_node_that_does_not_run_says_nothing_of_its_machine() {
        let answer = "Name: farm\nDriver: remote\n\nNodes:\nName: n0\nEndpoint: e\nStatus: inactive\nPlatforms: linux/arm64*\n";
        let builder = BuilderFacts::parse(answer).unwrap();
        assert_eq!(builder.nodes[0].build_platform(), None);
    }

    #[test]
    fn tools_run_on_the_nodes_own_platform_whatever_it_was_made_for() {
        for (platforms, expected) in [
            ("linux/amd64, linux/amd64/v2, linux/386", Some("linux/amd64")),
            ("linux/amd64*, linux/amd64/v2, linux/386", Some("linux/amd64")),
            ("linux/amd64*, linux/386", Some("linux/amd64")),
            ("linux/arm64*, linux/amd64, linux/amd64/v2", Some("linux/amd64")),
            (
                "linux/arm64*, linux/arm/v7*, linux/amd64, linux/386",
                Some("linux/amd64"),
            ),
            ("linux/amd64*, linux/arm64*, linux/arm/v7", Some("linux/arm64")),
            ("linux/arm64*, linux/arm/v7", Some("linux/arm64")),
            ("linux/amd64*, linux/arm64, linux/arm/v7", Some("linux/arm64")),
            ("linux/arm64*", Some("linux/arm64")),
            ("", None),
        ] {
            let builder = builder(&[platforms]);
            let own = builder.nodes[0].build_platform().map(ToString::to_string);
            assert_eq!(own.as_deref(), expected, "{platforms}");
        }
    }
}
